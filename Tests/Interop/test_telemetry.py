"""Telemetry with every property, and the event it becomes (contract 3.3, 3.4 and 8.4)."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from azure.iot.device import Message

from events import EventStream, body_of, json_of, order_of
from hub import BODY_CANARY
from mqtt_wire import PUBACK, publish_packet, telemetry_topic

APPLICATION = {
    "plain": "value", "empty": "", "plus": "a+b", "slash": "a/b/c", "ampersand": "a&b=c",
    "percent": "100%25", "blank": "a b", "unicode": "Größe ✓ 温度 🌡", "dollar": "$.mid",
    "key with blank": "1", "ключ": "значение", "k+/&=%": "all", "number": "42",
}


def test_every_property_of_the_stock_client(stock, device, events):
    message = Message(json.dumps({"t": 20.5, "canary": BODY_CANARY}))
    message.message_id, message.correlation_id, message.user_id = "mid-1", "cid/1", "uid é"
    message.content_type, message.content_encoding = "application/json", "utf-8"
    expiry = datetime.datetime(2099, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    message.expiry_time_utc = expiry
    message.custom_properties.update(APPLICATION)
    stock.connect(device).send_message(message)
    event, = events.wait_for(1, device=device.device_id)

    properties = event["properties"]
    assert properties["message-id"] == "mid-1"
    assert properties["correlation-id"] == "cid/1"
    assert properties["user-id"] == "uid é"
    assert properties["content-type"] == "application/json"
    assert properties["content-encoding"] == "utf-8"
    assert properties["to"] == f"/devices/{device.device_id}/messages/events"
    assert properties["absolute-expiry-time"].startswith("2099-01-02T03:04:05")
    assert event["applicationProperties"] == APPLICATION
    assert json_of(event) == {"t": 20.5, "canary": BODY_CANARY}

    annotations = event["annotations"]
    assert annotations["iothub-connection-device-id"] == device.device_id
    assert annotations["iothub-connection-auth-generation-id"] == device.record["generationId"]
    assert annotations["iothub-message-source"] == "Telemetry"
    assert "iothub-connection-module-id" not in annotations
    method = json.loads(annotations["iothub-connection-auth-method"])
    assert method == {"scope": "device", "type": "sas", "issuer": "iothub",
                      "acceptingIpFilterRule": None}
    assert event["enqueuedTime"].endswith("Z")
    enqueued = datetime.datetime.fromisoformat(event["enqueuedTime"][:19] + "+00:00")
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((now - enqueued).total_seconds()) < 30


def test_absent_properties_stay_absent(stock, device, events):
    stock.connect(device).send_message("bare")
    event, = events.wait_for(1, device=device.device_id)
    assert set(event["properties"]) == {"to"}
    assert event["applicationProperties"] == {}
    assert body_of(event) == b"bare"


def test_security_message_and_interface(stock, device, events):
    message = Message("x")
    message.set_as_security_message()
    stock.connect(device).send_message(message)
    event, = events.wait_for(1, device=device.device_id)
    assert event["annotations"]["iothub-interface-id"] == (
        "urn:azureiot:Security:SecurityAgent:1")


def raw_bag(device, events, bag, payload=b"x", **options):
    with device.connect() as connection:
        connection.publish(f"devices/{device.device_id}/messages/events/{bag}", payload, **options)
    event, = events.wait_for(1, device=device.device_id)
    return event


@pytest.mark.parametrize("bag, expected", [
    ("", {}),
    ("?a=1", {"a": "1"}),
    ("a=1/", {"a": "1"}),
    ("a=", {"a": ""}),
    ("a", {"a": None}),
    ("a&b=2", {"a": None, "b": "2"}),
    ("a=1&a=2", {"a": "2"}),
    ("a=b/c/d", {"a": "b/c/d"}),
    ("a=b=c", {"a": "b=c"}),
    ("a=1%2B1", {"a": "1+1"}),
    ("%24x=1", {"$x": "1"}),
])
def test_bags_of_other_clients(device, events, bag, expected):
    assert raw_bag(device, events, bag)["applicationProperties"] == expected


def test_system_keys_escaped_and_unescaped(device, events):
    event = raw_bag(device, events, "$.mid=m1&%24.cid=c1&$.sub=thermostat&$.schema=s1"
                                    "&$.ctime=2026-01-02T03:04:05Z&$.on=o1")
    assert event["properties"]["message-id"] == "m1"
    assert event["properties"]["correlation-id"] == "c1"
    assert event["annotations"]["dt-subject"] == "thermostat"
    assert event["applicationProperties"]["iothub-message-schema"] == "s1"
    assert event["applicationProperties"]["iothub-creation-time-utc"] == "2026-01-02T03:04:05Z"


def test_a_device_cannot_speak_as_another(device, events):
    event = raw_bag(device, events, "$.cdid=somebody&$.cmid=else")
    assert event["annotations"]["iothub-connection-device-id"] == device.device_id
    assert "iothub-connection-module-id" not in event["annotations"]


def test_retain_becomes_a_property(device, events):
    event = raw_bag(device, events, "a=1", retain=True)
    assert event["applicationProperties"] == {"a": "1", "mqtt-retain": "true"}


@pytest.mark.parametrize("payload", [b"", b"\x00\xff\xfe\x80", "Größe".encode(), b"{broken"])
def test_bodies_survive_byte_for_byte(device, events, payload):
    assert body_of(raw_bag(device, events, "", payload)) == payload


@pytest.mark.parametrize("content", ["application/json", "application/json;charset=utf-8"])
def test_a_body_that_is_not_the_json_it_claims_to_be(device, events, content):
    event = raw_bag(device, events, f"%24.ct={quote(content, safe='')}&%24.ce=utf-8", b'{"a":')
    assert body_of(event) == b'{"a":'


def test_largest_message_is_stored_and_one_byte_more_closes(device, events):
    topic = telemetry_topic(device.device_id)
    with device.connect() as connection:
        connection.publish(topic, b"x" * 262_144, timeout=10)
    event, = events.wait_for(1, device=device.device_id)
    assert len(body_of(event)) == 262_144
    with device.connect() as connection:
        connection.send(publish_packet(topic, b"x" * 262_145))
        connection.expect_closed()


def test_properties_count_towards_the_size(device):
    with device.connect() as connection:
        topic = telemetry_topic(device.device_id, name="v" * 100)
        connection.publish(topic, b"x" * (262_144 - 104), timeout=10)
        connection.send(publish_packet(topic, b"x" * (262_144 - 103)))
        connection.expect_closed()


def test_qos_0_is_stored(device, events):
    with device.connect() as connection:
        connection.send(publish_packet(telemetry_topic(device.device_id), b"zero", qos=0))
        connection.ping()
    event, = events.wait_for(1, device=device.device_id)
    assert body_of(event) == b"zero"


def test_order_of_one_device_is_kept(device, events):
    topic = telemetry_topic(device.device_id)
    with device.connect() as connection:
        connection.send(b"".join(
            publish_packet(topic, str(number).encode(), identifier=number)
            for number in range(1, 301)))
        acknowledged = [int.from_bytes(connection.expect(PUBACK).body, "big") for _ in range(300)]
    assert acknowledged == list(range(1, 301))
    got = sorted(events.wait_for(300, device=device.device_id), key=order_of)
    assert [int(body_of(event)) for event in got] == list(range(1, 301))
    assert len({event["partition"] for event in got}) == 1


def test_events_can_be_read_again_from_every_kind_of_position(hub, device, events):
    reader = hub.rest("service")
    with device.connect() as connection:
        for number in range(5):
            connection.publish(telemetry_topic(device.device_id), str(number).encode())
    got = sorted(events.wait_for(5, device=device.device_id), key=order_of)
    third = got[2]
    for position, first in (
        (f"offset:{third['offset']}", {2, 3}),  # From an offset on, or after it.
        (f"sequence:{third['sequenceNumber']}", {2, 3}),
        (f"time:{third['enqueuedTime']}", {0, 1, 2, 3}),
        ("earliest", {0}),
    ):
        stream = EventStream(reader, position, partition=third["partition"])
        again = [int(body_of(event)) for event in stream.available()
                 if event["annotations"]["iothub-connection-device-id"] == device.device_id]
        assert again and again[0] in first and again[-1] == 4, (position, again)


@pytest.mark.timeout(120)
def test_more_than_the_log_takes_in_a_turn_waits_and_is_all_acknowledged(identities):
    """Sixty devices at once with messages at the limit: no connection ends, nothing is left out."""
    devices = [identities.device() for _ in range(60)]
    crowd = [device.connect() for device in devices]
    count, body = 8, b"x" * (250 << 10)

    def send(device, connection):
        topic = telemetry_topic(device.device_id)
        connection.send(b"".join(
            publish_packet(topic, body, identifier=number) for number in range(1, count + 1)))
        return [connection.expect(PUBACK, timeout=60) for _ in range(count)]

    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(pool.map(send, devices, crowd))
    for connection in crowd:
        connection.ping()
        connection.abort()
    assert [len(acknowledged) for acknowledged in answers] == [count] * len(crowd)
