"""The stock service client: twins, queries with paging, purge (contract 7.5, 7.7, 7.10)."""

import pytest
from azure.iot.hub.models import QuerySpecification, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from rest import check_error


def test_get_update_replace(registry, device):
    name = device.device_id
    twin = registry.get_twin(name)
    assert twin.device_id == name and twin.version == 2 and twin.tags in ({}, None)
    assert twin.properties.desired["$version"] == 1 and twin.authentication_type == "sas"
    assert twin.status == "enabled" and twin.connection_state == "Disconnected"
    updated = registry.update_twin(
        name, Twin(tags={"a": 1}, properties=TwinProperties(desired={"x": {"y": 1, "z": 2}})),
        twin.etag)
    assert updated.tags == {"a": 1} and updated.properties.desired["$version"] == 2
    assert updated.properties.desired["$metadata"]["x"]["y"]["$lastUpdatedVersion"] == 2
    with pytest.raises(HttpOperationError) as caught:
        registry.update_twin(name, Twin(tags={"a": 2}), twin.etag)
    assert caught.value.response.status_code == 412
    merged = registry.update_twin(name, Twin(properties=TwinProperties(desired={"x": {"y": None}})))
    assert merged.properties.desired["x"] == {"z": 2} and merged.tags == {"a": 1}
    replaced = registry.replace_twin(
        name, Twin(tags={"b": 1}, properties=TwinProperties(desired={"only": True})))
    assert replaced.tags == {"b": 1} and "x" not in replaced.properties.desired
    assert registry.get_twin(name).etag == replaced.etag


def test_module_twins(registry, identities, device):
    identities.module(device)
    name = device.device_id
    updated = registry.update_module_twin(
        name, "m1", Twin(tags={"a": 1}, properties=TwinProperties(desired={"x": 1})))
    assert (updated.device_id, updated.module_id, updated.tags) == (name, "m1", {"a": 1})
    replaced = registry.replace_module_twin(name, "m1", Twin(tags={"b": 2}))
    assert replaced.tags == {"b": 2} and "x" not in replaced.properties.desired
    assert registry.get_module_twin(name, "m1").version == replaced.version
    assert registry.get_twin(name).tags in ({}, None)


@pytest.fixture
def floors(identities, rest):
    """Seven devices, tagged with a group of this test, three of them on floor 2."""
    group = identities.name()
    made = []
    for number in range(7):
        device = identities.device()
        rest.patch_twin(device.device_id, {
            "tags": {"group": group, "floor": 2 if number % 3 == 0 else 1, "n": number},
            "properties": {"desired": {"rate": number * 0.5}}})
        made.append(device)
    return group, made


def test_paging_through_the_stock_client(registry, floors):
    group, made = floors
    query, seen, token, pages = QuerySpecification(
        query=f"SELECT * FROM devices WHERE tags.group = '{group}'"), [], None, 0
    while True:
        result = registry.query_iot_hub(query, token, "3")
        assert result.type == "Twin" and len(result.items) <= 3
        seen += [twin.device_id for twin in result.items]
        pages, token = pages + 1, result.continuation_token
        if not token:
            break
    assert seen == sorted(device.device_id for device in made) and pages == 3


def selected(registry, text):
    """The IDs that the stock client gets, page after page; a page may be empty."""
    found, token = [], None
    while True:
        result = registry.query_iot_hub(QuerySpecification(query=text), token, "2")
        found += [twin.device_id for twin in result.items]
        token = result.continuation_token
        if not token:
            return found


def test_a_tag_query_follows_each_change(registry, floors):
    group, made = floors
    names = sorted(device.device_id for device in made)
    by_group = f"SELECT * FROM devices WHERE tags.group = '{group}'"
    assert selected(registry, by_group) == names
    first = made[0].device_id
    registry.update_twin(first, Twin(tags={"floor": 9, "group": None}))
    assert selected(registry, by_group) == [name for name in names if name != first]
    registry.update_twin(first, Twin(tags={"group": group, "floor": "9"}))
    assert selected(registry, by_group) == names
    assert selected(registry, by_group + " AND tags.floor = 9") == []
    assert selected(registry, by_group + " AND tags.floor = '9'") == [first]
    registry.replace_twin(first, Twin(tags={"group": group},
                                      properties=TwinProperties(desired={"rate": 1})))
    rated = by_group + " AND properties.desired.rate = 1.0"
    assert selected(registry, rated) == sorted([first, made[2].device_id])
    assert selected(registry, by_group + " AND properties.desired.rate > 1.0") == sorted(
        device.device_id for device in made[3:])


