"""Configurations and deployments through the stock configuration manager (contract 7.8)."""

import pytest
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import (
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    ConfigurationQueriesTestInput,
)
from msrest.exceptions import HttpOperationError

from conftest import make_identities
from rest import check_error
from waiting import wait_until


@pytest.fixture(scope="session")
def configured_hub(hub_factory):
    """A hub of its own: configurations for all devices must not meet other tests."""
    return hub_factory()


@pytest.fixture
def identities(request, configured_hub):
    return make_identities(request, configured_hub)


@pytest.fixture
def rest(configured_hub):
    return configured_hub.rest()


@pytest.fixture
def configurations(configured_hub):
    manager = IoTHubConfigurationManager.from_connection_string(
        configured_hub.connection_string("service"))
    yield manager
    for configuration in manager.get_configurations():
        manager.delete_configuration(configuration.id)


def for_devices(name, values, condition="*", priority=0, **more):
    content = ConfigurationContent(
        device_content={f"properties.desired.{path}": value for path, value in values.items()})
    return Configuration(
        id=name, schema_version="1.0", content=content, target_condition=condition,
        priority=priority, labels={"made": "by-test"}, **more)


def desired(rest, device_id, module_id=None):
    section = rest.twin(device_id, module_id)["properties"]["desired"]
    return {key: value for key, value in section.items() if not key.startswith("$")}


def statuses(rest, device_id, module_id=None):
    shown = rest.twin(device_id, module_id).get("configurations", {})
    return {name: entry["status"] for name, entry in shown.items()}


def refused(call, *arguments):
    with pytest.raises(HttpOperationError) as refusal:
        call(*arguments)
    return refusal.value.response


def test_create_read_change_delete(configurations):
    made = configurations.create_configuration(for_devices("life", {"a": 1}, ""))
    assert made.etag == "MQ==" and made.created_time_utc is not None
    assert made.labels == {"made": "by-test"} and made.schema_version == "1.0"
    read = configurations.get_configuration("life")
    assert read.content.device_content == {"properties.desired.a": 1}
    assert read.content.modules_content is None and read.priority == 0
    check_error(
        refused(configurations.create_configuration, for_devices("life", {"a": 1})), 409,
        "ConfigurationAlreadyExists")
    read.priority, read.target_condition = 9, "tags.none = 1"
    # The stock client sends the ETag as it is, without quotes.
    changed = configurations.update_configuration(read, read.etag)
    assert (changed.priority, changed.etag) == (9, "Mg==")
    check_error(
        refused(configurations.update_configuration, read, made.etag), 412, "PreconditionFailed")
    check_error(
        refused(configurations.delete_configuration, "life", made.etag), 412,
        "PreconditionFailed")
    assert configurations.update_configuration(read, '"Mg=="').etag == "Mw=="
    assert configurations.update_configuration(read, "*").etag == "NA=="
    assert [c.id for c in configurations.get_configurations(5)] == ["life"]
    configurations.delete_configuration("life")
    check_error(
        refused(configurations.get_configuration, "life"), 404, "ConfigurationNotFound")
    check_error(
        refused(configurations.update_configuration, read, "*"), 404, "ConfigurationNotFound")


def test_two_priorities_by_condition_reach_devices(stock, identities, configurations, rest):
    north, south = identities.device(), identities.device()
    rest.patch_twin(north.device_id, {"tags": {"site": "north"}})
    rest.patch_twin(south.device_id, {"tags": {"site": "south"}})
    patches = []
    client = stock.connect(north)
    client.on_twin_desired_properties_patch_received = patches.append
    client.get_twin()
    configurations.create_configuration(for_devices("low", {"rate": 1, "unit": "s"}, priority=1))
    wait_until(lambda: desired(rest, north.device_id) == {"rate": 1, "unit": "s"}, 10, "low")
    configurations.create_configuration(
        for_devices("high", {"rate": 9}, "tags.site = 'north'", priority=5))
    wait_until(lambda: desired(rest, north.device_id)["rate"] == 9, 10, "high")
    assert desired(rest, south.device_id) == {"rate": 1, "unit": "s"}
    # All of low but what high sets applies too.
    assert statuses(rest, north.device_id) == {"low": "Applied", "high": "Applied"}
    wait_until(lambda: len(patches) >= 2, 5, "the device hears of both")
    assert [patch.get("rate") for patch in patches] == [1, 9]
    # The twin changes sides: in the same moment, for the service.
    rest.patch_twin(north.device_id, {"tags": {"site": "south"}})
    assert desired(rest, north.device_id) == {"rate": 1, "unit": "s"}
    assert statuses(rest, north.device_id) == {"low": "Applied"}
    rest.patch_twin(south.device_id, {"tags": {"site": "north"}})
    assert desired(rest, south.device_id)["rate"] == 9
    configurations.delete_configuration("high")
    wait_until(lambda: desired(rest, south.device_id)["rate"] == 1, 10, "low again")


