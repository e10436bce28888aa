"""Hostile and broken MQTT: the answer in the contract or a clean close, and nobody else notices."""

import random
import struct
import time

import pytest

import mqtt_wire as wire
from mqtt_wire import Closed, c2d_filter, connect_packet, packet, publish_packet, telemetry_topic

pytestmark = pytest.mark.usefixtures("unharmed")


def good_connect(device, **options):
    return connect_packet(device.client_id, device.username(), device.token(), **options)


def will_flags(flags):
    """A CONNECT whose flags are chosen bit by bit."""
    header = wire.text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60)
    return packet(1, header + b"".join(wire.text("x") for _ in range(5)))


FIRST_PACKETS = {
    "PUBLISH": publish_packet("devices/x/messages/events/", b"x"),
    "SUBSCRIBE": wire.subscribe_packet(1, ("a", 1)),
    "PINGREQ": packet(wire.PINGREQ), "DISCONNECT": packet(wire.DISCONNECT),
    "PUBACK": packet(wire.PUBACK, b"\x00\x01"), "CONNACK": packet(wire.CONNACK, b"\x00\x00"),
    "type 0": b"\x00\x00", "type 15": b"\xf0\x00", "zeros": bytes(64), "ones": b"\xff" * 64,
    "endless length": b"\x10\xff\xff\xff\xff\x7f", "largest length": b"\x10\xff\xff\xff\x7f",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\nX-Padding: " + b"x" * 100 + b"\r\n\r\n",
    "TLS inside TLS": b"\x16\x03\x01\x02\x00\x01",
    "CONNECT with flags": b"\x11" + connect_packet("x")[1:],
    "empty CONNECT": packet(1), "truncated string": packet(1, b"\x00\x10MQ"),
    "string beyond the packet": packet(1, wire.text("MQTT") + b"\x04\x02\x00\x3c\xff\xff"),
    "bytes after the payload": packet(1, connect_packet("x")[2:] + b"extra"),
    "reserved flag": connect_packet("x", "u", "p", reserved=1),
    "will QoS 3": will_flags(0xDE), "will flags without will": will_flags(0xD8),
    "password without user name": will_flags(0x46),
    "bad UTF-8 client id": connect_packet(b"\xff\xfe", "u", "p"),
    "surrogate": connect_packet(b"\xed\xa0\x80", "u", "p"),
    "overlong": connect_packet(b"\xc0\xaf", "u", "p"),
    "NUL": connect_packet(b"a\x00b", b"h/a\x00b/", "p"),
    "bad UTF-8 user name": connect_packet("x", b"\xff", "p"),
    "noise": b"\x95\x10" + random.Random(7).randbytes(4096),
}


@pytest.mark.parametrize("case", FIRST_PACKETS)
def test_first_packets_that_end_the_connection(device, case):
    with device.open() as connection:
        try:
            connection.send(FIRST_PACKETS[case])
            got = connection.read(5)
        except Closed:
            return
        assert got.kind == wire.CONNACK and got.body[1] in (1, 2, 4, 5), got
        connection.expect_closed()


@pytest.mark.parametrize("protocol, level, code", [
    (b"MQTT", 3, 1), (b"MQTT", 5, 1), (b"MQIsdp", 3, 1), (b"MQIsdp", 4, 1), (b"mqtt", 4, 1)])
def test_other_protocol_versions_get_code_1(device, protocol, level, code):
    with device.open() as connection:
        connection.send(good_connect(device, protocol=protocol, level=level))
        try:
            assert connection.expect(wire.CONNACK).body == bytes([0, code])
        except Closed:
            assert protocol == b"mqtt" or level == 5, "closed without CONNACK"
            return
        connection.expect_closed()


@pytest.mark.parametrize("client_id, user, codes", [
    ("", "{host}//", {2}), ("{id}", "{host}/other/", {2}), ("other", "{host}/{id}/", {2}),
    ("x" * 129, "{host}/" + "x" * 129 + "/", {2}), ("{id}", "", {4, 5}),
    ("{id}", "{host}", {2, 4, 5}),
    ("{id}", "{host}/{id}x/", {2, 4, 5}), ("{id}", "other.hub/{id}/", {5}), ("{id}", None, {4, 5}),
    ("{id}/m", "{host}/{id}/m/", {5}), ("{id}/", "{host}/{id}//", {2, 4, 5}),
    ("{id}/a/b", "{host}/{id}/a/b/", {2, 4, 5}), ("unknown", "{host}/unknown/", {5}),
])
def test_bad_names_get_their_code(hub, device, client_id, user, codes):
    fill = {"host": hub.host, "id": device.device_id}
    with device.open() as connection:
        code = connection.connect(
            client_id.format(**fill), None if user is None else user.format(**fill),
            None if user is None else device.token())
        assert code in codes and not connection.session_present
        connection.expect_closed()


