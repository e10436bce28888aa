"""Direct methods with every time-out (contract 3.7 and 7.6)."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub.models import CloudToDeviceMethod

from mqtt_wire import UNSUBACK, unsubscribe_packet
from rest import check_error, inner_error
from waiting import wait_until

REQUESTS = "$iothub/methods/POST/#"


def answer_all(client, status=200, payload=None):
    """The stock client answers every request; returns the requests it saw."""
    seen = []

    def handle(request):
        seen.append((request.name, request.payload))
        client.send_method_response(
            MethodResponse.create_from_method_request(
                request, status, request.payload if payload is None else payload))

    client.on_method_request_received = handle
    return seen


@pytest.mark.parametrize("payload", [
    None, 1, "text", "Größe ✓", [1, {"a": None}], {"a": {"b": [True, 1.5]}}, {}, False])
def test_payloads_there_and_back(stock, device, rest, payload):
    client = stock.connect(device)
    seen = answer_all(client, payload={"echo": payload})
    answer = rest.invoke(device.device_id, "reboot", payload).json()
    assert answer == {"status": 200, "payload": {"echo": payload}}
    assert seen == [("reboot", payload)]


@pytest.mark.parametrize("status", [0, 200, 404, 500, 504, -1, 2147483647])
def test_device_status_passes_through(stock, device, rest, status):
    client = stock.connect(device)
    answer_all(client, status, payload={"why": "device says so"})
    answer = rest.invoke(device.device_id, "fail")
    assert answer.status_code == 200
    assert answer.json() == {"status": status, "payload": {"why": "device says so"}}


def test_stock_service_client_invokes_device_and_module(stock, identities, device, registry):
    module = identities.module(device)
    for identity in (device, module):
        answer_all(stock.connect(identity), payload={"who": identity.client_id})
    method = CloudToDeviceMethod(method_name="who", payload={}, response_timeout_in_seconds=10,
                                 connect_timeout_in_seconds=5)
    assert registry.invoke_device_method(device.device_id, method).payload == {
        "who": device.device_id}
    result = registry.invoke_device_module_method(device.device_id, "m1", method)
    assert result.status == 200 and result.payload == {"who": module.client_id}


def test_missing_payload_is_an_empty_body(device, rest):
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe(REQUESTS)
        pending = pool.submit(
            rest.call, "POST", f"/twins/{device.device_id}/methods", json={"methodName": "m"})
        request = connection.expect_publish()
        assert request.payload == b"" and request.qos == 0
        answer_raw(connection, request, 200, b"")
        assert pending.result(10).json() == {"status": 200, "payload": None}


def answer_raw(connection, request, status, body):
    rid = request.topic.split("$rid=")[1]
    connection.publish(f"$iothub/methods/res/{status}/?$rid={rid}", body)


@pytest.mark.parametrize("name", ["a", "component*command", "x-y_z.1!#%&'*+^`|~",
                                  "m" * 100])
def test_method_names(device, rest, name):
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe(REQUESTS)
        pending = pool.submit(rest.invoke, device.device_id, name)
        request = connection.expect_publish()
        assert unquote(request.topic.split("/")[3]) == name
        answer_raw(connection, request, 200, b"1")
        assert pending.result(10).json()["payload"] == 1


@pytest.mark.parametrize("name", [
    "", "a b", "a/b", "a@b", "a(b", "ü", "a\x00", "{x}", "a\"b", None, 1])
def test_bad_method_names_are_refused(device, rest, name):
    check_error(rest.invoke(device.device_id, name), 400)


# Time-outs


@pytest.mark.slow
def test_no_answer_is_504(device, rest):
    with device.connect() as connection:
        connection.subscribe(REQUESTS)
        begun = time.monotonic()
        answer = rest.invoke(device.device_id, "silence", response=5)
        took = time.monotonic() - begun
    check_error(answer, 504, "GatewayTimeout", shape=3)
    assert inner_error(answer)["errorCode"] == 504101
    assert "Timed out waiting for the response from device." in inner_error(answer)["message"]
    assert 4.9 < took < 7


def test_a_late_answer_is_dropped(device, rest):
    with device.connect() as connection:
        connection.subscribe(REQUESTS)
        assert rest.invoke(device.device_id, "late", response=5).status_code == 504
        request = connection.expect_publish()
        for _ in range(2):
            answer_raw(connection, request, 200, b"1")
        connection.expect_silence(0.2)


def test_offline_is_404103_at_once(device, rest):
    begun = time.monotonic()
    answer = rest.invoke(device.device_id, "m")
    assert time.monotonic() - begun < 2
    check_error(answer, 404, "DeviceNotOnline", shape=3)
    body = inner_error(answer)
    assert body["errorCode"] == 404103 and body["trackingId"] and body["info"] == {}


def test_online_without_subscription_is_404103(device, rest):
    with device.connect(clean=True):
        answer = rest.invoke(device.device_id, "m")
    check_error(answer, 404, "DeviceNotOnline", shape=3)


def test_unknown_device_is_404001(rest):
    check_error(rest.invoke("nobody-at-all", "m"), 404, "DeviceNotFound", shape=1)


def test_connect_timeout_waits_for_connection_and_subscription(device, rest):
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(rest.invoke, device.device_id, "wake", {"a": 1}, 15, 10)
        with device.connect(clean=True) as connection:
            connection.ping()
            assert not pending.done()
            connection.subscribe(REQUESTS)
            request = connection.expect_publish()
            assert json.loads(request.payload) == {"a": 1}
            answer_raw(connection, request, 200, b'"up"')
            assert pending.result(10).json() == {"status": 200, "payload": "up"}


def test_connect_timeout_passes(device, rest):
    begun = time.monotonic()
    answer = rest.invoke(device.device_id, "m", response=6, connect=2)
    check_error(answer, 404, "DeviceNotOnline", shape=3)
    assert 1.9 < time.monotonic() - begun < 4


def test_response_timeout_is_the_total(device, rest):
    """A late connection leaves only the rest of the response time-out."""
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        pending = pool.submit(rest.invoke, device.device_id, "m", None, 5, 5)
        wait_until(lambda: time.monotonic() - begun > 2, 5, "two seconds of waiting")
        with device.connect(clean=True) as connection:
            connection.subscribe(REQUESTS)
            connection.expect_publish()
            check_error(pending.result(10), 504, "GatewayTimeout", shape=3)
            assert time.monotonic() - begun < 6.5


@pytest.mark.parametrize("response, connect", [
    (4, 0), (301, 0), (0, 0), (-1, 0), (30, -1), (300, 301), (10, 11), ("x", 0), (5.5, 0),
    (30, "x"), (10**30, 0)])
def test_bad_timeouts_are_400(device, rest, response, connect):
    check_error(rest.invoke(device.device_id, "m", response=response, connect=connect), 400)


def test_largest_payload_both_ways_and_one_byte_more(device, rest):
    largest = "x" * (131_072 - 2)
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe(REQUESTS)
        pending = pool.submit(rest.invoke, device.device_id, "big", largest)
        request = connection.expect_publish()
        assert json.loads(request.payload) == largest
        answer_raw(connection, request, 200, request.payload)
        assert pending.result(10).json()["payload"] == largest
    answer = rest.invoke(device.device_id, "big", largest + "x")
    assert answer.status_code in (400, 413)
    check_error(answer, answer.status_code)


def test_disconnect_fails_pending_calls_at_once(device, rest):
    with ThreadPoolExecutor(3) as pool:
        connection = device.connect()
        connection.subscribe(REQUESTS)
        pending = [pool.submit(rest.another().invoke, device.device_id, f"m{number}", None, 30)
                   for number in range(3)]
        for _ in pending:
            connection.expect_publish()
        connection.abort()
        begun = time.monotonic()
        for call in pending:
            check_error(call.result(10), 404, "DeviceNotOnline", shape=3)
        assert time.monotonic() - begun < 5


def test_unsubscribing_fails_pending_calls_at_once(device, rest):
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe(REQUESTS)
        pending = pool.submit(rest.invoke, device.device_id, "m", None, 30)
        connection.expect_publish()
        begun = time.monotonic()
        connection.send(unsubscribe_packet(7, REQUESTS))
        connection.expect(UNSUBACK)
        check_error(pending.result(10), 404, "DeviceNotOnline", shape=3)
        assert time.monotonic() - begun < 5


def test_a_method_that_was_not_subscribed_to_is_offline(device, rest):
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe("$iothub/methods/POST/known/#")
        begun = time.monotonic()
        check_error(rest.invoke(device.device_id, "other", None, 30), 404, "DeviceNotOnline", shape=3)
        assert time.monotonic() - begun < 5
        waiting = pool.submit(rest.invoke, device.device_id, "other", None, 30, 20)
        connection.ping()
        connection.subscribe("$iothub/methods/POST/other/#")
        answer_raw(connection, connection.expect_publish(), 200, b"1")
        assert waiting.result(10).json() == {"status": 200, "payload": 1}


@pytest.mark.parametrize("status, body", [("abc", b"{}"), ("200", b"{broken"), ("2e2", b"1")])
def test_a_malformed_answer_fails_the_call(device, rest, status, body):
    with device.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.subscribe(REQUESTS)
        pending = pool.submit(rest.invoke, device.device_id, "m", None, 6)
        answer_raw(connection, connection.expect_publish(), status, body)
        check_error(pending.result(12), 400)
        connection.ping()


def test_an_answer_to_somebody_elses_request_is_dropped(identities, rest):
    first, second = identities.device(), identities.device()
    with first.connect() as good, second.connect() as evil, ThreadPoolExecutor(1) as pool:
        for connection in (good, evil):
            connection.subscribe(REQUESTS)
        pending = pool.submit(rest.invoke, first.device_id, "m")
        request = good.expect_publish()
        answer_raw(evil, request, 200, b'"stolen"')
        evil.ping()
        assert not pending.done()
        answer_raw(good, request, 200, b'"mine"')
        assert pending.result(10).json()["payload"] == "mine"


def test_calls_to_one_device_arrive_in_order_and_once(stock, device, rest):
    client, names, lock = stock.connect(device), [], threading.Lock()

    def handle(request):
        with lock:
            names.append(request.name)
        client.send_method_response(
            MethodResponse.create_from_method_request(request, 200, {"n": request.name}))

    client.on_method_request_received = handle
    for number in range(20):
        assert rest.invoke(device.device_id, f"m{number}").json()["payload"] == {
            "n": f"m{number}"}
    assert names == [f"m{number}" for number in range(20)]
