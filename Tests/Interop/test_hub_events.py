"""Events that the hub makes itself, read with the stock azure-eventhub client."""

import threading
import time

import pytest

from events import EventStream, json_of
from identities import Identity
from test_event_stream import receiving  # noqa: F401 (fixture)

SOURCES = ["TwinChangeEvents", "DeviceLifecycleEvents", "DeviceConnectionStateEvents"]


def route(source, **fields):
    return {"name": source, "source": source, "endpointNames": ["events"], **fields}


@pytest.fixture(scope="module")
def hub(hub_factory):
    """A hub where everything that happens to identities is an event."""
    hub = hub_factory()
    hub.rest().call("PUT", "/routing", json={"routes": [route(one) for one in SOURCES]}, expect=200)
    return hub


def operations(events):
    return [event.properties[b"opType"].decode() for event in events]


def text(event, name):
    value = event.properties.get(name.encode())
    return value if value is None else value.decode()


def test_a_life_is_told_in_order_and_as_the_stock_client_expects_it(
    hub, identities, stock, receiving  # noqa: F811
):
    device = identities.device()
    rest = hub.rest()
    rest.patch_twin(device.device_id, {"tags": {"site": "a"}, "properties": {"desired": {"n": 1}}})
    client = stock.connect(device)
    client.patch_twin_reported_properties({"ready": True})
    client.shutdown()
    seen = receiving()
    seen.wait_for(5, device.device_id)
    rest.delete_device(device.device_id)
    identities.forget(device)

    events = seen.wait_for(6, device.device_id)
    assert operations(events) == [
        "createDeviceIdentity", "updateTwin", "deviceConnected", "updateTwin",
        "deviceDisconnected", "deleteDeviceIdentity",
    ]
    for event in events:
        system = event.system_properties
        assert system[b"iothub-connection-device-id"] == device.device_id.encode()
        assert b"iothub-connection-auth-method" not in system
        assert isinstance(system[b"iothub-enqueuedtime"], int)
        assert event.content_type == "application/json"
        assert event.correlation_id
        assert text(event, "hubName") == hub.host
        assert text(event, "deviceId") == device.device_id
        assert text(event, "moduleId") is None
        assert text(event, "operationTimestamp").endswith("Z")
    assert len({event.correlation_id for event in events}) == len(events)

    created, changed, connected, reported, disconnected, deleted = events
    assert created.system_properties[b"iothub-message-source"] == b"deviceLifecycleEvents"
    assert text(created, "iothub-message-schema") == "deviceLifecycleNotification"
    assert created.body_as_json()["deviceId"] == device.device_id
    assert changed.system_properties[b"iothub-message-source"] == b"twinChangeEvents"
    assert text(changed, "iothub-message-schema") == "twinChangeNotification"
    body = changed.body_as_json()
    assert body["version"] == 3 and body["tags"] == {"site": "a"}
    assert body["properties"]["desired"]["n"] == 1
    assert body["properties"]["desired"]["$version"] == 2
    assert reported.body_as_json()["properties"]["reported"]["ready"] is True
    assert connected.system_properties[b"iothub-message-source"] == b"deviceConnectionStateEvents"
    assert text(connected, "iothub-message-schema") == "deviceConnectionStateNotification"
    numbers = [one.body_as_json()["sequenceNumber"] for one in (connected, disconnected)]
    assert all(len(number) == 64 for number in numbers)
    assert int(numbers[0], 16) < int(numbers[1], 16)
    assert deleted.body_as_json()["properties"]["reported"]["ready"] is True


def test_modules_are_named(hub, identities, receiving):  # noqa: F811
    device = identities.device()
    identities.module(device)
    created = receiving().wait_for(2, device.device_id)[1]
    assert created.system_properties[b"iothub-connection-module-id"] == b"m1"
    assert text(created, "moduleId") == created.body_as_json()["moduleId"] == "m1"
    assert operations([created]) == ["createDeviceIdentity"]


def test_conditions_pick_changes_by_path_and_twin(hub_factory):
    hub = hub_factory()
    rest = hub.rest()
    rest.call("PUT", "/routing", json={
        "routes": [
            route("TwinChangeEvents", condition="twin_change_includes(tags.site)"),
            route("DeviceMessages", condition="$twin.tags.site = 'a'"),
        ],
        "fallbackRoute": {"endpointNames": ["events"], "isEnabled": False},
        "enrichments": [
            {"key": "floor", "value": "$twin.tags.floor", "endpointNames": ["events"]}
        ],
    }, expect=200)
    stream = EventStream(hub.rest("service"), "earliest")
    rest.create_device("d")
    keys = rest.device("d")["authentication"]["symmetricKey"]
    connection, code = Identity(hub, "d", keys["primaryKey"]).try_connect()
    assert code == 0
    for number, tags in enumerate([{"floor": 1}, {"site": "a"}, {"floor": 2}, {"site": "b"}]):
        rest.patch_twin("d", {"tags": tags})
        connection.publish("devices/d/messages/events/", b"%d" % number, qos=1)
    connection.disconnect()
    changes = stream.wait_for(2, source="twinChangeEvents")
    assert [json_of(change)["tags"] for change in changes] == [{"site": "a"}, {"site": "b"}]
    messages = EventStream(hub.rest("service"), "earliest").wait_for(2)
    assert [message["applicationProperties"]["floor"] for message in messages] == ["1", "2"]
    assert stream.available() == []


def test_no_change_that_was_acknowledged_is_without_its_event_after_kill(hub_factory, tmp_path):
    hub = hub_factory(data=tmp_path / "data")
    rest = hub.rest()
    rest.call("PUT", "/routing", json={"routes": [route("TwinChangeEvents")]}, expect=200)
    for number in range(4):
        rest.create_device(f"d{number}")
    acknowledged = {}

    def change(device):
        mine = hub.rest()
        try:
            for number in range(1, 100_000):
                mine.patch_twin(device, {"tags": {"n": number}})
                acknowledged[device] = number
        except Exception:  # The hub is killed in the midst of it.
            pass

    for life in range(3):
        threads = [threading.Thread(target=change, args=(f"d{one}",)) for one in range(4)]
        acknowledged.clear()
        for thread in threads:
            thread.start()
        threads[0].join(0.7)
        hub.kill()
        for thread in threads:
            thread.join(20)
        hub.start()
        assert len(acknowledged) == 4, f"life {life} was too short to see anything"
        events = EventStream(hub.rest("service"), "earliest")
        last = {}
        wanted = {device: hub.rest().twin(device)["version"] for device in acknowledged}
        deadline = time.monotonic() + 30
        while any(last.get(device, 2) < version for device, version in wanted.items()):
            assert time.monotonic() < deadline, (last, wanted)
            time.sleep(0.1)
            for event in events.available():
                device = event["annotations"]["iothub-connection-device-id"]
                version = json_of(event)["version"]
                # The first time in order, without a gap; an event may come again.
                assert version <= last.get(device, 2) + 1, (device, version, last)
                last[device] = max(version, last.get(device, 2))
