"""Webhooks as endpoints of message routing (contract 9.1): what is sent, and what failures do."""

import json
import threading
import time
from collections import Counter

import pytest
import requests

import certificates
from conftest import NETWORK, Identities
from events import EventStream
from hub import BODY_CANARY
from mqtt_wire import telemetry_topic
from waiting import wait_until
from webhook import Receiver

SECRET = "Bearer webhook-secret-5d1e"
JSON = {"$.ct": "application/json", "$.ce": "utf-8"}


@pytest.fixture(scope="module")
def root():
    return certificates.authority("webhook root")


@pytest.fixture(scope="module")
def hooked(hub_factory, tmp_path_factory, root):
    """A hub that trusts the receivers' authority and knows one secret."""
    directory = tmp_path_factory.mktemp("hooked")
    authority, _ = root.write(directory, "authority")
    data = directory / "data"
    (data / "secrets").mkdir(parents=True, mode=0o700)
    (data / "secrets" / "pager").write_text(SECRET + "\n")
    hub = hub_factory({"routing.webhook_ca": authority}, data=data)
    hub.note_secret(SECRET)
    return hub


@pytest.fixture
def device(request, hooked):
    if not hooked.is_alive():
        hooked.start()
    identities = Identities(hooked, request.node.name.removeprefix("test_")[:40])
    yield identities.device()
    hooked.rest().call("PUT", "/routing", json={}, expect=200)
    identities.clean_up()


@pytest.fixture
def receiver(tmp_path, root):
    receivers = []

    def make(answer=lambda events, number: 200, **options):
        directory = tmp_path / str(len(receivers))
        directory.mkdir()
        options = {"directory": directory, "root": root, **options}
        receivers.append(Receiver(f"{NETWORK}.200", answer=answer, **options))
        return receivers[-1]

    yield make
    for made in receivers:
        made.close()


def webhook(name, uri, **settings):
    return {"name": name, "uri": uri, "timeoutInSeconds": 2, **settings}


def route(hub, *webhooks, expect=200):
    """Sends all telemetry to the webhooks and to the built-in stream."""
    names = [hook["name"] for hook in webhooks]
    return hub.rest().call("PUT", "/routing", expect=expect, json={
        "endpoints": {"webhooks": list(webhooks)},
        "routes": [{"name": "all", "source": "DeviceMessages", "endpointNames": [*names, "events"]}],
    })


def send(device, *bodies):
    topic = telemetry_topic(device.device_id, level="hot", **JSON)
    with device.connect() as connection:
        for body in bodies:
            connection.publish(topic, json.dumps(body).encode())


def health(hub, name):
    rows = hub.rest().call("GET", "/routing/endpointsHealth", expect=200).json()["value"]
    return next(row for row in rows if row["endpointId"] == name)


def metric(hub, name):
    text = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0)


def dead_letters(hub, name):
    path = hub.data / "dead-letters" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_event_is_a_cloud_event(hooked, device, receiver):
    hook = receiver()
    route(hooked, webhook("single", hook.uri, secretName="pager"))
    send(device, {"temperature": 21, "note": BODY_CANARY})
    wait_until(lambda: hook.taken, 5, "the event arrives")
    path, headers, event = hook.requests[0]
    assert path == "/in" and headers["Authorization"] == SECRET
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert event["specversion"] == "1.0" and event["type"] == "Microsoft.Devices.DeviceTelemetry"
    assert event["subject"] == f"devices/{device.device_id}"
    assert event["source"].startswith("/hubs/") and event["time"].endswith("Z") and event["id"]
    assert event["data"]["body"] == {"temperature": 21, "note": BODY_CANARY}
    assert event["data"]["properties"] == {"level": "hot"}
    system = event["data"]["systemProperties"]
    assert system["iothub-connection-device-id"] == device.device_id
    assert system["iothub-content-type"] == "application/json"
    wait_until(
        lambda: health(hooked, "single")["healthStatus"] == "healthy", 5, "the endpoint is healthy")
    assert metric(hooked, 'orrery_endpoint_events_total{endpoint="single"}') == 1
    # What can be shown holds no secret.
    assert SECRET not in hooked.rest().call("GET", "/routing", expect=200).text


