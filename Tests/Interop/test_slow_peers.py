"""Slow and half-open peers: time limits and bounded memory (contract 12)."""

import contextlib
import resource
import socket
import ssl
import time

import pytest

from mqtt_wire import Closed, connect_packet

HALF_OPEN = 500


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


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_half_open_connections_cost_little(hub, identities, unharmed):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3 * HALF_OPEN:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * HALF_OPEN), hard))
    device, hello = identities.device(), client_hello(hub)
    before = hub.resident_bytes()
    with contextlib.ExitStack() as stack:
        for number in range(HALF_OPEN):
            port = hub.mqtt_port if number % 2 else hub.https_port
            plain = stack.enter_context(opened(hub, port))
            if number % 4 < 2:
                plain.sendall(hello[:len(hello) // 2])
        begun = time.monotonic()
        with device.connect() as connection:
            connection.ping()
        assert time.monotonic() - begun < 5, "a good client had to wait"
        grown = hub.resident_bytes() - before
        assert grown < HALF_OPEN * (64 << 10), f"{grown >> 10} KiB for {HALF_OPEN} half-open peers"
    with device.connect() as connection:
        connection.ping()


def test_connections_that_come_and_go(hub, device, unharmed):
    for number in range(200):
        with opened(hub, hub.mqtt_port if number % 2 else hub.https_port):
            pass
    for _ in range(20):
        with device.open() as connection, contextlib.suppress(Closed):
            connection.send(b"\x10")
    device.connect().disconnect()
