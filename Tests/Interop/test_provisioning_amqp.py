"""Registration over AMQP (contract 6.3), byte by byte: by token and by certificate."""

import itertools
import json
import re
import socket
import ssl
import struct
import time

import pytest

import certificates
import sas
from test_provisioning import call, enroll, keys
from waiting import wait_until
from websocket_wire import Upgrade

NUMBERS = itertools.count(1)


def named(prefix):
    return f"{prefix}-{next(NUMBERS)}"


class Raw:
    """Just enough of AMQP for a registration: with PLAIN, or a certificate and no SASL."""

    def __init__(self, hub, address, identity=None, token=None, websocket=False):
        if websocket:
            upgrade = Upgrade(hub, protocol="AMQPWSB10")
            assert upgrade.status == 101
            self.socket = upgrade.frames()
        else:
            context = ssl.create_default_context(cafile=hub.ca_path)
            if identity:
                context.load_cert_chain(*identity)
            raw = socket.create_connection((hub.address, 5671), 10)
            self.socket = context.wrap_socket(raw, server_hostname=hub.host)
        if token:
            response = f"\0{address}\0{token}".encode()
            self.socket.sendall(b"AMQP\x03\x01\x00\x00")
            self.perform(0x41, b"\xa3\x05PLAIN",
                         b"\xb0" + struct.pack(">I", len(response)) + response, kind=1)
            outcome = rb"\x00\x53\x44.{1,9}\x50(.)"
            code = re.search(outcome, self.read(outcome, re.DOTALL), re.DOTALL).group(1)[0]
            if code:
                raise PermissionError(f"SASL outcome {code}")
        self.socket.sendall(b"AMQP\x00\x01\x00\x00")
        self.perform(0x10, self.text("device"))
        self.perform(0x11, b"\x40", self.number(0), self.number(100), self.number(100))
        source = self.composite(0x28, self.text(address))
        target = self.composite(0x29, self.text(address))
        for handle, role in ((0, b"\x42"), (1, b"\x41")):
            self.perform(0x12, self.text(f"link{handle}"), self.number(handle), role, b"\x40",
                         b"\x40", source, target, b"\x40", b"\x40", self.number(0))
        self.perform(0x13, self.number(0), self.number(100), self.number(0), self.number(100),
                     self.number(1), self.number(0), self.number(10))
        self.count = 0

    @staticmethod
    def text(value):
        return b"\xb1" + struct.pack(">I", len(value)) + value.encode()

    @staticmethod
    def number(value):
        return b"\x70" + struct.pack(">I", value)

    @staticmethod
    def composite(code, *items, kind=b"\xd0"):
        body = b"".join(items)
        return (b"\x00\x53" + bytes([code]) + kind + struct.pack(">II", len(body) + 4, len(items))
                + body)

    def perform(self, code, *items, payload=b"", kind=0):
        frame = b"\x02" + bytes([kind]) + b"\x00\x00" + self.composite(code, *items) + payload
        self.socket.sendall(struct.pack(">I", len(frame) + 4) + frame)

    def send(self, body, **properties):
        """Sends a request, whose correlation ID is its number."""
        pairs = [self.text(word) for pair in properties.items() for word in pair]
        message = (self.composite(0x73, *[b"\x40"] * 5, self.text(f"correlation-{self.count}"))
                   + self.composite(0x74, *pairs, kind=b"\xd1")
                   + b"\x00\x53\x75\xa0" + bytes([len(body)]) + body)
        self.perform(0x14, self.number(0), self.number(self.count),
                     b"\xa0\x01" + bytes([self.count]), self.number(0), b"\x42", payload=message)
        self.count += 1

    def read(self, pattern, flags=0):
        """Bytes up to what matches, within ten seconds."""
        seen, until = b"", time.monotonic() + 10
        while not re.search(pattern, seen, flags):
            self.socket.settimeout(max(until - time.monotonic(), 0.01))
            more = self.socket.recv(65536)
            assert more, seen
            seen += more
        return seen

    def ask(self, body, **properties):
        """The answer to a request: JSON, of an answer or of why it is rejected."""
        self.send(body, **properties)
        seen = self.read(rb'\{".*\}|iotdps-operation-type must', re.DOTALL)
        found = re.search(rb"\{.*\}", seen, re.DOTALL)
        if found is None:
            return None
        answer = json.loads(found.group())
        if "errorCode" not in answer:
            assert f"correlation-{self.count - 1}".encode() in seen
            assert answer["status"] != "assigning" or b"retry-after" in seen
        return answer


