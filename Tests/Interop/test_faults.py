"""A hub for tests commits the faults that it is asked for, and stock clients meet them."""

import json
import re
import subprocess
import time

import pytest
import requests

import hub as hub_module
from conftest import StockClients, make_identities
from mqtt_wire import publish_packet, telemetry_topic
from waiting import wait_until

PATH = "/admin/faults"


@pytest.fixture(scope="module")
def faulty_hub(hub_factory):
    """A hub that nobody else counts on."""
    return hub_factory()


@pytest.fixture
def faults(faulty_hub):
    """Arms faults by name; none is left after the test."""
    rest = faulty_hub.rest()

    def arm(name, fault, **members):
        rest.call("PUT", f"{PATH}/{name}", json={"fault": fault, **members}, expect=200)

    arm.hits = lambda: {one["name"]: one["hits"] for one in
                        rest.call("GET", PATH, expect=200).json()}
    yield arm
    rest.call("DELETE", PATH, expect=204)


@pytest.fixture
def subject(request, faulty_hub):
    """A device of that hub."""
    return make_identities(request, faulty_hub).device()


@pytest.fixture
def clients(subject):
    made = StockClients()
    yield made
    made.shut_down()


def test_requests_fail_as_often_as_asked(faulty_hub, faults):
    rest = faulty_hub.rest()
    faults("busy", "failRequests", status=429, retryAfterSeconds=7, path="/twins", times=2)
    for _ in range(2):
        refused = rest.call("GET", "/twins/nobody", expect=429)
        assert refused.headers["Retry-After"] == "7"
        assert refused.headers["iothub-errorcode"] == "ThrottlingException"
    rest.call("GET", "/twins/nobody", expect=404)
    rest.call("GET", "/devices/nobody", expect=404)
    assert faults.hits() == {"busy": 2}
    page = requests.get(faulty_hub.ready["admin"] + "/metrics", timeout=5).text
    assert re.search(r'^orrery_injected_faults_total\{fault="failRequests"\} [1-9]', page, re.M)


@pytest.mark.parametrize("status", [401, 500, 503])
def test_requests_fail_with_each_status(faulty_hub, faults, status):
    faults("broken", "failRequests", status=status)
    faulty_hub.rest().call("GET", "/devices", expect=status)


def test_requests_are_delayed(faulty_hub, faults):
    faults("slow", "delayRequests", delayMilliseconds=700, times=1)
    begun = time.monotonic()
    faulty_hub.rest().call("GET", "/devices", expect=200)
    assert time.monotonic() - begun >= 0.7


def test_a_device_is_turned_away_and_comes_in_later(faults, subject):
    faults("down", "refuseConnections", deviceId=subject.device_id, times=1)
    connection, code = subject.try_connect()
    connection.abort()
    assert code == 3
    connection, code = subject.try_connect()
    connection.abort()
    assert code == 0


def test_credentials_are_rejected_over_mqtt_and_https(faults, subject):
    faults("expired", "rejectCredentials", deviceId=subject.device_id, times=2)
    connection, code = subject.try_connect()
    connection.abort()
    assert code == 5
    path = f"/devices/{subject.device_id}/messages/events"
    rest = subject.hub.rest()
    rest.call("POST", path, data=b"x", token=subject.token(), expect=401)
    rest.call("POST", path, data=b"x", token=subject.token(), expect=204)


def test_a_stock_client_comes_back_after_every_disconnection(faults, subject, clients):
    client = clients.connect(subject)
    seen = []
    client.on_connection_state_change = lambda: seen.append(client.connected)
    faults("flaky", "disconnect", deviceId=subject.device_id, everySeconds=2, times=2)
    wait_until(lambda: seen.count(False) == 2 and seen[-1], 30, "twice gone and back again")
    assert faults.hits() == {"flaky": 2}
    client.send_message("after the storm")