def test_several_events_come_in_batches_in_order(hooked, device, receiver):
    gate = threading.Event()
    hook = receiver(lambda events, number: gate.wait(5) and 200)
    route(hooked, webhook("batches", hook.uri, maxEventsPerBatch=10, timeoutInSeconds=30))
    send(device, *range(60))
    gate.set()
    wait_until(lambda: len(hook.taken) >= 60, 10, "all events arrive")
    assert hook.bodies() == list(range(60))
    sizes = [len(content) for _, _, content in hook.requests]
    assert max(sizes) == 10 and len(sizes) < 20
    kinds = {headers["Content-Type"] for _, headers, _ in hook.requests}
    assert kinds == {"application/cloudevents-batch+json; charset=utf-8"}


def test_failures_are_tried_again_in_order(hooked, device, receiver):
    times = []

    def answer(events, number):
        times.append(time.monotonic())
        return {1: 500, 2: (429, {"Retry-After": "4"}), 3: (302, {"Location": "/else"})}.get(
            number, 204)

    hook = receiver(answer)
    route(hooked, webhook("flaky", hook.uri))
    send(device, "one", "two")
    wait_until(lambda: health(hooked, "flaky")["lastKnownError"] == "it answered 500", 5, "the 500")
    wait_until(lambda: len(hook.taken) >= 2, 30, "the events arrive")
    assert hook.bodies() == ["one", "two"]
    # After a second at first; when it says when, not before; redirections are not followed.
    assert 0.7 < times[1] - times[0] < 3 and 4 <= times[2] - times[1] < 6
    assert {path for path, _, _ in hook.requests} == {"/in"}
    assert metric(hooked, 'orrery_endpoint_failures_total{endpoint="flaky"}') == 3


def test_what_is_refused_becomes_a_dead_letter_alone(hooked, device, receiver):
    hook = receiver(lambda events, number: 410 if any(
        event["data"]["body"] == "bad" for event in events) else 200)
    route(hooked, webhook("choosy", hook.uri, maxEventsPerBatch=50))
    before = len(dead_letters(hooked, "choosy"))
    send(device, "a", "b", "bad", "c", "d")
    wait_until(lambda: "d" in hook.bodies(), 10, "the others arrive")
    assert hook.bodies() == ["a", "b", "c", "d"]
    letters = dead_letters(hooked, "choosy")[before:]
    assert [letter["event"]["data"]["body"] for letter in letters] == ["bad"]
    assert letters[0]["reason"] == "rejected" and letters[0]["lastError"] == "it answered 410"
    assert letters[0]["endpoint"] == "choosy" and letters[0]["time"].endswith("Z")
    name = 'orrery_endpoint_dead_letters_total{endpoint="choosy",reason="rejected"}'
    assert metric(hooked, name) == 1
    assert any(record.get("endpoint") == "choosy" and "choosy.jsonl" in record.get("file", "")
               for record in map(flat, hooked.log_records()))


def flat(record):
    return {**record, **record.get("metadata", {})}


def test_a_receiver_that_hangs_harms_nobody_else(hooked, device, receiver):
    release = threading.Event()
    hanging = receiver(lambda events, number: release.wait(40) and 200)
    working = receiver()
    memory = hooked.resident_bytes()
    # Both are on one host, which is where one would be in the other's way.
    route(hooked, webhook("hanging", hanging.uri), webhook("working", working.uri))
    stream = EventStream(hooked.rest())
    send(device, *range(300))
    wait_until(lambda: len(working.taken) >= 300, 20, "the working one gets all")
    assert working.bodies() == list(range(300))
    assert len(stream.wait_for(300, device=device.device_id)) == 300
    wait_until(
        lambda: "no answer within 2 seconds" in (health(hooked, "hanging")["lastKnownError"] or ""),
        10, "the time-out is told")
    assert hooked.resident_bytes() - memory < 64 << 20
    release.set()
    wait_until(lambda: len(set(hanging.bodies())) >= 300, 40, "the hanging one gets all when it can")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("after", [0.1, 0.6])
