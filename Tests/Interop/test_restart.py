"""A persistent hub that is killed: what was acknowledged is still there (contract 11)."""

import queue
import subprocess
import time

import pytest

from conftest import Identities, trust
from events import EventStream, body_of
from mqtt_wire import PUBACK, Closed, c2d_filter, publish_packet, telemetry_topic
from waiting import wait_until

WINDOW = 50


@pytest.fixture(scope="module")
def durable_hub(hub_factory, tmp_path_factory):
    """One data directory for the module; every test begins and ends with a running hub."""
    return hub_factory(data=tmp_path_factory.mktemp("data") / "hub")


@pytest.fixture
def durable_identities(request, durable_hub):
    if not durable_hub.is_alive():
        durable_hub.start()
    identities = Identities(durable_hub, request.node.name.removeprefix("test_"))
    yield identities
    identities.clean_up()


def kill_and_start(hub):
    hub.kill()
    hub.start()


def test_first_start_makes_what_later_starts_keep(durable_hub, durable_identities, bundle):
    before = (durable_hub.ca_pem, durable_hub.connection_string(), durable_hub.ready["adminToken"])
    durable_hub.stop()
    durable_hub.start()
    after = (durable_hub.ca_pem, durable_hub.connection_string(), durable_hub.ready["adminToken"])
    assert before == after
    trust(bundle, durable_hub)


def test_identities_twins_and_commands_survive_kill_9(durable_hub, durable_identities):
    rest = durable_hub.rest()
    device = durable_identities.device()
    durable_identities.module(device, "m1")
    with device.connect() as connection:
        connection.subscribe("$iothub/twin/res/#")
        connection.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", b'{"r":[1,2]}')
        assert "/res/204/" in connection.expect_publish().topic
    rest.patch_twin(device.device_id, {"tags": {"t": 1}, "properties": {"desired": {"d": 1.0}}})
    sent = rest.send_c2d(device.device_id, b"kept", messageid="m1").json()
    before = rest.twin(device.device_id), rest.device(device.device_id)
    kill_and_start(durable_hub)
    rest = durable_hub.rest()
    after = rest.twin(device.device_id), rest.device(device.device_id)
    for old, new in zip(before, after):
        for volatile in ("connectionState", "connectionStateUpdatedTime", "lastActivityTime"):
            old.pop(volatile, None), new.pop(volatile, None)
    assert after == before
    assert rest.twin(device.device_id, "m1")["moduleId"] == "m1"
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"kept"
    later = rest.send_c2d(device.device_id, b"next").json()
    assert later["sequenceNumber"] > sent["sequenceNumber"]


def test_subscriptions_survive_kill_9(durable_hub, durable_identities):
    device = durable_identities.device()
    filters = [c2d_filter(device.device_id), "$iothub/methods/POST/#",
               "$iothub/twin/PATCH/properties/desired/#"]
    with device.connect(clean=False) as connection:
        assert connection.subscribe(*filters) == [1, 1, 1]
        kill_and_start(durable_hub)
        connection.expect_closed()
    rest = durable_hub.rest()
    with device.connect(clean=False) as connection:
        assert connection.session_present
        rest.send_c2d(device.device_id, b"x")
        assert connection.expect_publish().payload == b"x"
        rest.patch_twin(device.device_id, {"properties": {"desired": {"a": 1}}})
        assert "PATCH/properties/desired" in connection.expect_publish().topic


def test_clean_sessions_do_not_survive(durable_hub, durable_identities):
    device = durable_identities.device()
    with device.connect(clean=True) as connection:
        connection.subscribe(c2d_filter(device.device_id))
    kill_and_start(durable_hub)
    with device.connect(clean=False) as connection:
        assert not connection.session_present


@pytest.mark.timeout(60)
def test_stock_client_goes_on_after_kill_9(stock, durable_hub, durable_identities):
    device = durable_identities.device()
    client, arrived, desired = stock.connect(device), queue.Queue(), queue.Queue()
    client.on_message_received = arrived.put
    client.on_twin_desired_properties_patch_received = desired.put
    client.get_twin()
    durable_hub.kill()
    wait_until(lambda: not client.connected, 10, "the client sees the loss")
    durable_hub.start()
    rest = durable_hub.rest()
    rest.send_c2d(device.device_id, b"after the crash")
    rest.patch_twin(device.device_id, {"properties": {"desired": {"a": 1}}})
    assert arrived.get(timeout=20).data == b"after the crash"
    assert desired.get(timeout=20)["a"] == 1
    client.send_message("and back")
    client.shutdown()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("after", [0.05, 0.3, 0.8])
def test_no_acknowledged_event_is_lost(durable_hub, durable_identities, after):
    """Killed in the middle of a stream; only what got a PUBACK is owed."""
    device = durable_identities.device()
    topic = telemetry_topic(device.device_id)
    acknowledged, sent, killed_at = set(), 0, None
    begun = time.monotonic()
    with device.connect() as connection:
        try:
            while True:
                while sent - len(acknowledged) < WINDOW and killed_at is None:
                    sent += 1
                    connection.send(publish_packet(
                        topic, b"%d" % sent + b" " * 200, identifier=(sent - 1) % 65535 + 1))
                if killed_at is None and time.monotonic() - begun > after:
                    killed_at = sent
                    durable_hub.kill()
                acknowledged.add(int.from_bytes(connection.expect(PUBACK).body, "big"))
        except Closed:
            pass
    assert acknowledged and killed_at
    durable_hub.start()
    stored = [int(body_of(event)) for event in
              EventStream(durable_hub.rest("service"), "earliest").available()
              if event["annotations"]["iothub-connection-device-id"] == device.device_id]
    assert set(stored) >= acknowledged, f"lost: {sorted(acknowledged - set(stored))[:20]}"
    assert len(stored) == len(set(stored)), "a message was stored twice without a reconnect"
    assert stored == sorted(stored)
    again = EventStream(durable_hub.rest("service"), "latest")
    device.connect().publish(topic, b"goes on")
    again.wait_for(1, device=device.device_id)


def test_positions_stay_valid_after_kill_9(durable_hub, durable_identities):
    device = durable_identities.device()
    stream = EventStream(durable_hub.rest("service"))
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"before")
    first, = stream.wait_for(1, device=device.device_id)
    kill_and_start(durable_hub)
    stream._rest = durable_hub.rest("service")
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"after")
    second, = stream.wait_for(1, device=device.device_id)
    assert body_of(second) == b"after"
    assert int(second["sequenceNumber"]) == int(first["sequenceNumber"]) + 1


def test_a_second_process_on_the_same_data_is_refused(durable_hub, durable_identities):
    """Two writers of one log would destroy it."""
    command = durable_hub.command()
    command[command.index("--ready-file") + 1] += ".second"
    command[command.index("--host") + 1] = "127.0.77.251"
    result = subprocess.run(command, capture_output=True, timeout=10, check=False)
    assert result.returncode not in (0, -11, -6), result
    assert durable_hub.is_alive()
    durable_hub.rest().call("GET", "/devices", expect=200)