def test_second_connect_ends_the_connection(device):
    with device.connect() as connection:
        connection.send(good_connect(device))
        connection.expect_closed()


CONNECTED_PACKETS = {
    "QoS 3": publish_packet("{topic}", qos=3), "QoS 2": publish_packet("{topic}", qos=2),
    "QoS 0 with DUP": publish_packet("{topic}", qos=0, dup=True),
    "identifier 0": publish_packet("{topic}", identifier=0), "empty topic": publish_packet(""),
    "wildcard +": publish_packet("{topic}a+"), "wildcard #": publish_packet("{topic}#"),
    "foreign telemetry": publish_packet("devices/somebody-else/messages/events/"),
    "module of mine": publish_packet("devices/{id}/modules/m1/messages/events/"),
    "prefix of mine": publish_packet("devices/{id}x/messages/events/"),
    "C2D topic": publish_packet("devices/{id}/messages/devicebound/"),
    "another topic": publish_packet("some/topic"), "$SYS": publish_packet("$SYS/broker"),
    "twin result": publish_packet("$iothub/twin/res/200/?$rid=1"),
    "desired patch": publish_packet("$iothub/twin/PATCH/properties/desired/?$version=1"),
    "DPS": publish_packet("$dps/registrations/PUT/iotdps-register/?$rid=1"),
    "bad UTF-8": publish_packet(b"devices/\xff/messages/events/"),
    "NUL": publish_packet("{topic}a\x00b"),
    "topic beyond the packet": packet(3, b"\xff\xffabc", 2),
    "no identifier": packet(3, wire.text("{topic}"), 2), "one byte": packet(3, b"\x00", 2),
    "oversize": packet(3, b"")[:1] + wire.remaining_length(262_144 + 512 + 65_535 + 5),
    "largest": b"\x32\xff\xff\xff\x7f", "endless length": b"\x32\xff\xff\xff\xff\x01",
    "SUBSCRIBE without flags": b"\x80" + wire.subscribe_packet(1, ("a", 1))[1:],
    "SUBSCRIBE of nothing": packet(8, b"\x00\x01", 2),
    "SUBSCRIBE with QoS 3": wire.subscribe_packet(1, ("$iothub/twin/res/#", 3)),
    "SUBSCRIBE with identifier 0": wire.subscribe_packet(0, ("$iothub/twin/res/#", 1)),
    "SUBSCRIBE of an empty filter": wire.subscribe_packet(1, ("", 1)),
    "SUBSCRIBE cut short": packet(8, b"\x00\x01\x00\x05ab", 2),
    "UNSUBSCRIBE of nothing": packet(10, b"\x00\x01", 2),
    "PINGREQ with a body": packet(12, b"x"), "PINGREQ with flags": b"\xc1\x00",
    "PUBACK without identifier": packet(4), "PUBACK too long": packet(4, b"\x00\x01\x00"),
    "CONNACK": packet(2, b"\x00\x00"), "SUBACK": packet(9, b"\x00\x01\x00"),
    "PINGRESP": packet(13), "type 0": b"\x00\x00", "type 15": b"\xf0\x00",
}


def filled(raw, device):
    """Puts the device's names into a prepared packet; lengths are worked out anew."""
    if b"{" not in raw:
        return raw
    index = 1
    while raw[index] & 0x80:
        index += 1
    body = raw[index + 1:]
    length = struct.unpack_from(">H", body)[0]
    topic = body[2:2 + length].replace(b"{id}", device.device_id.encode()).replace(
        b"{topic}", f"devices/{device.device_id}/messages/events/".encode())
    rest = body[2 + length:]
    body = struct.pack(">H", len(topic)) + topic + rest
    return raw[:1] + wire.remaining_length(len(body)) + body


@pytest.mark.parametrize("case", CONNECTED_PACKETS)
def test_packets_that_end_a_connection(identities, device, case):
    identities.module(device)
    with device.connect() as connection:
        connection.send(filled(CONNECTED_PACKETS[case], device))
        connection.expect_closed()
    device.connect().disconnect()


def test_nothing_of_a_refused_publish_is_stored(device, events):
    for raw in (publish_packet(telemetry_topic(device.device_id), b"two", qos=2),
                publish_packet(f"devices/{device.device_id}x/messages/events/", b"other")):
        with device.connect() as connection:
            connection.send(raw)
            connection.expect_closed()
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"good")
    event, = events.wait_for(1, device=device.device_id)
    assert event["body"] == "good"


