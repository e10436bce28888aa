"""MQTT 3.1.1 packets by hand: a client that may say anything, in any order, over TLS."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass
from urllib.parse import quote

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC = 1, 2, 3, 4, 5
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
API = "2021-04-12"


class Closed(Exception):
    """The hub ended the connection."""


def receive(stream):
    """What comes next, at least one byte; `Closed` when the hub hung up."""
    try:
        chunk = stream.recv(65536)
    except (ssl.SSLError, ConnectionError) as error:
        raise Closed(str(error)) from error
    if not chunk:
        raise Closed("end of stream")
    return chunk


@dataclass
class Packet:
    """One received packet; `publish()` reads it as a PUBLISH."""

    kind: int
    flags: int
    body: bytes

    def publish(self):
        length = struct.unpack_from(">H", self.body)[0]
        topic, rest = self.body[2 : 2 + length].decode(), self.body[2 + length :]
        qos = (self.flags >> 1) & 3
        identifier = struct.unpack_from(">H", rest)[0] if qos else None
        return Publish(
            topic, rest[2:] if qos else rest, qos, identifier,
            dup=bool(self.flags & 8), retain=bool(self.flags & 1),
        )


@dataclass
class Publish:
    topic: str
    payload: bytes
    qos: int
    identifier: int | None
    dup: bool
    retain: bool


def remaining_length(length):
    """The variable-length field of a fixed header."""
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out)


def text(value):
    """A length-prefixed string; bytes pass unchecked so that bad UTF-8 can be sent."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + remaining_length(len(body)) + body


def connect_packet(
    client_id, username=None, password=None, clean=False, keep_alive=60, will=None,
    protocol=b"MQTT", level=4, reserved=0,
):
    """A CONNECT. `will` is `(topic, payload, qos)` or `(topic, payload, qos, retain)`."""
    flags = (0x02 if clean else 0) | reserved
    payload = text(client_id)
    if will is not None:
        topic, message, qos, *retain = will
        flags |= 0x04 | qos << 3 | (0x20 if retain and retain[0] else 0)
        payload += text(topic) + text(message)
    if username is not None:
        flags |= 0x80
        payload += text(username)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    header = text(protocol) + bytes([level, flags]) + struct.pack(">H", keep_alive)
    return packet(CONNECT, header + payload)


def publish_packet(topic, payload=b"", qos=1, identifier=1, dup=False, retain=False):
    flags = (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    middle = struct.pack(">H", identifier) if qos else b""
    return packet(PUBLISH, text(topic) + middle + payload, flags)


def subscribe_packet(identifier, *filters):
    """Each filter is `(filter, qos)`."""
    body = b"".join(text(name) + bytes([qos]) for name, qos in filters)
    return packet(SUBSCRIBE, struct.pack(">H", identifier) + body, 2)


def unsubscribe_packet(identifier, *filters):
    body = b"".join(text(name) for name in filters)
    return packet(UNSUBSCRIBE, struct.pack(">H", identifier) + body, 2)


def telemetry_topic(device_id, module_id=None, **properties):
    """The telemetry topic with a property bag; `$.` keys are passed through `properties`."""
    middle = f"/modules/{module_id}" if module_id else ""
    bag = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in properties.items())
    return f"devices/{device_id}{middle}/messages/events/{bag}"


def c2d_filter(device_id):
    return f"devices/{device_id}/messages/devicebound/#"


