"""RFC 6455 by hand: the upgrade and the frames, right and wrong."""

import base64
import hashlib
import os
import socket
import struct

from mqtt_wire import MQTTConnection, receive

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(payload, opcode=BINARY, final=True, masked=True, reserved=0):
    """One client frame."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Upgrade:
    """The answer to an upgrade request: status, header lines, and the stream after it."""

    def __init__(self, hub, path="/$iothub/websocket", protocol="mqtt", version="13",
                 key=None, extra="", method="GET", timeout=5, early=b"", upgrade="websocket",
                 connection="Upgrade"):
        self.key = key if key is not None else base64.b64encode(os.urandom(16)).decode()
        plain = socket.create_connection((hub.host, hub.https_port), timeout)
        self.stream = hub.tls_context().wrap_socket(plain, server_hostname=hub.host)
        lines = [
            f"{method} {path} HTTP/1.1", f"Host: {hub.host}", f"Upgrade: {upgrade}",
            f"Connection: {connection}", f"Sec-WebSocket-Version: {version}",
        ]
        if self.key:
            lines.append(f"Sec-WebSocket-Key: {self.key}")
        if protocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        head = "\r\n".join(lines) + "\r\n" + extra + "\r\n"
        self.stream.sendall(head.encode() + early)
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self.stream.recv(4096)
            assert chunk, f"closed during the upgrade: {received!r}"
            received += chunk
        head, self.rest = received.split(b"\r\n\r\n", 1)
        first, *self.lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in self.lines)
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    @property
    def expected_accept(self):
        digest = hashlib.sha1((self.key + GUID).encode()).digest()
        return base64.b64encode(digest).decode()

    def frames(self):
        """The frame stream of an accepted upgrade."""
        return FrameStream(self.stream, self.rest)

    def mqtt(self):
        """MQTT over that stream, one packet per frame."""
        return MQTTConnection(self.frames())


class FrameStream:
    """Looks like a socket to MQTTConnection and speaks frames."""

    def __init__(self, stream, rest=b""):
        self.stream, self.buffer = stream, rest
        self.controls = []
        self.opcodes = []

    def sendall(self, data):
        self.stream.sendall(frame(data))

    def settimeout(self, seconds):
        self.stream.settimeout(seconds)

    def close(self):
        self.stream.close()

    def recv(self, _size):
        """The payload of the next data frame; b"" after a close frame or the end."""
        while True:
            opcode, payload = self.read_frame()
            if opcode in (CONTINUATION, BINARY):
                self.opcodes.append(opcode)
                if payload:
                    return payload
            elif opcode == CLOSE:
                self.controls.append((opcode, payload))
                return b""
            else:
                self.controls.append((opcode, payload))

    def read_frame(self):
        """One frame: `(opcode, payload)`. A server frame is never masked."""
        head = self._exactly(2)
        length = head[1] & 0x7F
        assert not head[1] & 0x80, "a server frame is masked"
        if length == 126:
            length = struct.unpack(">H", self._exactly(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._exactly(8))[0]
        return head[0] & 15, self._exactly(length)

    def _exactly(self, count):
        while len(self.buffer) < count:
            self.buffer += receive(self.stream)
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out
