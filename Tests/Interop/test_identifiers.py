"""Device ids with every legal character: connecting, addressing, isolation (contract 1.3)."""

import json

import pytest

from mqtt_wire import c2d_filter, publish_packet, telemetry_topic
from rest import check_error, segment
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("unharmed")

NAMES = ["a-b.c+d%e_f#g*h?i!j(k),l:m=n@o$p'q", "#", "+", "?", "a?b=c", "%", "%41", "%2F", "a#",
         "a+",
         "$x", "...", "A" * 128, "CON", "0", "x?api-version=1"]
STOCK = ["dots.and-dashes_1", "q?x", "at@host:1", "50%25", "eq=ual", "(a),b!*'"]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_awkward_names_work_everywhere(identities, rest, events, name):
    device = identities.device(name)
    assert rest.device(name)["deviceId"] == name
    with device.connect() as connection:
        connection.publish(telemetry_topic(name, k="v"), b"x")
        event, = events.wait_for(1, device=name)
        assert event["properties"]["to"] == f"/devices/{name}/messages/events"
        assert event["applicationProperties"] == {"k": "v"}
        connection.subscribe(c2d_filter(name), "$iothub/twin/res/#")
        rest.send_c2d(name, b"down")
        got = connection.expect_publish()
        assert got.topic.startswith(f"devices/{name}/messages/devicebound/")
        rest.patch_twin(name, {"properties": {"desired": {"a": 1}}})
        assert json.loads(connection.get_twin()[1])["desired"]["a"] == 1


@pytest.mark.parametrize("name", STOCK, ids=str)
def test_stock_client_with_awkward_names(stock, identities, events, rest, name):
    """Ids with + and # are left out: the client's own MQTT engine refuses to publish them."""
    device = identities.device(name)
    client, arrived = stock.connect(device), []
    client.on_message_received = arrived.append
    client.send_message("x")
    events.wait_for(1, device=name)
    rest.send_c2d(name, b"down")
    wait_until(lambda: arrived, 5, "the command")
    assert client.get_twin()["desired"]["$version"] == 1


def test_wildcard_names_hear_only_their_own(identities, rest):
    names = ["iso+", "iso#", "iso", "+", "#"]
    devices = [identities.device(name) for name in names]
    connections = [device.connect() for device in devices]
    for device, connection in zip(devices, connections):
        assert connection.subscribe(c2d_filter(device.device_id)) == [1]
    for name in names:
        rest.send_c2d(name, name.encode())
    for name, connection in zip(names, connections):
        assert connection.expect_publish().payload == name.encode()
        connection.expect_silence(0.2)
        connection.abort()


def test_wildcard_names_cannot_publish_as_others(identities):
    plus, victim = identities.device("+"), identities.device("victim")
    with plus.connect() as connection:
        connection.send(publish_packet(telemetry_topic(victim.device_id), b"x"))
        connection.expect_closed()


def test_names_are_case_sensitive(identities, rest):
    base = identities.name()
    lower, upper = identities.device(base.lower()), identities.device(base.upper())
    assert lower.record["generationId"] != upper.record["generationId"]
    connection, code = type(lower)(lower.hub, upper.device_id, lower.key).try_connect()
    connection.abort()
    assert code == 5


@pytest.mark.parametrize("name", [
    "a b", "a/b", "ü", "a\\b", "a\"b", "a;b", "a<b", "a&b", "a[b]", "a{b}", "a^b", "a`b", "a|b",
    "a~b",
    "a\tb", "a\x00b", "a\nb", "\u202e", "A" * 129, " "], ids=ascii)
def test_illegal_names_are_refused(rest, name):
    answer = rest.call("PUT", f"/devices/{segment(name)}", json={"deviceId": name})
    assert answer.status_code in (400, 404), (name, answer.status_code)
    check_error(answer, answer.status_code)


@pytest.mark.parametrize("name", ["m#1", "m+", "m?x", "a.b-c_d:e", "M" * 128])
def test_awkward_module_names(identities, device, events, name):
    module = identities.module(device, name)
    with module.connect() as connection:
        connection.publish(telemetry_topic(device.device_id, name), b"x")
    event, = events.wait_for(1, device=device.device_id, module=name)
    assert event["properties"]["to"].endswith(f"/modules/{name}/messages/events")