class MQTTConnection:
    """A blocking connection. Anything that reads has a time limit."""

    def __init__(self, stream, timeout=5):
        self.stream, self.timeout = stream, timeout
        self.buffer = b""
        self.session_present = None
        self.publishes = []
        self._identifier = 0

    @classmethod
    def open(cls, hub, context=None, timeout=5):
        """TCP and TLS to the hub's MQTT port."""
        plain = socket.create_connection((hub.host, hub.mqtt_port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = context or hub.tls_context()
        try:
            stream = context.wrap_socket(plain, server_hostname=hub.host)
        except BaseException:
            plain.close()
            raise
        return cls(stream, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.abort()

    def abort(self):
        """Closes without DISCONNECT, as a crash or a lost network would."""
        try:
            self.stream.close()
        except OSError:
            pass

    def disconnect(self):
        """Says DISCONNECT and closes."""
        self.send(packet(DISCONNECT))
        self.abort()

    def next_identifier(self):
        self._identifier = self._identifier % 65535 + 1
        return self._identifier

    def send(self, data):
        try:
            self.stream.sendall(data)
        except (ssl.SSLError, ConnectionError, BrokenPipeError) as error:
            raise Closed(str(error)) from error

    def read(self, timeout=None):
        """The next packet; `Closed` when the hub hung up, TimeoutError when it says nothing."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if found := self._take():
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no packet")
            self.stream.settimeout(left)
            self.buffer += receive(self.stream)

    def _take(self):
        length, shift = 0, 0
        for index in range(1, 5):
            if index >= len(self.buffer):
                return None
            length |= (self.buffer[index] & 0x7F) << shift
            shift += 7
            if not self.buffer[index] & 0x80:
                break
        end = index + 1 + length
        if len(self.buffer) < end:
            return None
        first, body = self.buffer[0], self.buffer[index + 1 : end]
        self.buffer = self.buffer[end:]
        return Packet(first >> 4, first & 15, body)

    def expect(self, kind, timeout=None):
        """The next packet of a kind; PUBLISHes that come before it are kept."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            found = self.read(max(0.001, deadline - time.monotonic()))
            if found.kind == kind:
                return found
            assert found.kind == PUBLISH, f"expected packet {kind}, got {found}"
            self.publishes.append(found.publish())

    def expect_publish(self, timeout=None, acknowledge=True):
        """The next PUBLISH, acknowledged when it asks for it."""
        got = self.publishes.pop(0) if self.publishes else None
        if got is None:
            found = self.read(timeout)
            assert found.kind == PUBLISH, f"expected a PUBLISH, got {found}"
            got = found.publish()
        if acknowledge and got.qos == 1:
            self.send(packet(PUBACK, struct.pack(">H", got.identifier)))
        return got

    def expect_silence(self, seconds=0.5):
        """Nothing arrives; proven by a PINGRESP that overtakes nothing, then a short wait."""
        self.ping()
        assert not self.publishes, f"unexpected {self.publishes}"
        try:
            found = self.read(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {found}")

    def expect_closed(self, timeout=5):
        """The hub closes without another packet that answers; returns the seconds it took."""
        begun = time.monotonic()
        try:
            while True:
                found = self.read(max(0.001, timeout - (time.monotonic() - begun)))
                assert found.kind in (PUBLISH, PUBREC), f"expected the end, got {found}"
                assert found.kind != PUBREC, "QoS 2 was answered"
        except Closed:
            return time.monotonic() - begun
        except TimeoutError:
            raise AssertionError(f"still open after {timeout} s") from None

    # Conversations

    def connect(self, client_id, username, password, **options):
        """Sends CONNECT and returns the return code."""
        self.send(connect_packet(client_id, username, password, **options))
        answer = self.expect(CONNACK)
        assert len(answer.body) == 2 and answer.body[0] in (0, 1), answer
        self.session_present = answer.body[0] == 1
        return answer.body[1]

    def publish(self, topic, payload=b"", timeout=None, **options):
        """Publishes with QoS 1 and waits for the PUBACK."""
        identifier = self.next_identifier()
        self.send(publish_packet(topic, payload, identifier=identifier, **options))
        answer = self.expect(PUBACK, timeout)
        assert answer.body == struct.pack(">H", identifier), answer

    def subscribe(self, *filters):
        """Subscribes and returns the SUBACK's return codes."""
        identifier = self.next_identifier()
        pairs = [(entry, 1) if isinstance(entry, (str, bytes)) else entry for entry in filters]
        self.send(subscribe_packet(identifier, *pairs))
        answer = self.expect(SUBACK)
        assert answer.body[:2] == struct.pack(">H", identifier), answer
        return list(answer.body[2:])

    def ping(self):
        self.send(packet(PINGREQ))
        self.expect(PINGRESP)

    def get_twin(self, rid="1"):
        """Asks for the twin; needs the response subscription. Returns `(status, body)`."""
        self.publish(f"$iothub/twin/GET/?$rid={rid}", b" ")
        answer = self.expect_publish()
        prefix, _, query = answer.topic.partition("/?")
        assert query == f"$rid={rid}", answer
        return int(prefix.rsplit("/", 1)[1]), answer.payload


def username(hub_host, client_id, query=f"api-version={API}"):
    """The user name every SDK sends."""
    return f"{hub_host}/{client_id}/?{query}"