def test_telemetry_that_is_not_kept_is_not_acknowledged(faults, subject):
    topic = telemetry_topic(subject.device_id)
    faults("full", "loseTelemetry", times=1)
    connection = subject.connect()
    connection.send(publish_packet(topic, b"lost"))
    connection.expect_closed()
    assert faults.hits() == {"full": 1}
    connection = subject.connect()
    connection.publish(topic, b"kept")
    connection.abort()


def test_a_slow_log_holds_acknowledgements_up(faults, subject, clients):
    client = clients.connect(subject)
    faults("slow", "slowLog", delayMilliseconds=900, times=1)
    begun = time.monotonic()
    client.send_message("x")
    assert time.monotonic() - begun >= 0.9


def test_a_method_that_is_lost_times_out(faults, subject, clients):
    client = clients.connect(subject)
    taken = []
    client.on_method_request_received = taken.append
    faults("lost", "dropMethods", deviceId=subject.device_id)
    answer = subject.hub.rest().call(
        "POST", f"/twins/{subject.device_id}/methods",
        json={"methodName": "m", "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 5},
        timeout=15)
    assert answer.status_code == 504 and taken == []


def test_a_clock_that_is_fast_ends_tokens_and_leaves_a_way_back(faulty_hub, faults, subject):
    # Tokens of these tests are good for an hour.
    faults("late", "shiftClock", shiftSeconds=7 * 86_400)
    connection, code = subject.try_connect()
    connection.abort()
    assert code == 5
    faulty_hub.rest().call("GET", "/devices", expect=401)
    faulty_hub.rest().call("DELETE", f"{PATH}/late", expect=204)
    faulty_hub.rest().call("GET", "/devices", expect=200)


def test_no_fault_keeps_a_tester_from_ending_it(faulty_hub, faults):
    faults("all", "failRequests", status=503)
    faulty_hub.rest().call("GET", "/devices", expect=503)
    assert faults.hits() == {"all": 1}
    faulty_hub.rest().call("DELETE", f"{PATH}/all", expect=204)
    faulty_hub.rest().call("DELETE", f"{PATH}/all", expect=404)


def test_only_the_owner_of_a_hub_for_tests_may(faulty_hub, hub_factory, tmp_path):
    body = {"fault": "loseTelemetry"}
    faulty_hub.rest("service").call("PUT", f"{PATH}/f", json=body, expect=401)
    kept = hub_factory(data=tmp_path / "hub")
    for method, path in (("PUT", f"{PATH}/f"), ("GET", PATH), ("DELETE", PATH)):
        answer = kept.rest().call(method, path, json=body, expect=405)
        assert "hub.fault_injection" in answer.text
    kept.stop()
    kept.settings["hub.fault_injection"] = "true"
    kept.start()
    kept.rest().call("PUT", f"{PATH}/f", json=body, expect=200)


def test_faults_on_the_command_line(faulty_hub, faults):
    def orrery(*words, status=0):
        result = subprocess.run(
            [hub_module.binary(), "fault", *words, "--connect", faulty_hub.ready_path, "-o", "json"],
            capture_output=True, text=True, timeout=20, check=False)
        assert result.returncode == status, result
        return result

    orrery("add", "late", "shiftClock", "--shift-back", "2h", "--for", "10m")
    orrery("add", "busy", "failRequests", "--status", "503", "--path", "/twins")
    listed = json.loads(orrery("list").stdout)
    assert [fault["name"] for fault in listed] == ["late", "busy"]
    assert listed[0]["shiftSeconds"] == -7200 and listed[0]["lifetimeSeconds"] == 600
    orrery("remove", "busy")
    orrery("remove", "--all")
    assert faults.hits() == {}
    orrery("remove", "busy", status=3)
    said = orrery("add", "slow", "slowLog", status=2).stderr
    assert "--delay is missing" in said, said
    assert "says nothing of" in orrery("add", "f", "disconnect", "--status", "503", status=2).stderr
    orrery("add", "f", "burn", status=2)
    orrery("remove", status=2)