def test_reported_properties_and_new_devices_count(stock, identities, configurations, rest):
    configurations.create_configuration(
        for_devices("ready", {"go": True}, "properties.reported.ready = true"))
    device = identities.device()
    client = stock.connect(device)
    client.patch_twin_reported_properties({"ready": True})
    wait_until(lambda: desired(rest, device.device_id) == {"go": True}, 5, "it is applied")
    client.patch_twin_reported_properties({"ready": None})
    wait_until(lambda: desired(rest, device.device_id) == {}, 5, "it is taken back")
    configurations.create_configuration(for_devices("all", {"new": 1}))
    later = identities.device()
    assert desired(rest, later.device_id) == {"new": 1}


def test_metrics(identities, configurations, rest):
    devices = [identities.device() for _ in range(3)]
    for number, device in enumerate(devices):
        rest.patch_twin(device.device_id, {"tags": {"metric": number}})
    configurations.create_configuration(for_devices(
        "counted", {"m": 1}, "tags.metric >= 1",
        metrics=ConfigurationMetrics(queries={
            "zero": "SELECT deviceId FROM devices WHERE tags.metric = 0",
            "any": "SELECT deviceId FROM devices WHERE IS_DEFINED(tags.metric)"})))

    def results():
        read = configurations.get_configuration("counted")
        return read.system_metrics.results, read.metrics.results

    expected = ({"targetedCount": 2, "appliedCount": 2}, {"zero": 1, "any": 3})
    wait_until(lambda: results() == expected, 10, "the metrics count")
    listed = configurations.get_configurations(10)[0]
    assert listed.system_metrics.results == expected[0]
    # Operators reuse the published queries.
    query = listed.system_metrics.queries["appliedCount"]
    rows = rest.call("POST", "/devices/query", json={"query": query}, expect=200).json()
    assert {row["deviceId"] for row in rows} == {d.device_id for d in devices[1:]}


def test_modules(identities, configurations, rest):
    device = identities.device()
    identities.module(device, "pump")
    identities.module(device, "fan")
    content = ConfigurationContent(module_content={"properties.desired.speed": 3})
    configurations.create_configuration(Configuration(
        id="modules", content=content, schema_version="1.0",
        target_condition="FROM devices.modules WHERE moduleId = 'pump'"))
    wait_until(
        lambda: desired(rest, device.device_id, "pump") == {"speed": 3}, 10, "it is applied")
    assert statuses(rest, device.device_id, "pump") == {"modules": "Applied"}
    assert desired(rest, device.device_id, "fan") == {}
    assert desired(rest, device.device_id) == {}


def deployment(name, modules, condition="*", priority=0):
    return Configuration(
        id=name, schema_version="1.0", target_condition=condition, priority=priority,
        content=ConfigurationContent(modules_content=modules))


BASE = {
    "$edgeAgent": {"properties.desired": {"modules": {"m": {"settings": {"image": "m:1"}}}}},
    "$edgeHub": {"properties.desired": {"routes": {"up": "FROM /* INTO $upstream"}}},
    "m": {"properties.desired": {"speed": 1}},
}
LAYER = {
    "$edgeAgent": {"properties.desired.modules.f": {"settings": {"image": "f:1"}}},
    "$edgeHub": {"properties.desired.routes.f": "FROM /messages/modules/f/* INTO $upstream"},
}


def test_deployment_and_layer(identities, configurations, rest):
    edge = identities.device(capabilities={"iotEdge": True})
    leaf = identities.device()
    configurations.create_configuration(deployment("base", BASE, priority=1))
    configurations.create_configuration(deployment("layer", LAYER, priority=2))
    wait_until(
        lambda: set(desired(rest, edge.device_id, "$edgeAgent").get("modules", {})) == {"m", "f"},
        10, "both are deployed")
    assert desired(rest, edge.device_id, "m") == {"speed": 1}
    assert set(desired(rest, edge.device_id, "$edgeHub")["routes"]) == {"up", "f"}
    assert statuses(rest, edge.device_id) == {"base": "Applied", "layer": "Applied"}
    assert statuses(rest, leaf.device_id) == {}
    wait_until(
        lambda: configurations.get_configuration("base").system_metrics.results == {
            "targetedCount": 1, "appliedCount": 1, "reportedSuccessfulCount": 0,
            "reportedFailedCount": 0},
        10, "the metrics count")


def test_content_is_applied_to_one_edge_device(identities, configurations, rest):
    edge = identities.device(capabilities={"iotEdge": True})
    leaf = identities.device()
    configurations.apply_configuration_on_edge_device(
        edge.device_id, ConfigurationContent(modules_content=BASE))
    assert desired(rest, edge.device_id, "m") == {"speed": 1}
    assert "m" in desired(rest, edge.device_id, "$edgeAgent")["modules"]
    content = ConfigurationContent(modules_content=BASE)
    apply = configurations.apply_configuration_on_edge_device
    check_error(refused(apply, leaf.device_id, content), 400, "ArgumentInvalid")
    check_error(refused(apply, "no-such-device", content), 404, "DeviceNotFound")
    check_error(
        refused(apply, edge.device_id, ConfigurationContent(device_content={})), 400,
        "InvalidConfigurationContent")