@pytest.mark.parametrize("filters, codes", [
    ([("{c2d}", 0)], [0]), ([("{c2d}", 1)], [1]), ([("{c2d}", 2)], [1]),
    ([("$iothub/twin/res/#", 1), ("$iothub/methods/POST/#", 0)], [1, 0]),
    ([("$iothub/methods/POST/reboot/#", 1)], [1]),
    ([("$iothub/twin/res/", 1), ("$iothub/twin/PATCH/properties/desired/", 1)], None),
    ([("#", 1)], [0x80]), ([("+", 1)], [0x80]), ([("devices/#", 1)], [0x80]),
    ([("devices/+/messages/devicebound/#", 1)], [0x80]), ([("$SYS/#", 1)], [0x80]),
    ([("devices/somebody/messages/devicebound/#", 1)], [0x80]),
    ([("devices/{id}/messages/events/#", 1)], [0x80]), ([("some/topic", 1)], [0x80]),
    ([("$share/g/devices/{id}/messages/devicebound/#", 1)], [0x80]),
    ([("{c2d}", 1), ("nonsense", 1), ("$iothub/twin/res/#", 1)], [1, 0x80, 1]),
])
def test_subscribe_rows(device, filters, codes):
    asked = [(name.format(id=device.device_id, c2d=c2d_filter(device.device_id)), qos)
             for name, qos in filters]
    with device.connect() as connection:
        got = connection.subscribe(*asked)
        # The twin filters without `#` are acceptable in either spelling.
        assert got == codes if codes is not None else all(code in (0, 1) for code in got)
        connection.ping()


def test_more_than_fifty_subscriptions_are_refused(device):
    with device.connect() as connection:
        codes = []
        for number in range(52):
            codes += connection.subscribe(f"$iothub/methods/POST/m{number}/#")
        assert codes[:50] == [1] * 50 and codes[50:] == [0x80] * 2
        assert connection.subscribe("$iothub/methods/POST/m0/#") == [1], "a repeated one is not new"


def test_unsubscribe_is_always_answered(device, rest):
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        for name in (c2d_filter(device.device_id), "never/subscribed", "#"):
            identifier = connection.next_identifier()
            connection.send(wire.unsubscribe_packet(identifier, name))
            assert connection.expect(wire.UNSUBACK).body == struct.pack(">H", identifier)
        rest.send_c2d(device.device_id, b"x")
        connection.expect_silence()


def test_acknowledging_what_was_never_sent_is_harmless(device):
    with device.connect() as connection:
        for identifier in (1, 77, 65535):
            connection.send(packet(wire.PUBACK, struct.pack(">H", identifier)))
        connection.ping()


def test_packets_one_byte_at_a_time(device, events):
    with device.open() as connection:
        for byte in good_connect(device):
            connection.send(bytes([byte]))
        assert connection.expect(wire.CONNACK).body[1] == 0
        for byte in publish_packet(telemetry_topic(device.device_id), b"slowly"):
            connection.send(bytes([byte]))
        connection.expect(wire.PUBACK)
    events.wait_for(1, device=device.device_id)


def test_everything_in_one_write(device, events):
    with device.open() as connection:
        connection.send(
            good_connect(device) + wire.subscribe_packet(1, (c2d_filter(device.device_id), 1))
            + b"".join(publish_packet(telemetry_topic(device.device_id), b"x", identifier=number)
                       for number in range(1, 101)) + packet(wire.PINGREQ))
        kinds = [connection.read().kind for _ in range(103)]
    assert kinds.count(wire.PUBACK) == 100 and kinds[0] == wire.CONNACK
    assert kinds.count(wire.SUBACK) == kinds.count(wire.PINGRESP) == 1
    assert len(events.wait_for(100, device=device.device_id)) == 100


def test_what_follows_disconnect_is_ignored(device, events):
    with device.connect() as connection:
        connection.send(packet(wire.DISCONNECT) + publish_packet(
            telemetry_topic(device.device_id), b"after"))
        connection.expect_closed()
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"next")
    event, = events.wait_for(1, device=device.device_id)
    assert event["body"] == "next"


def test_a_hundred_noisy_connections(hub, device):
    for number in range(100):
        with device.open() as connection:
            try:
                connection.send(random.Random(number).randbytes(number * 37 + 1))
            except Closed:
                pass
    assert hub.is_alive()


def test_a_reader_that_never_reads_costs_only_itself(device, rest, hub):
    """Answers nobody takes must stop the hub's reading, not fill its memory."""
    before = hub.resident_bytes()
    rest.patch_twin(device.device_id, {"properties": {"desired": {
        f"k{number}": "x" * 4000 for number in range(7)}}})
    with device.connect() as connection:
        connection.subscribe("$iothub/twin/res/#")
        connection.stream.settimeout(1)
        ask = publish_packet("$iothub/twin/GET/?$rid=1", b"", qos=0)
        # Thirty bytes of question bring 28 KB of answer: without a limit, half a gigabyte.
        try:
            for _ in range(200):
                connection.stream.sendall(ask * 100)
        except (TimeoutError, OSError):
            pass
        until, grown = time.monotonic() + 3, 0
        while time.monotonic() < until and grown < 64 << 20:
            grown = max(grown, hub.resident_bytes() - before)
            time.sleep(0.1)
    assert grown < 64 << 20, f"{grown >> 20} MiB for one connection that does not read"