@pytest.fixture
def device(hub, owner):
    """An enrolled device and its key."""
    device = named("amqp")
    enroll(owner, f"/enrollments/{device}", {"type": "symmetricKey"}, registrationId=device)
    return device, keys(owner, f"/enrollments/{device}")[0]


def opened(hub, device, key, scope=None, **options):
    """A connection by the device's token."""
    address = f"{scope or hub.ready['idScope']}/registrations/{device}"
    token = sas.token(address, key)
    hub.note_secret(token)
    link = Raw(hub, address, token=token, **options)
    # The link of requests has credit before anything is sent.
    link.read(rb"link0")
    return link


def registered(link, device):
    """The end of the registration that the device begins."""
    begun = link.ask(json.dumps({"registrationId": device, "payload": {"a": 1}}).encode(),
                     **{"iotdps-operation-type": "iotdps-register"})
    assert begun["status"] == "assigning", begun

    def end():
        answer = link.ask(b" ", **{"iotdps-operation-type": "iotdps-get-operationstatus",
                                   "iotdps-operation-id": begun["operationId"]})
        return answer if answer["status"] != "assigning" else None

    return wait_until(end, 20, "the device is assigned")["registrationState"]


@pytest.mark.parametrize("websocket", [False, True], ids=["tcp", "websocket"])
def test_token(hub, device, websocket):
    link = opened(hub, *device, websocket=websocket)
    state = registered(link, device[0])
    assert state["status"] == "assigned" and state["deviceId"] == device[0]
    assert state["assignedHub"] == hub.host
    assert registered(link, device[0])["createdDateTimeUtc"] == state["createdDateTimeUtc"]


def test_what_is_refused(hub, owner, device):
    link = opened(hub, *device)
    status = {"iotdps-operation-type": "iotdps-get-operationstatus"}
    for body, properties, code in (
        (b"{}", {"iotdps-operation-type": "iotdps-dance"}, None),
        (b"{}", status, None),
        (b"{}", status | {"iotdps-operation-id": "4.0"}, 404203),
        (b'{"registrationId":"other"}', {"iotdps-operation-type": "iotdps-register"}, 400202),
        (b"{", {"iotdps-operation-type": "iotdps-register"}, 400006),
    ):
        answer = link.ask(body, **properties)
        assert (answer and answer["errorCode"]) == code, answer
    # The link stays, and a good request is answered.
    assert registered(link, device[0])["status"] == "assigned"
    call(owner, "DELETE", f"/enrollments/{device[0]}", 204)
    assert link.ask(b"{}", **{"iotdps-operation-type": "iotdps-register"})["errorCode"] == 401002


@pytest.mark.parametrize("wrong", ["key", "scope", "id"])
def test_strangers_are_refused(hub, device, wrong):
    name, key = device
    with pytest.raises(PermissionError, match="outcome 1"):
        opened(
            hub, "nobody" if wrong == "id" else name,
            "AAAA" + key[4:] if wrong == "key" else key,
            scope="0ne00000000" if wrong == "scope" else None)


def test_certificate(hub, owner, tmp_path):
    device, other = named("amqp-leaf"), named("amqp-leaf")
    certificate = certificates.self_signed(device)
    enroll(owner, f"/enrollments/{device}", {"type": "x509", "x509": {
        "clientCertificates": {"primary": {"certificate": certificate.pem}}}},
        registrationId=device)
    identity = certificate.write(tmp_path, device)
    scope = hub.ready["idScope"]
    link = Raw(hub, f"{scope}/registrations/{device}", identity)
    link.read(rb"link0")
    assert registered(link, device)["status"] == "assigned"
    stranger = Raw(hub, f"{scope}/registrations/{other}", identity)
    stranger.read(rb"amqp:unauthorized-access")
