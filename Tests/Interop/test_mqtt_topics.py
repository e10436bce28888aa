"""Topics of an MQTT server as endpoints of message routing: Debian's mosquitto takes the events."""

import json
import os
import socket
import threading
import time

import pytest

import certificates
from broker import MISSING, PASSWORD, USER, Broker
from conftest import NETWORK, Identities
from events import EventStream
from hub import BODY_CANARY
from test_webhooks import health, metric, send
from waiting import wait_until

pytestmark = pytest.mark.skipif(MISSING, reason="the package mosquitto is not installed")


@pytest.fixture(scope="module")
def root():
    return certificates.authority("broker root")


@pytest.fixture(scope="module")
def bridged(hub_factory, tmp_path_factory, root):
    """A hub with the files that its endpoints name."""
    directory = tmp_path_factory.mktemp("bridged")
    data = directory / "data"
    (data / "secrets").mkdir(parents=True, mode=0o700)
    authority, _ = root.write(directory, "authority")
    certificate, key = root.issue("hub").write(directory, "hub")
    secret(data, "ca", open(authority).read())
    secret(data, "password", PASSWORD + "\n")
    secret(data, "certificate", open(certificate).read() + open(key).read())
    hub = hub_factory({"routing.mqtt_plain": "true"}, data=data)
    hub.note_secret(PASSWORD)
    return hub


def secret(data, name, text):
    path = data / "secrets" / name
    path.write_text(text)
    os.chmod(path, 0o600)
    return path


@pytest.fixture
def device(request, bridged):
    if not bridged.is_alive():
        bridged.start()
    identities = Identities(bridged, request.node.name.removeprefix("test_")[:40])
    yield identities.device()
    bridged.rest().call("PUT", "/routing", json={}, expect=200)
    identities.clean_up()


@pytest.fixture
def broker(tmp_path, root):
    brokers = []

    def make(**options):
        directory = tmp_path / str(len(brokers))
        directory.mkdir()
        brokers.append(Broker(f"{NETWORK}.210", directory, options.pop("root", root), **options))
        return brokers[-1]

    yield make
    for made in brokers:
        made.close()


def topic(name, server, path, **settings):
    proof = {} if server.watcher else {"userName": USER, "passwordName": "password"}
    return {"name": name, "host": server.address, "port": server.port, "topic": path,
            "caName": "ca", **proof, **settings}


def route(hub, *topics, expect=200):
    """Sends all telemetry to the topics and to the built-in stream."""
    names = [one["name"] for one in topics]
    return hub.rest().call("PUT", "/routing", expect=expect, json={
        "endpoints": {"mqttTopics": list(topics)},
        "routes": [{"name": "all", "source": "DeviceMessages", "endpointNames": [*names, "events"]}],
    })


def bodies(server):
    return [json.loads(payload)["data"]["body"] for _, payload in server.messages]


def test_an_event_is_a_cloud_event_on_its_topic(bridged, device, broker):
    server = broker()
    shown = route(bridged, topic("bridge", server, "{iothub}/{source}/{deviceId}")).json()
    assert PASSWORD not in json.dumps(shown)
    send(device, {"temperature": 21, "note": BODY_CANARY})
    wait_until(lambda: server.messages, 10, "the event arrives")
    path, payload = server.messages[0]
    assert path == f"{bridged.host}/Telemetry/{device.device_id}"
    event = json.loads(payload)
    assert event["specversion"] == "1.0" and event["type"] == "Microsoft.Devices.DeviceTelemetry"
    assert event["data"]["body"] == {"temperature": 21, "note": BODY_CANARY}
    assert event["data"]["properties"] == {"level": "hot"}
    wait_until(
        lambda: health(bridged, "bridge")["healthStatus"] == "healthy", 5, "the endpoint is healthy")
    assert metric(bridged, 'orrery_endpoint_events_total{endpoint="bridge"}') == 1


def test_a_client_certificate_and_bare_bodies(bridged, broker):
    server = broker(certificates=True)
    identities = Identities(bridged, "bare")
    sender = identities.device("bare#1+")
    route(bridged, topic(
        "bare", server, "site/{deviceId}/{moduleId}/{partition}", payload="Body",
        certificateName="certificate"))
    send(sender, [1, 2])
    wait_until(lambda: server.messages, 10, "the event arrives")
    path, payload = server.messages[0]
    assert path.startswith("site/bare%231%2B//") and payload == b"[1, 2]"
    bridged.rest().call("PUT", "/routing", json={}, expect=200)
    identities.clean_up()


@pytest.mark.timeout(90)
def test_a_server_that_is_away_gets_everything_in_order_when_it_is_back(bridged, device, broker):
    server = broker()
    route(bridged, topic("away", server, "t", maxEventsInFlight=5))
    send(device, *range(20))
    wait_until(lambda: len(server.messages) >= 20, 10, "the first events arrive")
    server.stop()
    stream = EventStream(bridged.rest())
    send(device, *range(20, 60))
    assert len(stream.wait_for(40, device=device.device_id)) == 40
    wait_until(
        lambda: health(bridged, "away")["lastKnownError"], 10, "the endpoint's failure is told")
    assert health(bridged, "away")["healthStatus"] in ("degraded", "unhealthy")
    assert metric(bridged, 'orrery_endpoint_failing{endpoint="away"}') == 1
    server.start()
    wait_until(lambda: len(set(bodies(server))) >= 60, 40, "all arrive")
    assert list(dict.fromkeys(bodies(server))) == list(range(60))
    wait_until(
        lambda: health(bridged, "away")["healthStatus"] == "healthy", 5, "the endpoint is healthy")


