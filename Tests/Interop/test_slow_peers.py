"""Slow and half-open peers: time limits and bounded memory (contract 12)."""

import contextlib
import resource
import select
import socket
import ssl
import time

import pytest
import requests

from conftest import make_identities
from mqtt_wire import (
    PINGREQ, PINGRESP, Closed, connect_packet, packet, publish_packet, telemetry_topic,
)
from waiting import wait_until

HALF_OPEN = 10_000
# How long the hub lets them be; all of them have to be opened within it.
CROWD_SECONDS = 30
# What one of them may cost, TLS included; measured: 25 KiB.
HALF_OPEN_BYTES = 40 << 10
CONNECTIONS = ("orrery_mqtt_connections", "orrery_https_connections")


@contextlib.contextmanager
def opened(hub, port):
    with socket.create_connection((hub.host, port), 5) as plain:
        yield plain


def tls(hub, port):
    plain = socket.create_connection((hub.host, port), 5)
    return hub.tls_context().wrap_socket(plain, server_hostname=hub.host)


def client_hello(hub):
    outgoing = ssl.MemoryBIO()
    handshake = hub.tls_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=hub.host)
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def slow_peers(hub, identity):
    """Name, socket and the bytes to drip for each way of being slow."""
    connect = connect_packet(identity.client_id, identity.username(), identity.token())
    request = (f"GET /devices HTTP/1.1\r\nHost: {hub.host}\r\nX-Slow: " + "x" * 500).encode()
    upgrade = (f"GET /$iothub/websocket HTTP/1.1\r\nHost: {hub.host}\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nX-Slow: " + "x" * 500).encode()
    body = (f"PUT /devices/slow?api-version=2021-04-12 HTTP/1.1\r\nHost: {hub.host}\r\n"
            f"Content-Length: 500\r\nAuthorization: {hub.rest().token()}\r\n\r\n").encode()
    plain = [socket.create_connection((hub.host, port), 5)
             for port in (hub.mqtt_port, hub.https_port, hub.mqtt_port)]
    peers = [
        ("silent TCP on the MQTT port", plain[0], b""),
        ("silent TCP on the HTTPS port", plain[1], b""),
        ("dripping ClientHello", plain[2], client_hello(hub)),
        ("silent after TLS, MQTT", tls(hub, hub.mqtt_port), b""),
        ("dripping CONNECT", tls(hub, hub.mqtt_port), connect),
        ("silent after TLS, HTTPS", tls(hub, hub.https_port), b""),
        ("dripping HTTP header", tls(hub, hub.https_port), request),
        ("dripping upgrade", tls(hub, hub.https_port), upgrade),
    ]
    with_body = tls(hub, hub.https_port)
    with_body.sendall(body)
    return [*peers, ("dripping HTTP body", with_body, b" " * 499)]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_slow_peers_are_cut_off(strict_hub, strict_identities):
    """This hub allows three seconds where the default allows thirty."""
    device = strict_identities.device()
    good = device.connect()
    peers = slow_peers(strict_hub, strict_identities.device())
    begun, closed = time.monotonic(), {}
    turn = 0
    while len(closed) < len(peers) and time.monotonic() - begun < 20:
        for name, stream, data in peers:
            if name in closed:
                continue
            stream.settimeout(0.02)
            try:
                if data[turn:turn + 1]:
                    stream.sendall(data[turn:turn + 1])
                if stream.recv(4096) == b"":
                    closed[name] = time.monotonic() - begun
            except TimeoutError:
                pass
            except (OSError, ssl.SSLError):
                closed[name] = time.monotonic() - begun
        turn += 1
    good.ping()
    good.abort()
    for _, stream, _ in peers:
        stream.close()
    assert set(closed) == {name for name, _, _ in peers}, f"still open: {closed}"
    # A keep-alive HTTP connection may idle longer than a handshake, but none may be instant.
    too_soon = {name: took for name, took in closed.items() if took < 1.5}
    assert not too_soon, f"cut off before the limit: {too_soon}"