def test_nothing_is_lost_by_kill_9(hooked, device, receiver, after):
    gate = threading.Event()
    hook = receiver(lambda events, number: gate.wait(30) and (time.sleep(0.02) or 200))
    route(hooked, webhook("durable", hook.uri, maxEventsPerBatch=3, timeoutInSeconds=30))
    send(device, *range(200))
    gate.set()
    wait_until(lambda: hook.taken, 5, "something has arrived")
    time.sleep(after)
    assert len(set(hook.bodies())) < 200, "the hub was killed too late to show anything"
    hooked.kill()
    hooked.start()
    wait_until(lambda: len(set(hook.bodies())) >= 200, 30, "all arrive")
    seen = []
    for event in hook.taken:
        if event["id"] not in seen:
            seen.append(event["id"])
    firsts = list(dict.fromkeys(hook.bodies()))
    assert firsts == list(range(200)) and len(seen) == 200
    # Sent twice is only what was sent right before.
    assert max(Counter(hook.bodies()).values()) <= 2


def test_an_endpoint_that_is_removed_gets_what_was_sent_to_it(hooked, device, receiver):
    answers = [503]
    hook = receiver(lambda events, number: answers[0])
    route(hooked, webhook("leaving", hook.uri))
    send(device, "one", "two")
    wait_until(lambda: hook.requests, 5, "the first try")
    hooked.rest().call("PUT", "/routing", json={}, expect=200)

    def draining():
        routing = hooked.rest().call("GET", "/routing", expect=200).json()
        return [one["name"] for one in routing.get("drainingEndpoints", {}).get("webhooks", [])]

    assert "leaving" in draining() and health(hooked, "leaving")["isDraining"]
    send(device, "three")
    answers[0] = 200
    wait_until(lambda: "leaving" not in draining(), 20, "the endpoint has drained")
    assert hook.bodies() == ["one", "two"]


def test_a_secret_is_changed_without_a_change_of_routes(hooked, device, receiver):
    def answer(events, number):
        return 200 if hook.requests[number - 1][1].get("X-Key") == "new-secret" else 401

    hook = receiver(answer)
    path = hooked.data / "secrets" / "rotating"
    settings = webhook("guarded", hook.uri, secretName="rotating", secretHeader="X-Key")
    refused = route(hooked, settings, expect=400)
    assert "secrets/rotating" in refused.text
    path.write_text("old-secret")
    route(hooked, settings)
    send(device, "x")
    wait_until(lambda: hook.requests, 5, "a request with the old secret")
    path.write_text("new-secret\n")
    wait_until(lambda: hook.taken, 10, "the event arrives with the new secret")


def test_only_verified_tls(hooked, device, receiver):
    stranger = receiver(root=certificates.authority("nobody's root"))
    route(hooked, webhook("stranger", stranger.uri))
    send(device, "secret plans")
    wait_until(
        lambda: "not trusted" in (health(hooked, "stranger")["lastKnownError"] or ""), 10, "refusal")
    assert not stranger.requests
    plain = receiver(root=None)
    for uri in (plain.uri, "http://example.com/", "https://user:word@example.com/", "https://"):
        refused = route(hooked, webhook("plain", uri), expect=400)
        assert "uri" in refused.text


def test_plain_http_on_loopback_where_it_is_allowed(hub_factory, receiver):
    hub = hub_factory({"routing.webhook_plain_http": "true"})
    identities = Identities(hub, "plain")
    hook = receiver(root=None)
    route(hub, webhook("plain", hook.uri))
    send(identities.device(), "here")
    wait_until(lambda: hook.taken, 5, "the event arrives")
    assert "127.0.0.1" in route(hub, webhook("plain", "http://example.com/"), expect=400).text
    hub.stop()
