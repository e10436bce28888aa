"""Connections that never show a credential: how many there may be, and for how long."""

import contextlib
import re
import socket
import ssl
import time

import pytest
import requests

from conftest import make_identities
from http_wire import HTTPConnection
from mqtt_wire import Closed
from waiting import wait_until
from websocket_wire import Upgrade

LIMIT = 5
CONNECT_SECONDS = 3
IDLE_SECONDS = 1
DEVICES = "/devices?api-version=2021-04-12"
PORTS = {"mqtt": "mqtt_port", "amqp": "amqp_port", "https": "https_port"}


@pytest.fixture(scope="module")
def guarded_hub(hub_factory):
    return hub_factory({
        "limit.unauthenticated_connections": LIMIT,
        "limit.unauthenticated_idle_seconds": IDLE_SECONDS,
        "limit.connect_seconds": CONNECT_SECONDS,
    })


def metric(hub, name, **labels):
    """A metric with these labels alone."""
    text = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    match = re.search(rf"^{name}\{{{inner}\}} (\S+)$", text, re.M)
    assert match, f"no {name} with {inner}"
    return float(match[1])


def strangers(hub, protocol):
    return metric(hub, "orrery_unauthenticated_connections", protocol=protocol)


def ask(connection, token=None):
    headers = {"Authorization": token} if token else {}
    connection.request("GET", DEVICES, headers)
    return connection.answer().status_code


def is_open(stream):
    """Whether the peer has not ended a connection on which it has nothing to say."""
    stream.settimeout(0.01)
    try:
        return stream.recv(1) != b""
    except TimeoutError:
        return True
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("protocol", PORTS)
def test_one_more_than_the_limit_is_closed_at_once(request, guarded_hub, protocol):
    hub, port = guarded_hub, getattr(guarded_hub, PORTS[protocol])
    device = make_identities(request, hub).device()
    wait_until(lambda: strangers(hub, protocol) == 0, 10, "nobody is left over")
    refused = metric(hub, "orrery_unauthenticated_refused_total", protocol=protocol)
    logged = hub.log_path.read_text().count(f'"protocol":"{protocol}"')
    with contextlib.ExitStack() as stack:
        def connect():
            return stack.enter_context(socket.create_connection((hub.host, port), 5))

        crowd = [connect() for _ in range(LIMIT)]
        wait_until(lambda: strangers(hub, protocol) == LIMIT, 2, "all are counted")
        # The clock of the first of them runs: what follows is quick.
        for _ in range(20):
            late = connect()
            late.settimeout(2)
            with contextlib.suppress(ConnectionError):
                assert late.recv(1) == b"", "one more than the limit was let in"
        assert all(is_open(one) for one in crowd), "an earlier one paid for it"
        counted = metric(hub, "orrery_unauthenticated_refused_total", protocol=protocol)
        assert counted - refused == 20
        lines = hub.log_path.read_text().count(f'"protocol":"{protocol}"') - logged
        assert 1 <= lines <= 3, f"{lines} lines for one crowd"
        if protocol != "mqtt":
            device.connect().disconnect()
    wait_until(lambda: strangers(hub, protocol) == 0, 2, "who left is not counted")
    hub.rest().call("GET", f"/devices/{device.device_id}", expect=200)


def test_who_has_shown_a_token_is_no_stranger_and_stays(guarded_hub):
    hub = guarded_hub
    wait_until(lambda: strangers(hub, "https") == 0, 10, "nobody is left over")
    with contextlib.ExitStack() as stack:
        known = [stack.enter_context(HTTPConnection(hub)) for _ in range(LIMIT)]
        for connection in known:
            assert ask(connection, hub.rest().token()) == 200
        assert strangers(hub, "https") == 0
        with HTTPConnection(hub) as other:
            assert ask(other) == 401, "there is room for others"
        time.sleep(IDLE_SECONDS + 0.5)
        assert all(is_open(connection.stream) for connection in known)


def test_a_refused_request_keeps_its_connection_for_a_short_while(guarded_hub):
    with HTTPConnection(guarded_hub) as connection:
        assert ask(connection) == 401
        begun = time.monotonic()
        connection.expect_closed(CONNECT_SECONDS)
        assert IDLE_SECONDS - 0.2 < time.monotonic() - begun < CONNECT_SECONDS - 0.5


def test_refused_requests_do_not_keep_a_connection_for_ever(guarded_hub):
    with HTTPConnection(guarded_hub) as connection:
        begun = time.monotonic()
        with contextlib.suppress(Closed):
            while time.monotonic() - begun < 3 * CONNECT_SECONDS:
                assert ask(connection, "SharedAccessSignature sr=x&sig=eA%3D%3D&se=1") == 401
                time.sleep(IDLE_SECONDS / 4)
        lasted = time.monotonic() - begun
    assert 2 * CONNECT_SECONDS - 0.5 < lasted < 2 * CONNECT_SECONDS + 1


def test_an_upgraded_connection_counts_with_the_protocol_inside(guarded_hub):
    hub = guarded_hub
    wait_until(lambda: strangers(hub, "https") == strangers(hub, "mqtt") == 0, 10, "nobody is left")
    with Upgrade(hub) as upgrade:
        assert upgrade.status == 101
        # The answer goes out before the connection has become the other protocol's.
        wait_until(lambda: strangers(hub, "https") == 0, 2, "it is no HTTPS connection any more")
        assert strangers(hub, "mqtt") == 1
    wait_until(lambda: strangers(hub, "mqtt") == 0, 5, "who left is not counted")
