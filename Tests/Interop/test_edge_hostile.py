"""An edge's local hub among hostile clients, a server that never answers, and bad disks."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

import conftest
import mqtt_wire as wire
from events import EventStream, body_of
from local_hub import Below
from mqtt_wire import Closed, publish_packet, telemetry_topic
from test_local_hub import Site

ALL = "FROM /messages/* INTO $upstream"


@pytest.fixture
def site(hub, identities, tmp_path):
    site = Site(hub, identities, tmp_path)
    yield site
    site.hub.stop()


@pytest.fixture
def lone_site(hub_factory, tmp_path, request):
    """A site whose hub above may be stopped."""
    above = hub_factory(data=tmp_path / "above")
    site = Site(above, conftest.make_identities(request, above), tmp_path)
    yield site
    site.hub.stop()


def arrived(site, device, count, seconds=30):
    """Bodies of the device's events above, in their order, each once, as numbers."""
    stream = EventStream(site.above.rest("service"), "earliest")
    numbers = []
    end = time.monotonic() + seconds
    while len(set(numbers)) < count and time.monotonic() < end:
        numbers += [int(body_of(event).split()[0])
                    for event in stream.wait_for(1, seconds, device=device.device_id)]
    return sorted(set(numbers), key=numbers.index)


def test_a_module_speaks_for_itself_alone(site, events):
    evil, victim = site.module("evil"), site.module("victim")
    site.configure(
        to="FROM /messages/modules/evil/* INTO BrokeredEndpoint(\"/modules/victim/inputs/in\")",
        up=ALL)
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    edge = site.edge.device_id
    receiver = victim.connect(clean=True)
    receiver.subscribe(f"devices/{edge}/modules/victim/inputs/#")
    with evil.connect(clean=True) as sender:
        # Who it says that it is does not count.
        sender.publish(telemetry_topic(
            edge, "evil", **{"$.on": "out", "$.cdid": "somebody", "$.cmid": "victim"}), b"1")
        got = receiver.expect_publish()
        assert f"%24.cdid={edge}" in got.topic and "%24.cmid=evil" in got.topic
        assert "somebody" not in got.topic
        # Another module's inputs are not delivered to it, whatever it asks for.
        sender.subscribe(f"devices/{edge}/modules/victim/inputs/#")
        sender.subscribe("#")
        sender.publish(telemetry_topic(edge, "evil", **{"$.on": "out"}), b"2")
        assert receiver.expect_publish().payload == b"2"
        sender.expect_silence()
    event = events.wait_for(1, device=edge, module="evil")[0]
    assert event["annotations"]["iothub-connection-device-id"] == edge
    # What is another's to say ends the connection, and changes nothing.
    for topic in (telemetry_topic(edge, "victim"), telemetry_topic(edge),
                  f"$orrery/for/{edge}/modules/victim/telemetry/",
                  f"devices/{edge}/modules/victim/inputs/in/"):
        with evil.connect(clean=True) as sender:
            sender.send(publish_packet(topic, b"forged"))
            sender.expect_closed()
    receiver.expect_silence()
    receiver.abort()


def test_others_go_on_beside_giants_and_floods(site, events):
    evil, good, leaf = site.module("evil"), site.module("good"), site.leaf()
    site.configure(up="FROM /messages/modules/good/* INTO $upstream")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    edge = site.edge.device_id
    worker = good.connect(clean=True)
    with evil.connect(clean=True) as sender:
        with pytest.raises(Closed):
            sender.publish(telemetry_topic(edge, "evil"), b"x" * 300_000)
    with leaf.connect(clean=True) as sender:
        # A length that no message may have: it is not waited for.
        sender.send(bytes([0x32, 0xFF, 0xFF, 0xFF, 0x7F]))
        sender.expect_closed()
    flood = evil.connect(clean=True)
    packet = publish_packet(telemetry_topic(edge, "evil"), b"y" * 200, qos=0) * 500
    stop = threading.Event()

    def run():
        try:
            while not stop.is_set():
                flood.send(packet)
        except Closed:
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    slowest = 0
    for number in range(50):
        begun = time.monotonic()
        worker.publish(telemetry_topic(edge, "good"), str(number).encode(), timeout=5)
        slowest = max(slowest, time.monotonic() - begun)
    stop.set()
    flood.abort()
    thread.join(5)
    worker.abort()
    assert slowest < 5
    assert len(events.wait_for(50, 20, device=edge, module="good")) == 50


def test_credentials_of_others_open_nothing(site):
    leaf, module = site.leaf(), site.module("worker")
    other_edge_module = Below.of(
        site.identities.module(site.identities.device(capabilities={"iotEdge": True}), "worker"),
        site.hub)
    site.hub.start()
    with leaf.connect():
        pass
    edge = site.edge.device_id
    # A leaf's key for a module, for `$edgeHub`, for the edge itself; a module of another edge.
    for name in (module.module_id, "$edgeHub", "$edgeAgent", None):
        thief = Below(site.hub, edge, leaf.key, name)
        connection, code = thief.try_connect()
        connection.abort()
        assert code == 5, name
    connection, code = other_edge_module.try_connect()
    connection.abort()
    assert code == 5
    # Its own token, for another name.
    connection = leaf.open()
    assert connection.connect(
        f"{edge}/worker", wire.username(site.hub.host, f"{edge}/worker", "api-version=2021-04-12"),
        leaf.token()) == 5
    connection.abort()


