"""A wrong key is logged and counted in the same way over all protocols."""

import re

import pytest
import requests

import sas
from conftest import make_identities
from http_wire import HTTPConnection
from test_amqp_devices import Links, authentication, path
from waiting import wait_until

PROTOCOLS = ("mqtt", "amqp", "https")
# Lines of the log at most for the refusals of one second.
LINES = 50


@pytest.fixture(scope="module")
def watched_hub(hub_factory):
    """A hub on which nobody else is refused."""
    return hub_factory()


def refused(hub):
    """The credentials refused so far, by protocol."""
    text = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    found = re.findall(r'^orrery_credentials_refused_total\{protocol="(\w+)"\} (\d+)$', text, re.M)
    assert {name for name, _ in found} == set(PROTOCOLS)
    return {name: int(count) for name, count in found}


def show(identity, protocol, token):
    """Presents a token that must not be taken."""
    if protocol == "mqtt":
        connection, code = identity.try_connect(password=token)
        connection.abort()
        assert code == 5
    elif protocol == "https":
        answer = identity.hub.rest().call(
            "POST", f"/devices/{identity.device_id}/messages/events", data=b"x", token=token)
        assert answer.status_code == 401
    else:
        links = Links()
        sender = links.sender(
            identity, path(identity, "messages/events"), authentication(identity, token=token))
        with pytest.raises(Exception):
            sender.open()
            wait_until(sender.client_ready, 20, "an answer to the token")
        links.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault, reason", [
    ({"key": sas.new_key()}, "token signed with another key"),
    ({"expiry": 1_500_000_000}, "token expired"),
])
def test_a_refusal_is_logged_and_counted(request, watched_hub, protocol, fault, reason):
    identity = make_identities(request, watched_hub).device()
    token = identity.token(**fault)
    before, lines = refused(watched_hub), len(watched_hub.log_records())
    show(identity, protocol, token)
    after = wait_until(lambda: refused(watched_hub) != before and refused(watched_hub), 5, "counted")
    assert after[protocol] > before[protocol]
    assert all(after[name] == before[name] for name in PROTOCOLS if name != protocol)
    line = next(record for record in watched_hub.log_records()[lines:] if "reason" in record)
    assert line["level"] == "info" and line["message"].endswith("refused"), line
    assert identity.device_id in line["client"], line
    assert line["reason"] == reason and line["address"].startswith("127."), line


def test_a_policys_wrong_key_names_the_policy(watched_hub):
    hub = watched_hub
    lines = len(hub.log_records())
    token = sas.token(hub.host, sas.new_key(), "service")
    assert hub.rest().call("GET", "/devices", token=token).status_code == 401
    line, = [record for record in hub.log_records()[lines:] if "reason" in record]
    assert line["client"] == "policy service", line


def test_a_connection_cannot_fill_the_log(watched_hub):
    """Anybody may ask a thousand times on one connection."""
    hub = watched_hub
    before, lines = refused(hub)["https"], len(hub.log_records())
    asked = 10 * LINES
    with HTTPConnection(hub) as connection:
        for _ in range(asked):
            connection.request("GET", "/devices?api-version=2021-04-12")
            assert connection.answer().status_code == 401
    assert refused(hub)["https"] - before == asked
    wait_until(lambda: refused(hub), 1, "metrics")
    written = [record for record in hub.log_records()[lines:] if "reason" in record]
    times = {record["time"][:19] for record in written}
    assert len(written) <= LINES * (len(times) + 1) and len(written) < asked, len(written)
