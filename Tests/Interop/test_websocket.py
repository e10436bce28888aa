"""MQTT over WebSocket in detail (contract 3.9, RFC 6455)."""

import pytest

import mqtt_wire as wire
from mqtt_wire import connect_packet, packet, publish_packet, telemetry_topic
from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Upgrade, frame

pytestmark = pytest.mark.usefixtures("unharmed")


def connect_bytes(device):
    return connect_packet(device.client_id, device.username(), device.token())


def test_the_upgrade_answer_suits_the_stock_client(hub):
    with Upgrade(hub) as upgrade:
        assert upgrade.status == 101
        assert upgrade.headers["upgrade"].lower() == "websocket"
        assert upgrade.headers["sec-websocket-protocol"] == "mqtt"
        assert upgrade.headers["sec-websocket-accept"] == upgrade.expected_accept
        # The stock client's MQTT engine splits on colon and space, and wants "upgrade" in every
        # line that has "connection" in it.
        assert any(line.lower().startswith("sec-websocket-accept: ") for line in upgrade.lines)
        for line in upgrade.lines:
            assert "connection" not in line.lower() or "upgrade" in line.lower(), line
        assert "sec-websocket-extensions" not in upgrade.headers


@pytest.mark.parametrize("path", [
    "/$iothub/websocket", "/$iothub/websocket/", "/%24iothub/websocket",
    "/$iothub/websocket?iothub-no-client-cert=true", "/$servicebus/websocket", "/mqtt", "/"])
def test_the_subprotocol_decides_whatever_the_path(hub, device, path):
    with Upgrade(hub, path) as upgrade:
        assert upgrade.status == 101
        assert upgrade.mqtt().connect(device.client_id, device.username(), device.token()) == 0


@pytest.mark.parametrize("options", [
    {"protocol": None}, {"protocol": "chat"}, {"version": "8"}, {"key": ""}, {"key": "short"},
    {"method": "POST"}, {"upgrade": "h2c"}, {"connection": "keep-alive"},
], ids=str)
def test_bad_upgrades_are_refused(hub, options):
    with Upgrade(hub, **options) as upgrade:
        assert 400 <= upgrade.status < 500, upgrade.status


def test_frames_that_do_not_wait_for_the_answer_are_served(hub, device):
    with Upgrade(hub, early=frame(connect_bytes(device))) as upgrade:
        assert upgrade.status == 101
        connection = wire.MQTTConnection(upgrade.frames())
        assert connection.expect(wire.CONNACK).body[1] == 0


@pytest.mark.parametrize("early", [b"x", b"\x82", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 20_000])
@pytest.mark.parametrize("options", [{}, {"upgrade": "h2c"}, {"connection": "keep-alive"}], ids=str)
def test_bytes_behind_an_upgrade_cost_their_own_connection(hub, early, options):
    for _ in range(5):
        with Upgrade(hub, early=early, **options):
            pass
    assert hub.is_alive()


def test_mqtt_among_several_subprotocols(hub):
    with Upgrade(hub, protocol="chat, mqtt") as upgrade:
        assert upgrade.status == 101 and upgrade.headers["sec-websocket-protocol"] == "mqtt"


def test_packets_span_frames_and_frames_hold_packets(hub, device, events):
    with Upgrade(hub) as upgrade:
        stream = upgrade.frames()
        connection = wire.MQTTConnection(stream)
        hello = connect_bytes(device)
        for start in range(0, len(hello), 7):
            stream.stream.sendall(frame(hello[start:start + 7]))
        assert connection.expect(wire.CONNACK).body[1] == 0
        several = b"".join(
            publish_packet(telemetry_topic(device.device_id), b"x", identifier=number)
            for number in range(1, 11))
        stream.stream.sendall(frame(several + packet(wire.PINGREQ)[:1]))
        stream.stream.sendall(frame(packet(wire.PINGREQ)[1:]))
        for _ in range(10):
            connection.expect(wire.PUBACK)
        connection.expect(wire.PINGRESP)
        assert set(stream.opcodes) <= {BINARY, CONTINUATION}
    assert len(events.wait_for(10, device=device.device_id)) == 10


def test_fragmented_messages_with_controls_between(hub, device):
    with Upgrade(hub) as upgrade:
        stream = upgrade.frames()
        connection, hello = wire.MQTTConnection(stream), connect_bytes(device)
        stream.stream.sendall(
            frame(hello[:10], BINARY, final=False) + frame(b"are you there", PING)
            + frame(hello[10:20], CONTINUATION, final=False) + frame(b"", PONG)
            + frame(hello[20:], CONTINUATION))
        assert connection.expect(wire.CONNACK).body[1] == 0
        connection.ping()
        assert (PONG, b"are you there") in stream.controls


def test_a_large_publish_over_websocket(hub, device, events):
    with Upgrade(hub) as upgrade:
        connection = upgrade.mqtt()
        assert connection.connect(device.client_id, device.username(), device.token()) == 0
        connection.publish(telemetry_topic(device.device_id), b"x" * 200_000, timeout=10)
    event, = events.wait_for(1, device=device.device_id)
    assert len(event["body"]) == 200_000


def test_close_is_answered_with_close(hub, device):
    with Upgrade(hub) as upgrade:
        stream = upgrade.frames()
        connection = wire.MQTTConnection(stream)
        assert connection.connect(device.client_id, device.username(), device.token()) == 0
        stream.stream.sendall(frame(b"\x03\xe8bye", CLOSE))
        opcode, payload = stream.read_frame()
        assert opcode == CLOSE and payload[:2] == b"\x03\xe8"


@pytest.mark.parametrize("raw", [
    frame(packet(wire.PINGREQ), masked=False), frame(b"text", TEXT), frame(b"x", 3),
    frame(b"x", 11),
    frame(b"x", reserved=4), frame(b"x" * 126, PING), frame(b"x", PING, final=False),
    frame(b"x", CONTINUATION), frame(b"\x03", CLOSE),
    frame(b"a", BINARY, final=False) + frame(b"b", BINARY),
    b"\x82\xff" + b"\x7f" + b"\xff" * 7 + b"\x00" * 4, b"\x82\xff" + b"\xff" * 8 + b"\x00" * 4,
], ids=["unmasked", "text", "reserved data", "reserved control", "reserved bit", "long ping",
        "fragmented ping", "orphan continuation", "one-byte close", "interleaved", "huge",
        "negative"])
def test_frames_that_end_the_connection(hub, device, raw):
    with Upgrade(hub) as upgrade:
        stream = upgrade.frames()
        connection = wire.MQTTConnection(stream)
        assert connection.connect(device.client_id, device.username(), device.token()) == 0
        stream.stream.sendall(raw)
        connection.expect_closed()


def test_bad_mqtt_inside_good_frames(hub, device):
    for raw in (b"\xf0\x00", publish_packet("x"), b"\x10\xff\xff\xff\xff\x7f"):
        with Upgrade(hub) as upgrade:
            upgrade.stream.sendall(frame(raw))
            wire.MQTTConnection(upgrade.frames()).expect_closed()


def test_rest_still_answers_on_the_same_port(hub, rest):
    with Upgrade(hub):
        rest.call("GET", "/statistics/service", expect=200)