@pytest.fixture(scope="module")
def crowded_hub(hub_factory):
    """A hub that, as this process, may have all half-open connections at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HALF_OPEN + 1000
    assert hard >= wanted, f"this test needs {wanted} open files, the hard limit is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    hub = hub_factory({"limit.connect_seconds": CROWD_SECONDS})
    yield hub
    hub.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Half-open connections: silent, in the middle of the handshake, in the middle of CONNECT."""

    def __init__(self, hub, identity):
        self.hub, self.sockets = hub, []
        self.hello = client_hello(hub)
        # Resumed handshakes are cheap: most of this test's time would be spent on others.
        self.context, self.session = hub.tls_context(maximum=ssl.TLSVersion.TLSv1_2), None
        self.connect = connect_packet(identity.client_id, identity.username(), identity.token())

    def open(self, number):
        kind = number % 3
        port = self.hub.https_port if number % 2 and kind < 2 else self.hub.mqtt_port
        plain = socket.create_connection((self.hub.host, port), 10)
        if kind == 1:
            plain.sendall(self.hello[:len(self.hello) // 2])
        elif kind == 2:
            plain = self.context.wrap_socket(
                plain, server_hostname=self.hub.host, session=self.session)
            self.session = plain.session
            plain.sendall(self.connect[:len(self.connect) // 2])
        plain.setblocking(False)
        self.sockets.append(plain)

    def closed(self):
        """How many of them the hub has ended."""
        poll = select.poll()
        for plain in self.sockets:
            poll.register(plain, select.POLLIN | select.POLLRDHUP)
        ended = {number for number, event in poll.poll(0)
                 if event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)}
        return len(ended)

    def leave(self):
        for plain in self.sockets:
            plain.close()


def metric(hub, name):
    """A metric without labels."""
    text = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def good_client(identity):
    """What another client can do meanwhile, and how long it takes."""
    begun = time.monotonic()
    with identity.connect() as connection:
        connection.publish(telemetry_topic(identity.device_id), b"{}")
    identity.hub.rest().call("GET", f"/devices/{identity.device_id}", expect=200)
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ten_thousand_half_open_connections(request, crowded_hub):
    hub, identity = crowded_hub, make_identities(request, crowded_hub).device()
    good_client(identity)
    timeouts = metric(hub, "orrery_connect_timeouts_total")
    before, begun = hub.resident_bytes(), time.monotonic()
    crowd = Crowd(hub, identity)
    try:
        for number in range(HALF_OPEN):
            crowd.open(number)
        opened = time.monotonic()
        assert opened - begun < CROWD_SECONDS - 5, "opening took so long that the first are gone"
        assert good_client(identity) < 5, "a good client had to wait"
        grown = hub.resident_bytes() - before
        assert crowd.closed() == 0, "some were cut off before their time"
        assert sum(metric(hub, name) for name in CONNECTIONS) >= HALF_OPEN
        assert grown < HALF_OPEN * HALF_OPEN_BYTES, f"{grown >> 10} KiB for all of them"
        wait_until(lambda: crowd.closed() == HALF_OPEN, CROWD_SECONDS + 10,
                   "all half-open connections are closed", interval=0.5)
        lasted = time.monotonic() - opened
    finally:
        crowd.leave()
    assert lasted < CROWD_SECONDS + 5, f"the last was closed {lasted:.1f} s after it was opened"
    assert metric(hub, "orrery_connect_timeouts_total") - timeouts == HALF_OPEN
    assert good_client(identity) < 5
    wait_until(lambda: metric(hub, CONNECTIONS[0]) == 0, 5, "no device is connected")
    wait_until(lambda: hub.resident_bytes() - before < grown // 4, 10,
               f"most of {grown >> 10} KiB are given back")


def test_connections_that_come_and_go(hub, device, unharmed):
    for number in range(200):
        with opened(hub, hub.mqtt_port if number % 2 else hub.https_port):
            pass
    for _ in range(20):
        with device.open() as connection, contextlib.suppress(Closed):
            connection.send(b"\x10")
    device.connect().disconnect()


def test_requests_that_nothing_acknowledges_are_read_no_faster_than_answered(hub, identities):
    """Twin requests of QoS 0 whose answers go nowhere, as fast as the socket takes them."""
    device = identities.device()
    with device.connect() as connection:
        connection.ping()
        before = peak = hub.resident_bytes()
        request = publish_packet("$iothub/twin/GET/?$rid=1", qos=0)
        flood = request * (65536 // len(request))
        until = time.monotonic() + 5
        while time.monotonic() < until:
            connection.stream.settimeout(5)
            connection.send(flood)
            peak = max(peak, hub.resident_bytes())
        connection.stream.settimeout(30)
        connection.send(packet(PINGREQ))
        connection.expect(PINGRESP, timeout=30)
    assert peak - before < 64 << 20, f"grew by {(peak - before) >> 20} MB"