class Swallower:
    """An MQTT server that lets everybody in and never acknowledges a message."""

    def __init__(self, above):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(above.data / "tls" / "server.pem", above.data / "tls" / "server.key")
        self.listener = socket.create_server((above.host, 8883))
        self.context, self.connections, self.messages = context, 0, 0
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            connection = wire.MQTTConnection(self.context.wrap_socket(plain, server_side=True), 60)
            while True:
                packet = connection.read()
                if packet.kind == wire.CONNECT:
                    self.connections += 1
                    connection.send(wire.packet(wire.CONNACK, b"\0\0"))
                elif packet.kind == wire.SUBSCRIBE:
                    # One code for each filter: its length, its text, its quality.
                    rest, codes = packet.body[2:], b""
                    while rest:
                        length = int.from_bytes(rest[:2], "big") + 3
                        codes, rest = codes + rest[length - 1 : length], rest[length:]
                    connection.send(wire.packet(wire.SUBACK, packet.body[:2] + codes))
                elif packet.kind == wire.PINGREQ:
                    connection.send(wire.packet(wire.PINGRESP))
                elif packet.kind == wire.PUBLISH:
                    self.messages += 1
        except (Closed, TimeoutError, OSError):
            pass

    def close(self):
        # A listener in accept() is woken by its shutdown alone.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def test_a_server_that_never_acknowledges_loses_nothing(lone_site):
    site, leaf = lone_site, lone_site.leaf()
    site.configure(up=ALL)
    site.hub.variables = {"CloudConnectionHangingTimeoutSecs": "1"}
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    with leaf.connect():
        pass
    site.above.stop()
    swallower = Swallower(site.above)
    with leaf.connect() as client:
        for number in range(100):
            client.publish(telemetry_topic(leaf.device_id), str(number).encode())
    end = time.monotonic() + 40
    while swallower.connections < 2 or swallower.messages < 100:
        assert time.monotonic() < end, site.hub.log()[-3000:]
        time.sleep(0.1)
    swallower.close()
    site.hub.stop()
    site.above.start()
    site.hub.start()
    assert arrived(site, leaf, 100) == list(range(100))


@pytest.mark.parametrize("damage", ["torn", "flipped"])
def test_a_damaged_store_costs_what_is_damaged_alone(lone_site, damage):
    site, leaf = lone_site, lone_site.leaf()
    site.configure(up=ALL)
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    with leaf.connect():
        pass
    site.above.stop()
    with leaf.connect() as client:
        for number in range(60):
            client.publish(telemetry_topic(leaf.device_id), f"{number} ".encode() + b"." * 500)
    site.hub.kill()
    segments = [path for path in (site.hub.data / "hub" / "messages").rglob("*")
                if path.is_file() and b"30 ....." in path.read_bytes()]
    assert segments, sorted((site.hub.data / "hub").rglob("*"))
    path = segments[0]
    content = bytearray(path.read_bytes())
    if damage == "torn":
        # Half a record more than was acknowledged, as a power cut leaves one.
        end = content.rindex(b"59 .....") + 3 + 500
        content[end + 64 : end + 264] = b"\xA5" * 200
        lost = set()
    else:
        content[content.index(b"30 .....") + 50] ^= 1
        lost = {30}
    path.write_bytes(content)
    site.hub.start()
    site.above.start()
    numbers = arrived(site, leaf, 60 - len(lost), 20)
    assert set(range(60)) - set(numbers) <= lost
    if lost:
        assert "damage" in site.hub.log(), "what was lost is told"


def mounted(directory, megabytes):
    """Words that run a command where `directory` is a small disk, or None where that can't be."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, str(directory)]
    if not shutil.which("unshare"):
        return None
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if probe.returncode == 0 else None


def test_a_full_disk_refuses_and_recovers(lone_site):
    site, leaf = lone_site, lone_site.leaf()
    site.configure(up=ALL)
    messages = site.hub.data / "hub" / "messages"
    words = mounted(messages, 112)
    if words is None:
        pytest.skip("no small disk can be mounted here")
    site.hub.wrapper = words
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    with leaf.connect():
        pass
    site.above.stop()
    body, acknowledged, refused = b"." * 200_000, 0, False
    end = time.monotonic() + 30
    while not refused and time.monotonic() < end:
        client = leaf.connect()
        try:
            while True:
                client.publish(
                    telemetry_topic(leaf.device_id), f"{acknowledged} ".encode() + body, timeout=3)
                acknowledged += 1
        except (Closed, TimeoutError):
            refused = True
        finally:
            client.abort()
    assert refused and acknowledged > 50, acknowledged
    log = site.hub.log()
    assert "full" in log or "room" in log, log[-2000:]
    # It goes on by itself once the hub above has taken what waits.
    site.above.start()
    numbers = arrived(site, leaf, acknowledged, 60)
    # The message that was not acknowledged may have been kept.
    assert numbers[:acknowledged] == list(range(acknowledged)), json.dumps(numbers)
    end = time.monotonic() + 30
    while True:
        try:
            with leaf.connect() as client:
                client.publish(telemetry_topic(leaf.device_id), b"1000 again", timeout=3)
            break
        except (Closed, TimeoutError):
            assert time.monotonic() < end, site.hub.log()[-2000:]
            time.sleep(0.5)