def test_queries_are_tested(configurations):
    result = configurations.test_configuration_queries(ConfigurationQueriesTestInput(
        target_condition="tags.a = = 1",
        custom_metric_queries={"bad": "SELECT", "good": "SELECT deviceId FROM devices"}))
    assert "column" in result.target_condition_error
    assert list(result.custom_metric_query_errors) == ["bad"]
    fine = configurations.test_configuration_queries(
        ConfigurationQueriesTestInput(target_condition="*", custom_metric_queries={}))
    assert fine.target_condition_error is None and fine.custom_metric_query_errors == {}


@pytest.mark.parametrize("name, content, condition, code, hint", [
    ("c", {"device_content": {"properties.desired.a": 1}}, "tags.a = = 1",
     "InvalidConfigurationTargetCondition", "column 10"),
    ("c", {"device_content": {"properties.reported.a": 1}}, "*",
     "InvalidConfigurationContent", "properties.desired"),
    ("c", {"device_content": {"tags.a": 1}}, "*", "InvalidConfigurationContent", ""),
    ("c", {"device_content": {}, "module_content": {}}, "*", "InvalidConfigurationContent", ""),
    ("c", {"modules_content": {"m": {}}}, "*", "InvalidConfigurationContent", "$edgeAgent"),
    ("c", {"module_content": {}}, "tags.a = 1", "InvalidConfigurationTargetCondition", ""),
    ("c", {"device_content": {"properties.desired.a": 2**60}}, "*",
     "InvalidConfigurationContent", "integer"),
    ("Capital", {"device_content": {}}, "*", "ArgumentInvalid", "lower-case"),
    ("c" * 129, {"device_content": {}}, "*", "ArgumentInvalid", "128"),
])
def test_refusals(configurations, name, content, condition, code, hint):
    wish = Configuration(
        id=name, content=ConfigurationContent(**content), target_condition=condition)
    response = refused(configurations.create_configuration, wish)
    check_error(response, 400, code, shape=1)
    assert hint in response.text
    assert configurations.get_configurations() == []


def test_unknown_members_of_content_are_refused(rest, configurations):
    body = {"content": {"gadgetContent": {}}, "targetCondition": "*"}
    response = rest.call("PUT", "/configurations/c", json=body)
    check_error(response, 400, "InvalidConfigurationContent", shape=1)


def test_changed_content_is_ignored_and_said_so(rest, configurations):
    made = configurations.create_configuration(for_devices("same", {"a": 1}, ""))
    body = {"content": {"deviceContent": {"properties.desired.a": 2}}, "priority": 3}
    response = rest.call(
        "PUT", "/configurations/same", json=body, headers={"If-Match": made.etag}, expect=200)
    assert response.headers["x-orrery-warning"] == "content-immutable"
    read = configurations.get_configuration("same")
    assert read.content.device_content == {"properties.desired.a": 1} and read.priority == 3


def test_a_plan_says_what_then_happens(identities, configurations, rest):
    devices = [identities.device() for _ in range(3)]
    rest.patch_twin(devices[1].device_id, {"properties": {"desired": {"rate": 5}}})
    body = for_devices("planned", {"rate": 5, "unit": "s"}).serialize()
    pages, headers = [], {"x-ms-max-item-count": "2"}
    while True:
        page = rest.call(
            "POST", "/configurations/planned/plan", json=body, headers=headers, expect=200)
        pages.append(page.json())
        if "x-ms-continuation" not in page.headers:
            break
        headers["x-ms-continuation"] = page.headers["x-ms-continuation"]
    changes = {c["deviceId"]: c for page in pages for c in page["changes"]}
    assert {page["action"] for page in pages} == {"create"} and len(pages) == 2
    assert changes[devices[0].device_id]["desired"] == {"rate": 5, "unit": "s"}
    assert changes[devices[1].device_id]["desired"] == {"unit": "s"}
    assert desired(rest, devices[0].device_id) == {}
    configurations.create_configuration(for_devices("planned", {"rate": 5, "unit": "s"}))
    for device in devices:
        wait_until(
            lambda device=device: desired(rest, device.device_id) == {"rate": 5, "unit": "s"}, 10,
            "it is applied")
    gone = rest.call(
        "POST", "/configurations/planned/plan", params={"operation": "delete"}, expect=200)
    assert {c["configurations"]["planned"]["after"] for c in gone.json()["changes"]} == {None}


def test_configurations_outlive_a_kill(hub_factory, tmp_path):
    hub = hub_factory(data=tmp_path / "data")
    rest = hub.rest()
    for number in range(300):
        rest.create_device(f"device-{number:03}")
    manager = IoTHubConfigurationManager.from_connection_string(hub.connection_string())
    manager.create_configuration(for_devices("kept", {"a": 1}))
    hub.kill()
    hub.start()
    rest = hub.rest()
    query = {"query": "SELECT COUNT() AS n FROM devices WHERE properties.desired.a = 1"}

    def count():
        rows = rest.call("POST", "/devices/query", json=query, expect=200).json()
        return rows[0]["n"]

    wait_until(lambda: count() == 300, 20, "all devices have it")