def rows(rest, text, **headers):
    answer = rest.call("POST", "/devices/query", json={"query": text}, headers=headers, expect=200)
    return answer.json()


def test_conditions(rest, floors):
    group, made = floors

    def numbers(condition):
        found = rows(rest, f"SELECT tags.n FROM devices WHERE tags.group = '{group}' AND "
                           f"({condition})")
        return [row["n"] for row in found]

    assert numbers("tags.floor = 2") == [0, 3, 6]
    assert numbers("tags.floor != 2 and tags.n >= 4") == [4, 5]
    assert numbers("tags.n IN [1, 2, 99]") == [1, 2]
    assert numbers("tags.n NIN [0,1,2,3,4,5]") == [6]
    assert numbers("NOT (tags.n > 0)") == [0]
    assert numbers("properties.desired.rate = 1.5") == [3]
    assert numbers("tags.missing != 1") == []
    assert numbers("IS_DEFINED(tags.floor) AND tags.n < 2") == [0, 1]
    assert numbers("tags.floor = '2'") == []
    assert numbers("status = 'enabled' AND tags.n = 1") == [1]
    assert numbers(f"deviceId = '{made[5].device_id}'") == [5]


def test_projection_and_aggregates(rest, floors):
    group, _ = floors
    where = f"FROM devices WHERE tags.group = '{group}'"
    answer = rest.call("POST", "/devices/query", expect=200, json={
        "query": f"SELECT tags.floor AS floor, COUNT() AS total {where} GROUP BY tags.floor"})
    assert answer.headers["x-ms-item-type"] == "Raw"
    assert sorted((row["floor"], row["total"]) for row in answer.json()) == [(1, 4), (2, 3)]
    assert rows(rest, f"SELECT AVG(tags.n) AS mean, MAX(tags.n) AS top {where}") == [
        {"mean": 3, "top": 6}]
    assert len(rows(rest, f"SELECT TOP 2 * {where}")) == 2


def test_modules_are_a_source(rest, identities, device):
    identities.module(device, "m1")
    found = rows(rest, f"SELECT * FROM devices.modules WHERE deviceId = '{device.device_id}'")
    assert [(row["deviceId"], row["moduleId"]) for row in found] == [(device.device_id, "m1")]


def test_a_write_is_seen_by_the_next_query(rest, device):
    for number in range(5):
        rest.patch_twin(device.device_id, {"tags": {"n": number}})
        found = rows(rest, f"SELECT * FROM devices WHERE deviceId = '{device.device_id}' "
                           f"AND tags.n = {number}")
        assert len(found) == 1


@pytest.mark.parametrize("text", [
    "", " ", "SELECT", "SELECT * FROM", "SELECT * FROM users", "DROP TABLE devices",
    "SELECT * FROM devices WHERE", "SELECT * FROM devices WHERE a = ", "SELECT * FROM devices;",
    "SELECT * FROM devices WHERE tags.a = 'open", "SELECT COUNT( FROM devices",
    "SELECT * FROM devices WHERE NOSUCH(a)", "SELECT *, FROM devices",
    "SELECT * FROM devices WHERE " + "(" * 2000 + "1=1" + ")" * 2000,
    "SELECT * FROM devices WHERE " + "NOT " * 1500 + "true",
    "x" * 8193, "SELECT * FROM devices WHERE a = 1e999999", "\x00",
], ids=lambda text: repr(text[:30]) + f"-{len(text)}")
def test_bad_queries_are_400(rest, text):
    check_error(rest.call("POST", "/devices/query", json={"query": text}), 400)


@pytest.mark.parametrize("body", [{}, [], {"query": 1}, {"query": None}, "SELECT", None], ids=str)
def test_bad_query_bodies_are_400(rest, body):
    check_error(rest.call("POST", "/devices/query", json=body), 400)


def test_continuation_is_bound_to_its_query(rest, floors):
    group, _ = floors
    text = f"SELECT * FROM devices WHERE tags.group = '{group}'"
    first = rest.call("POST", "/devices/query", json={"query": text}, expect=200,
                      headers={"x-ms-max-item-count": "2"})
    token = first.headers["x-ms-continuation"]
    for bad, query in ((token, text + " AND tags.n > 0"), ("garbage", text), (token + "x", text),
                       ("A" * 4000, text)):
        answer = rest.call("POST", "/devices/query", json={"query": query},
                           headers={"x-ms-continuation": bad})
        check_error(answer, 400)


def test_purge_through_the_stock_protocol_client(registry, rest, device):
    rest.send_c2d(device.device_id, b"x")
    result = registry.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(
        device.device_id)
    assert result.total_messages_purged == 1 and result.device_id == device.device_id
