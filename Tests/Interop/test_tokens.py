"""Tokens: right, wrong, renewed and expired (contract 2.1 and 3.2)."""

import threading
import time
from urllib.parse import quote, quote_plus

import pytest
from azure.iot.device import Message

import sas
from events import EventStream, body_of
from hub import BODY_CANARY
from mqtt_wire import c2d_filter
from rest import check_error
from waiting import wait_until


def code_for(device, token):
    connection, code = device.try_connect(password=token)
    connection.abort()
    return code


ENCODINGS = {
    "everything": lambda text: quote(text, safe=""), "plus": quote_plus, "none": lambda text: text,
    "lower case": lambda text: quote(text, safe="").replace("%2F", "%2f"), "path": quote,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_the_resource(device, encoding):
    assert code_for(device, device.token(encode=ENCODINGS[encoding])) == 0


def test_fields_in_any_order_and_unknown_ones(device):
    head, _, fields = device.token().partition(" ")
    parts = fields.split("&")
    assert code_for(device, f"{head} " + "&".join(reversed(parts))) == 0
    assert code_for(device, f"{head} " + "&".join([*parts, "x=1"])) == 0


def test_a_prefix_of_the_name_is_not_the_name(identities):
    longer = identities.device()
    shorter = identities.device(longer.device_id[:-1] + "x")
    identities.device(shorter.device_id + "0")
    token = shorter.token()
    victim = type(shorter)(shorter.hub, shorter.device_id + "0", shorter.key)
    assert code_for(victim, token) == 5


def test_tokens_that_must_be_refused(hub, identities, device):
    other = identities.device()
    good = device.token()
    prefix, signature = good.split("sig=")[0], good.split("sig=")[1].split("&")[0]
    expiry = good.split("se=")[1]
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    bad = {
        "another key": device.token(key=sas.new_key()),
        "another device's key": device.token(key=other.key),
        "another device": device.token(resource=other.resource, key=other.key),
        "another hub": device.token(resource=f"other.hub/devices/{device.device_id}"),
        "expired": device.token(ttl=-400),
        "flipped signature": good.replace(signature, flipped),
        "longer life": good.replace(f"se={expiry}", f"se={int(expiry) + 3600}"),
        "no signature": f"{prefix}se={expiry}",
        "empty signature": f"{prefix}sig=&se={expiry}",
        "no expiry": good.rsplit("&se=", 1)[0],
        "negative expiry": device.token(expiry=-1),
        "huge expiry": good.replace(f"se={expiry}", "se=" + "9" * 40),
        "expiry is no number": good.replace(f"se={expiry}", "se=never"),
        "two signatures": good + f"&sig={signature}",
        "two expiries": good + f"&se={int(expiry) + 1}",
        "unknown policy": device.token(key=hub.policy_key("device"), policy="nobody"),
        "policy name, device key": device.token(policy="device"),
        "another scheme": good.replace("SharedAccessSignature", "Bearer"),
        "nothing": "", "blank": " ", "noise": "x" * 5000,
        "the key itself": device.key,
    }
    found = {case: code_for(device, token) for case, token in bad.items()}
    assert found == dict.fromkeys(bad, 5)
    assert code_for(device, good) == 0


def test_clock_skew_is_forgiven_by_default_and_not_when_off(device, strict_identities):
    assert code_for(device, device.token(ttl=-60)) == 0
    strict = strict_identities.device()
    assert code_for(strict, strict.token(ttl=-2)) == 5
    assert code_for(strict, strict.token(ttl=60)) == 0


def test_service_tokens_that_must_be_refused(rest, hub, device):
    path = f"/devices/{device.device_id}"
    other_key = sas.new_key()
    bad = {
        "none": False,
        "wrong key": sas.token(hub.host, other_key, "iothubowner"),
        "expired": rest.token(ttl=-400),
        "unknown policy": sas.token(hub.host, rest.key, "nobody"),
        "no policy": sas.token(hub.host, rest.key),
        "another host": sas.token("other.hub", rest.key, "iothubowner"),
        "device token": device.token(),
        "narrower resource": rest.token(resource=f"{hub.host}/devices/somebody-else"),
        "noise": "SharedAccessSignature", "basic": "Basic dXNlcjpwYXNz",
    }
    for case, token in bad.items():
        answer = rest.call("GET", path, token=token)
        assert answer.status_code == 401, (case, answer.status_code)
        check_error(answer, 401)


@pytest.mark.parametrize("policy, allowed, refused", [
    ("registryRead", ["/devices", "/statistics/devices"],
     [("PUT", "/devices/x"), ("GET", "/twins/x")]),
    ("registryReadWrite", ["/devices", "/statistics/devices"], [("GET", "/twins/x")]),
    ("service", ["/messages/serviceBound/feedback"], [("GET", "/devices"), ("PUT", "/devices/x")]),
    ("device", [], [("GET", "/devices"), ("GET", "/twins/x"), ("GET", "/statistics/devices")]),
])
def test_rights_of_the_default_policies(hub, policy, allowed, refused):
    rest = hub.rest(policy)
    for path in allowed:
        rest.call("GET", path, expect={200, 204})
    for method, path in refused:
        body = {"json": {"deviceId": "x"}} if method == "PUT" else {}
        check_error(rest.call(method, path, **body), 401)


# Renewal and expiry


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_renewal_by_the_stock_client_loses_nothing(stock, device, events, rest):
    """A life of 130 s makes the client renew after 10 s, by reconnecting."""
    client = stock.connect(device, sastoken_ttl=130)
    commands, drops = [], []
    client.on_message_received = lambda message: commands.append(int(message.data))
    client.on_connection_state_change = lambda: drops.append(client.connected)
    begun, sent = time.monotonic(), 0
    while time.monotonic() - begun < 14:
        client.send_message(Message(f"{BODY_CANARY} {sent}"))
        rest.send_c2d(device.device_id, str(sent).encode())
        sent += 1
        threading.Event().wait(0.05)
    wait_until(lambda: len(set(commands)) == sent, 10, f"{sent} commands: {len(commands)}")
    assert False in drops and client.connected, f"no renewal was seen: {drops}"
    assert list(dict.fromkeys(commands)) == list(range(sent)), "the order of first arrivals"
    got = events.wait_for(sent, device=device.device_id)
    numbers = {int(body_of(event).split()[1]) for event in got + events.available()
               if event["annotations"]["iothub-connection-device-id"] == device.device_id}
    assert numbers == set(range(sent))


def test_update_sastoken_reconnects_with_the_new_one(stock, device, events, rest):
    client = stock.connect(device, token=device.token(ttl=600))
    received = []
    client.on_message_received = received.append
    client.update_sastoken(device.token(ttl=1200))
    assert client.connected
    client.send_message("after")
    events.wait_for(1, device=device.device_id)
    rest.send_c2d(device.device_id, b"x")
    wait_until(lambda: received, 5, "the subscription survived the renewal")


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_an_expired_token_ends_the_connection(strict_identities):
    """No skew here; the contract allows 60 s after the expiry."""
    device = strict_identities.device()
    token = device.token(ttl=4)
    # A token ends on a whole second, which its own text tells.
    expiry = int(token.split("se=")[1].split("&")[0])
    with device.connect(password=token) as connection:
        connection.expect_closed(timeout=66)
        assert time.time() >= expiry, "closed before the token expired"
    device.connect().disconnect()


def test_a_subscription_survives_expiry(strict_hub, strict_identities):
    device, rest = strict_identities.device(), strict_hub.rest()
    with device.connect(clean=False) as connection:
        connection.subscribe(c2d_filter(device.device_id))
    rest.send_c2d(device.device_id, b"x")
    with device.connect(clean=False, password=device.token(ttl=30)) as connection:
        assert connection.session_present and connection.expect_publish().payload == b"x"


def test_event_reading_needs_a_service_right(hub):
    for policy in ("device", "registryRead", "registryReadWrite"):
        answer = hub.rest(policy).call("GET", "/events", params={"from": "latest", "timeout": 0})
        check_error(answer, 401)
    assert EventStream(hub.rest("service")).available() is not None
