"""Digital twins with the stock clients of both sides (contract 7.10), and the events of their changes."""

import json

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub import DigitalTwinClient
from msrest.exceptions import HttpOperationError

from events import EventStream, json_of
from rest import check_error, inner_error
from test_cli import answer, cli_hub, orrery  # noqa: F401 (fixtures)
from waiting import wait_until

MODEL = "dtmi:com:example:TemperatureController;1"


@pytest.fixture(scope="module")
def twins(hub):
    return DigitalTwinClient.from_connection_string(hub.connection_string("service"))


@pytest.fixture
def boiler(stock, device):
    """A connected device that announced a model, with a component and a property of the root."""
    client = stock.connect(device, product_info=MODEL)
    client.patch_twin_reported_properties({
        "serialNumber": "a-1",
        "thermostat1": {"__t": "c", "maxTempSinceLastReboot": 25.3},
    })
    return client


def raw(operation, *arguments):
    """An operation's result with the headers that the stock client knows."""
    return operation(*arguments, raw=True)


def test_a_patch_reaches_the_device_and_its_acknowledgement_comes_back(twins, boiler, device):
    twin = twins.get_digital_twin(device.device_id)
    assert twin["$dtId"] == device.device_id and twin["$metadata"]["$model"] == MODEL
    assert twin["serialNumber"] == "a-1"
    assert twin["$metadata"]["serialNumber"]["lastUpdateTime"].endswith("Z")
    assert twin["thermostat1"]["maxTempSinceLastReboot"] == 25.3
    assert "__t" not in twin["thermostat1"] and "$metadata" in twin["thermostat1"]

    told = []
    boiler.on_twin_desired_properties_patch_received = told.append
    patch = [{"op": "add", "path": "/thermostat1/targetTemperature", "value": 21.8},
             {"op": "add", "path": "/fanSpeed", "value": 2}]
    operations = twins.protocol.digital_twin
    etag = raw(operations.get_digital_twin, device.device_id).headers["ETag"]
    written = raw(operations.update_digital_twin, device.device_id, patch, etag)
    assert written.headers["ETag"] not in (None, etag)
    assert written.headers["Location"] == f"/digitaltwins/{device.device_id}"
    wait_until(lambda: told, 5, "the device hears of it")
    version = told[0].pop("$version")
    assert told[0] == {"thermostat1": {"__t": "c", "targetTemperature": 21.8}, "fanSpeed": 2}
    wanted = twins.get_digital_twin(device.device_id)["thermostat1"]
    assert "targetTemperature" not in wanted
    assert wanted["$metadata"]["targetTemperature"] == {
        "desiredValue": 21.8, "desiredVersion": version}

    boiler.patch_twin_reported_properties({"thermostat1": {
        "__t": "c", "targetTemperature": {"value": 21.8, "ac": 200, "av": version, "ad": "done"}}})
    wanted = twins.get_digital_twin(device.device_id)["thermostat1"]
    assert wanted["targetTemperature"] == 21.8
    facts = wanted["$metadata"]["targetTemperature"]
    assert facts.pop("lastUpdateTime")
    assert facts == {"desiredValue": 21.8, "desiredVersion": version, "ackVersion": version,
                     "ackCode": 200, "ackDescription": "done"}

    with pytest.raises(HttpOperationError) as caught:
        twins.update_digital_twin(device.device_id, patch, etag)
    assert caught.value.response.status_code == 412
    twins.update_digital_twin(
        device.device_id, [{"op": "remove", "path": "/thermostat1"}], written.headers["ETag"])
    wait_until(lambda: len(told) == 2, 5, "the device hears of the removal")
    assert told[1]["thermostat1"] is None


def test_commands_of_root_and_component(twins, boiler, device):
    seen = []

    def handle(request):
        seen.append((request.name, request.payload))
        status = 404 if request.name == "fail" else 200
        boiler.send_method_response(MethodResponse.create_from_method_request(
            request, status, {"name": request.name}))

    boiler.on_method_request_received = handle
    assert twins.invoke_command(device.device_id, "reboot", 5) == {"name": "reboot"}
    since = "2025-01-01T00:00:00Z"
    assert twins.invoke_component_command(
        device.device_id, "thermostat1", "getMaxMinReport", since, 5, 10,
    ) == {"name": "thermostat1*getMaxMinReport"}
    assert seen == [("reboot", 5), ("thermostat1*getMaxMinReport", since)]
    failed = raw(
        twins.protocol.digital_twin.invoke_root_level_command, device.device_id, "fail", {},
        None, 5)
    assert failed.headers["x-ms-command-statuscode"] == 404
    assert failed.headers["x-ms-request-id"] and failed.output == {"name": "fail"}