@pytest.mark.timeout(90)
def test_nothing_is_lost_by_kill_9(bridged, device, broker):
    server = broker()
    route(bridged, topic("durable", server, "t", maxEventsInFlight=1))
    send(device, *range(300))
    wait_until(lambda: server.messages, 10, "something has arrived")
    bridged.kill()
    assert len(set(bodies(server))) < 300, "the hub was killed too late to show anything"
    bridged.start()
    wait_until(lambda: len(set(bodies(server))) >= 300, 30, "all arrive")
    assert list(dict.fromkeys(bodies(server))) == list(range(300))


def test_a_password_is_changed_without_a_change_of_routes(bridged, device, broker):
    server = broker()
    path = secret(bridged.data, "rotating", "wrong-secret-0b0b")
    bridged.note_secret("wrong-secret-0b0b")
    route(bridged, topic("guarded", server, "t", passwordName="rotating"))
    send(device, "x")
    wait_until(
        lambda: "credential" in (health(bridged, "guarded")["lastKnownError"] or ""), 10, "refusal")
    path.write_text(PASSWORD)
    wait_until(lambda: server.messages, 15, "the event arrives with the new password")


def test_a_server_that_never_answers_harms_nobody_else(bridged, device, broker):
    working = broker()
    with socket.create_server((f"{NETWORK}.211", 0)) as deaf:
        port = deaf.getsockname()[1]
        hanging = {"name": "deaf", "host": f"{NETWORK}.211", "port": port, "useTls": False,
                   "topic": "t"}
        route(bridged, hanging, topic("working", working, "t"))
        send(device, *range(50))
        wait_until(lambda: len(working.messages) >= 50, 10, "the working one gets all")
        # The hanging one does not hold up a change of the routes either.
        began = time.monotonic()
        route(bridged, topic("working", working, "t2"))
        send(device, "after")
        wait_until(lambda: ("t2", "after") in [
            (path, json.loads(payload)["data"]["body"]) for path, payload in working.messages
        ], 10, "the new routes are in force")
        assert time.monotonic() - began < 8


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_server_that_never_acknowledges_is_tried_again(bridged, device):
    connections = []

    def serve(listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            connections.append(peer)
            assert peer.recv(4096)[0] == 0x10
            peer.sendall(b"\x20\x02\x00\x00")

    with socket.create_server((f"{NETWORK}.212", 0)) as silent:
        threading.Thread(target=serve, args=(silent,), daemon=True).start()
        port = silent.getsockname()[1]
        route(bridged, {"name": "silent", "host": f"{NETWORK}.212", "port": port, "useTls": False,
                        "topic": "t"})
        send(device, "x")
        wait_until(lambda: health(bridged, "silent")["lastKnownError"], 40, "the time-out is told")
        told = health(bridged, "silent")["lastKnownError"]
        assert told == "no acknowledgement within 30 seconds"
        wait_until(lambda: len(connections) == 2, 10, "another attempt")
        for peer in connections:
            peer.close()


def test_an_endpoint_that_is_removed_gets_what_was_sent_to_it(bridged, device, broker):
    server = broker()
    server.stop()
    route(bridged, topic("leaving", server, "t"))
    send(device, "one", "two")
    wait_until(lambda: health(bridged, "leaving")["lastKnownError"], 10, "the first try")
    bridged.rest().call("PUT", "/routing", json={}, expect=200)

    def draining():
        routing = bridged.rest().call("GET", "/routing", expect=200).json()
        return [one["name"] for one in routing.get("drainingEndpoints", {}).get("mqttTopics", [])]

    assert "leaving" in draining()
    server.start()
    wait_until(lambda: "leaving" not in draining(), 30, "the endpoint has drained")
    wait_until(lambda: bodies(server) == ["one", "two"], 10, "its events are there")


def test_only_verified_tls(bridged, device, broker):
    stranger = broker(root=certificates.authority("nobody's root"))
    route(bridged, topic("stranger", stranger, "t"))
    send(device, "secret plans")
    wait_until(
        lambda: "not trusted" in (health(bridged, "stranger")["lastKnownError"] or ""), 10, "refusal")
    assert not stranger.messages


def test_settings_that_cannot_work_are_refused(bridged, hub_factory):
    good = {"name": "e", "host": "127.0.0.1", "topic": "t"}
    for settings, word in [
        ({"caName": "none"}, "secrets/none"), ({"topic": "a/#"}, "topic"),
        ({"topic": "{device}"}, "{deviceId}"), ({"host": "mqtt://x"}, "host"),
        ({"useTls": False, "host": "example.com"}, "useTls"),
    ]:
        assert word in route(bridged, {**good, **settings}, expect=400).text
    strict = hub_factory()
    assert "routing.mqtt_plain" in route(strict, {**good, "useTls": False}, expect=400).text
    strict.stop()
