"""One connection per identity, and what ends it (contract 3.2)."""

import time

import pytest

import certificates
import sas
from mqtt_wire import Closed, c2d_filter, telemetry_topic
from waiting import wait_until
from websocket_wire import Upgrade

DROP_SECONDS = 5


def test_a_second_connection_drops_the_first(device, events):
    first = device.connect()
    second = device.connect()
    first.expect_closed()
    second.publish(telemetry_topic(device.device_id), b"still here")
    events.wait_for(1, device=device.device_id)
    second.abort()


def test_take_over_between_mqtt_and_websocket(hub, device):
    first = device.connect()
    with Upgrade(hub) as upgrade:
        second = upgrade.mqtt()
        assert second.connect(device.client_id, device.username(), device.token()) == 0
        first.expect_closed()
        third = device.connect()
        second.expect_closed()
        third.abort()


def test_bad_credentials_cannot_evict(device):
    with device.connect() as good:
        for token in (device.token(key=sas.new_key()), device.token(ttl=-400), ""):
            connection, code = device.try_connect(password=token)
            connection.abort()
            assert code == 5
        good.ping()


def test_a_taken_over_connection_publishes_its_will(device, events):
    will = (telemetry_topic(device.device_id, reason="gone"), b"will", 1)
    first = device.connect(will=will)
    second = device.connect()
    first.expect_closed()
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"] == {"reason": "gone", "iothub-MessageType": "Will"}
    second.abort()


def test_a_hundred_take_overs_leave_one_connection(device, rest, events):
    connections = [device.connect() for _ in range(100)]
    for connection in connections[:-1]:
        connection.expect_closed()
    connections[-1].publish(telemetry_topic(device.device_id), b"last")
    events.wait_for(1, device=device.device_id)
    connections[-1].abort()
    wait_until(lambda: rest.device(device.device_id)["connectionState"] == "Disconnected", 5,
               "nobody is connected")


def test_disabling_drops_and_enabling_lets_back_in(identities, rest):
    device = identities.device()
    module = identities.module(device)
    connections = [device.connect(), module.connect()]
    record = rest.device(device.device_id)
    record.update(status="disabled", statusReason="test")
    rest.update_device(record)
    for connection in connections:
        connection.expect_closed(DROP_SECONDS)
    for identity in (device, module):
        connection, code = identity.try_connect()
        connection.abort()
        assert code == 5
    record = rest.device(device.device_id)
    assert record["status"] == "disabled" and record["statusReason"] == "test"
    record["status"] = "enabled"
    rest.update_device(record)
    for identity in (device, module):
        identity.connect().disconnect()


def test_deleting_a_device_drops_it_and_its_modules(identities, rest):
    device = identities.device()
    module = identities.module(device)
    connections = [device.connect(), module.connect()]
    rest.delete_device(device.device_id)
    identities.forget(device)
    for connection in connections:
        connection.expect_closed(DROP_SECONDS)
    connection, code = device.try_connect()
    connection.abort()
    assert code == 5


def test_deleting_a_module_leaves_the_device(identities, device, rest):
    module = identities.module(device)
    with device.connect() as stays, module.connect() as goes:
        rest.call("DELETE", f"/devices/{device.device_id}/modules/m1",
                  headers={"If-Match": "*"}, expect=204)
        goes.expect_closed(DROP_SECONDS)
        stays.ping()


def test_replacing_the_key_in_use_drops_and_the_other_key_does_not(device, rest):
    keys = device.record["authentication"]["symmetricKey"]
    record = rest.device(device.device_id)
    with device.connect() as by_primary:
        record["authentication"]["symmetricKey"] = {
            "primaryKey": keys["primaryKey"], "secondaryKey": sas.new_key()}
        rest.update_device(record)
        by_primary.ping()
        new_key = sas.new_key()
        record = rest.device(device.device_id)
        record["authentication"]["symmetricKey"]["primaryKey"] = new_key
        rest.update_device(record)
        by_primary.expect_closed(DROP_SECONDS)
    connection, code = device.try_connect()
    connection.abort()
    assert code == 5
    device.key = new_key
    device.connect().disconnect()


def test_replacing_the_thumbprint_drops(identities, rest, tmp_path):
    old, new = certificates.self_signed("d"), certificates.self_signed("d")
    device = identities.device(authentication={
        "type": "selfSigned", "x509Thumbprint": {
            "primaryThumbprint": old.thumbprint(), "secondaryThumbprint": old.thumbprint()}})
    context = device.hub.tls_context()
    context.load_cert_chain(*old.write(tmp_path, "old"))
    with device.connect(context=context, password="") as connection:
        record = rest.device(device.device_id)
        record["authentication"]["x509Thumbprint"] = {
            "primaryThumbprint": new.thumbprint(), "secondaryThumbprint": new.thumbprint()}
        rest.update_device(record)
        connection.expect_closed(DROP_SECONDS)


def test_twin_and_tag_writes_do_not_drop(device, rest):
    with device.connect() as connection:
        rest.patch_twin(device.device_id, {"tags": {"a": 1}})
        record = rest.device(device.device_id)
        record["statusReason"] = "only a note"
        rest.update_device(record)
        connection.ping()


def test_recreated_device_starts_afresh(identities, rest):
    device = identities.device()
    with device.connect(clean=False) as connection:
        connection.subscribe(c2d_filter(device.device_id))
    rest.send_c2d(device.device_id, b"old")
    rest.patch_twin(device.device_id, {"tags": {"old": True}})
    rest.delete_device(device.device_id)
    identities.forget(device)
    again = identities.device(device.device_id)
    assert again.record["generationId"] != device.record["generationId"]
    assert rest.twin(again.device_id)["tags"] == {}
    with again.connect(clean=False) as connection:
        assert not connection.session_present
        connection.subscribe(c2d_filter(again.device_id))
        connection.expect_silence()


def test_connection_state_and_activity_time(device, rest):
    assert rest.device(device.device_id)["connectionState"] == "Disconnected"
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"x")
        state = rest.device(device.device_id)
        assert state["connectionState"] == "Connected"
        assert state["lastActivityTime"] > "2020" and state["etag"] == device.record["etag"]


@pytest.mark.parametrize("interval", [1, 2])
def test_keep_alive_is_one_and_a_half_times_the_interval(device, interval):
    with device.connect(keep_alive=interval) as connection:
        took = connection.expect_closed(timeout=interval * 1.5 + 4)
    assert interval * 1.5 - 0.2 <= took <= interval * 1.5 + 3


def test_pings_keep_a_connection_alive(device):
    with device.connect(keep_alive=1) as connection:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            connection.ping()
            with pytest.raises(TimeoutError):
                connection.read(0.7)


def test_keep_alive_ends_in_a_will(device, events):
    will = (telemetry_topic(device.device_id), b"asleep", 0)
    with device.connect(keep_alive=1, will=will) as connection:
        connection.expect_closed(timeout=6)
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"]["iothub-MessageType"] == "Will"


def test_disconnect_leaves_no_will(device, events):
    device.connect(will=(telemetry_topic(device.device_id), b"will", 1)).disconnect()
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"marker")
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"] == {}


def test_a_will_on_another_topic_is_refused(identities, device):
    other = identities.device()
    for topic in (telemetry_topic(other.device_id), "$iothub/twin/GET/?$rid=1", "any", ""):
        with device.open() as connection:
            try:
                code = connection.connect(device.client_id, device.username(), device.token(),
                                          will=(topic, b"x", 1))
            except Closed:
                continue
            assert code == 5