def test_commands_fail_as_direct_methods_do(twins, boiler, device, rest):
    boiler.on_method_request_received = lambda request: None  # Nobody answers.
    path = f"/digitaltwins/{device.device_id}/commands/reboot"
    late = rest.call("POST", path, params={"responseTimeoutInSeconds": 5}, json={})
    assert late.status_code == 504 and inner_error(late)["errorCode"] == 504101
    boiler.disconnect()
    with pytest.raises(HttpOperationError) as caught:
        twins.invoke_command(device.device_id, "reboot", "")
    assert caught.value.response.status_code == 404
    assert caught.value.response.headers["iothub-errorcode"] == "DeviceNotOnline"


def test_patches_that_are_none_are_refused_with_place_and_remedy(twins, boiler, device, rest):
    for patch, words in [
        ([{"op": "move", "from": "/a", "path": "/b"}], "[0].op must be add, replace or remove"),
        ([{"op": "replace", "path": "/none", "value": 1}], "[0] /none"),
        ([{"op": "add", "path": "/serialNumber/x", "value": 1}], "serialNumber"),
        ([{"op": "add", "path": "/thermostat1", "value": {"a": 1}}], "$metadata"),
        ([{"op": "add", "path": "/list", "value": [1]}], "arrays"),
    ]:
        with pytest.raises(HttpOperationError) as caught:
            twins.update_digital_twin(device.device_id, patch)
        assert caught.value.response.status_code == 400, patch
        assert words in caught.value.response.text, patch
    check_error(
        rest.call("GET", "/digitaltwins/nobody"), 404, "DeviceNotFound")


def test_changes_are_events(hub_factory, stock):
    hub = hub_factory()
    rest = hub.rest()
    rest.call("PUT", "/routing", json={"routes": [{
        "name": "twins", "source": "DigitalTwinChangeEvents", "endpointNames": ["events"],
        "condition": "opType = 'updateTwin'"}]}, expect=200)
    stream = EventStream(hub.rest("service"), "earliest")
    from conftest import Identities

    identities = Identities(hub, "pnp")
    plain, device = identities.device(), identities.device()
    stock.connect(plain).patch_twin_reported_properties({"ready": True})
    client = stock.connect(device, product_info=MODEL)
    client.patch_twin_reported_properties({"thermostat1": {"__t": "c", "max": 25.3}})
    DigitalTwinClient.from_connection_string(hub.connection_string()).update_digital_twin(
        device.device_id, [{"op": "add", "path": "/thermostat1/target", "value": 21.8}])
    client.patch_twin_reported_properties({"thermostat1": {"max": 26}})

    first, second, third = stream.wait_for(3, source="digitalTwinChangeEvents")
    for event in (first, second, third):
        assert event["annotations"]["iothub-connection-device-id"] == device.device_id
        assert event["properties"]["content-type"] == "application/json-patch+json"
        assert event["applicationProperties"]["iothub-message-schema"] == (
            "digitalTwinChangeNotification")
        assert event["applicationProperties"]["opType"] == "updateTwin"
    (added,) = json_of(first)
    assert added["op"] == "add" and added["path"] == "/thermostat1"
    assert added["value"]["max"] == 25.3 and added["value"]["$metadata"]["max"]["lastUpdateTime"]
    assert json_of(second) == [{
        "op": "add", "path": "/thermostat1/$metadata/target",
        "value": {"desiredValue": 21.8, "desiredVersion": 2}}]
    assert [(one["op"], one["path"]) for one in json_of(third)] == [
        ("replace", "/thermostat1/$metadata/max/lastUpdateTime"), ("replace", "/thermostat1/max")]


def test_the_command_line(cli_hub, orrery):  # noqa: F811
    orrery("device", "create", "boiler")
    patch = [{"op": "add", "path": "/thermostat1",
              "value": {"targetTemperature": 21.5, "$metadata": {}}}]
    updated = answer(orrery("digital-twin", "update", "boiler", "-", stdin=json.dumps(patch)))
    wanted = updated["thermostat1"]["$metadata"]["targetTemperature"]
    assert wanted == {"desiredValue": 21.5, "desiredVersion": 2}
    assert answer(orrery("digital-twin", "show", "boiler")) == updated
    refused = orrery("digital-twin", "update", "boiler", '[{"op":"test","path":"/a"}]', status=1)
    assert "[0].op" in refused.stderr
    orrery("digital-twin", "invoke", "boiler", "reboot", "--component", "thermostat1", status=6)
