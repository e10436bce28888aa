"""Twins from both sides (contract 3.6 and 7.5)."""

import json
import queue
import uuid

import pytest
from azure.iot.device import exceptions

from mqtt_wire import PUBLISH, SUBACK, publish_packet, subscribe_packet
from rest import check_error

DESIRED = "$iothub/twin/PATCH/properties/desired/#"
RESULTS = "$iothub/twin/res/#"


def patches_of(client):
    """A queue of the desired patches that the stock client hands to the application."""
    arrived = queue.Queue()
    client.on_twin_desired_properties_patch_received = arrived.put
    return arrived


def test_new_twin_has_both_sections(stock, device):
    twin = stock.connect(device).get_twin()
    assert twin == {"desired": {"$version": 1}, "reported": {"$version": 1}}


def test_reported_patch_reaches_the_service(stock, device, rest):
    client = stock.connect(device)
    client.patch_twin_reported_properties({
        "string": "Größe ✓", "integer": 1, "real": 1.5, "yes": True, "list": [1, "a", {"b": 2}],
        "nested": {"a": {"b": {"c": "deep"}}}, "gone": "soon"})
    client.patch_twin_reported_properties({
        "gone": None, "nested": {"a": {"b": {"c": None, "d": 1}}}, "list": [2]})
    reported = rest.twin(device.device_id)["properties"]["reported"]
    metadata, version = reported.pop("$metadata"), reported.pop("$version")
    assert reported == {
        "string": "Größe ✓", "integer": 1, "real": 1.5, "yes": True, "list": [2],
        "nested": {"a": {"b": {"d": 1}}}}
    assert version == 3
    assert metadata["nested"]["a"]["b"]["d"]["$lastUpdated"] >= "2020"
    twin = client.get_twin()
    assert twin["reported"]["$version"] == 3 and "$metadata" not in json.dumps(twin)


def test_a_large_patch_is_not_overtaken(rest, device):
    """Large documents are not parsed where small ones are."""
    large = {f"s{number}": "x" * 4000 for number in range(6)}
    with device.connect() as connection:
        connection.subscribe(RESULTS)
        for round_ in range(1, 6):
            patches = [large, {"s0": None}, {"s0": "small", "n": round_}, {"s1": None}]
            data = b"".join(
                publish_packet(f"$iothub/twin/PATCH/properties/reported/?$rid={number}",
                               json.dumps(patch).encode(), qos=0)
                for number, patch in enumerate(patches))
            connection.send(data + publish_packet("$iothub/twin/GET/?$rid=get", b"", qos=0))
            answers = [connection.expect_publish() for _ in range(5)]
            assert [answer.topic.split("rid=")[1].split("&")[0] for answer in answers] == [
                "0", "1", "2", "3", "get"]
            assert all("/204/" in answer.topic for answer in answers[:4]), answers
            reported = json.loads(answers[4].payload)["reported"]
            assert reported["s0"] == "small" and reported["n"] == round_ and "s1" not in reported
            assert reported["$version"] == 1 + 4 * round_


def test_numbers_round_trip_verbatim(rest, device):
    path = f"/twins/{device.device_id}"
    rest.call("PATCH", path, data=b'{"properties":{"desired":{"a":1,"b":1.0,"c":1.10,"d":-0.5}}}',
              headers={"Content-Type": "application/json"}, expect=200)
    text = rest.call("GET", path).text.replace(" ", "")
    for part in ('"a":1,', '"b":1.0,', '"c":1.10,', '"d":-0.5'):
        assert part in text
    with device.connect() as connection:
        connection.subscribe(RESULTS)
        _, body = connection.get_twin()
    assert b'"b":1.0' in body.replace(b" ", b"")


def test_desired_patches_reach_the_device_in_order(stock, device, rest):
    client = stock.connect(device)
    arrived = patches_of(client)
    for number in range(1, 6):
        desired = {"n": number, "o": {"p": 1}}
        rest.patch_twin(device.device_id, {"properties": {"desired": desired}})
        patch = arrived.get(timeout=5)
        assert patch == {"n": number, "o": {"p": 1}, "$version": number + 1}


def test_nulls_reach_the_device_and_delete(stock, device, rest):
    client = stock.connect(device)
    rest.patch_twin(device.device_id, {"properties": {"desired": {"a": 1, "o": {"x": 1, "y": 2}}}})
    arrived = patches_of(client)
    rest.patch_twin(device.device_id, {"properties": {"desired": {"a": None, "o": {"x": None}}}})
    assert arrived.get(timeout=5) == {"a": None, "o": {"x": None}, "$version": 3}
    assert client.get_twin()["desired"] == {"o": {"y": 2}, "$version": 3}


def test_full_replacement_sends_the_whole_section(stock, device, rest):
    client = stock.connect(device)
    rest.patch_twin(device.device_id, {"properties": {"desired": {"old": 1}}, "tags": {"t": 1}})
    arrived = patches_of(client)
    rest.call("PUT", f"/twins/{device.device_id}", expect=200,
              json={"properties": {"desired": {"new": {"a": [1]}}}})
    assert arrived.get(timeout=5) == {"new": {"a": [1]}, "$version": 3}
    twin = rest.twin(device.device_id)
    assert twin["tags"] == {}
    assert client.get_twin()["desired"] == {"new": {"a": [1]}, "$version": 3}


def test_tags_alone_are_not_sent_to_the_device(device, rest):
    with device.connect() as connection:
        connection.subscribe(DESIRED)
        rest.patch_twin(device.device_id, {"tags": {"floor": 3}})
        connection.expect_silence()


def test_missed_patches_are_caught_up_after_reconnecting(stock, device, rest):
    client = stock.connect(device)
    arrived = patches_of(client)
    client.get_twin()
    client.disconnect()
    for number in range(3):
        rest.patch_twin(device.device_id, {"properties": {"desired": {"n": number}}})
    client.connect()
    assert arrived.get(timeout=10) == {"n": 2, "$version": 4}
    rest.patch_twin(device.device_id, {"properties": {"desired": {"n": 9}}})
    assert arrived.get(timeout=5) == {"n": 9, "$version": 5}


def test_desired_changes_are_never_queued(device, rest):
    with device.connect(clean=False) as connection:
        connection.subscribe(DESIRED)
        connection.disconnect()
    rest.patch_twin(device.device_id, {"properties": {"desired": {"n": 1}}})
    with device.connect(clean=False) as connection:
        assert connection.session_present
        connection.expect_silence()
        rest.patch_twin(device.device_id, {"properties": {"desired": {"n": 2}}})
        got = connection.expect_publish()
        assert got.topic == "$iothub/twin/PATCH/properties/desired/?$version=3"
        assert json.loads(got.payload) == {"n": 2, "$version": 3}


def test_module_twins_are_separate(stock, identities, device, rest):
    module = identities.module(device)
    client = stock.connect(module)
    arrived = patches_of(client)
    rest.patch_twin(device.device_id, {"properties": {"desired": {"for": "device"}}})
    rest.patch_twin(device.device_id, {"properties": {"desired": {"for": "module"}}}, "m1")
    assert arrived.get(timeout=5) == {"for": "module", "$version": 2}
    client.patch_twin_reported_properties({"from": "module"})
    assert rest.twin(device.device_id, "m1")["properties"]["reported"]["from"] == "module"
    assert "from" not in rest.twin(device.device_id)["properties"]["reported"]


def test_unacceptable_reported_patch_is_a_service_error(stock, device):
    client = stock.connect(device)
    for patch in ({"a.b": 1}, {"x": "v" * 4097}, {"$bad": 1}):
        # The stock client hides what the service said behind "Unexpected failure".
        with pytest.raises(exceptions.ClientError) as caught:
            client.patch_twin_reported_properties(patch)
        assert "status 400" in str(caught.value.__cause__)
    client.patch_twin_reported_properties({"fine": 1})
    assert client.get_twin()["reported"] == {"fine": 1, "$version": 2}


# The raw protocol


@pytest.fixture
def twin_connection(device):
    with device.connect() as connection:
        connection.subscribe(RESULTS)
        yield connection


def patch_reported(connection, body, rid="r1", query=""):
    connection.publish(f"$iothub/twin/PATCH/properties/reported/?$rid={rid}{query}", body)
    answer = connection.expect_publish()
    return answer.topic, answer.payload


def test_reported_patch_answers_204_with_the_new_version(twin_connection):
    topic, payload = patch_reported(twin_connection, b'{"a":1}')
    assert topic == "$iothub/twin/res/204/?$rid=r1&$version=2" and payload == b""
    assert patch_reported(twin_connection, b"{}", "r2")[0].startswith("$iothub/twin/res/204/")


@pytest.mark.parametrize("rid", ["1", "a%20b", "%C3%BC%2f", "x" * 200, "-._~"])
def test_rid_is_echoed_byte_for_byte(twin_connection, rid):
    status, body = twin_connection.get_twin(rid)
    assert status == 200 and json.loads(body)["desired"]["$version"] == 1


@pytest.mark.parametrize("body", [
    b"", b"[]", b"1", b'"a"', b"null", b"{", b'{"a":}', b'{"a":1}x', b'{"a":1,"a":', b"\xff",
    b'{"a":[null]}', b'{"a.b":1}', b'{"a b":1}', b'{"$x":1}', b'{"a#":1}', b'{"":1}',
    b'{"a":9007199254740993}', b'{"a":"' + b"x" * 4097 + b'"}',
    b'{"' + b"k" * 1025 + b'":1}', b'{"a":' * 12 + b"1" + b"}" * 12,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
], ids=lambda body: repr(body[:12]) + f"-{len(body)}")
def test_bad_reported_patches_answer_400_and_change_nothing(twin_connection, body):
    topic, payload = patch_reported(twin_connection, body)
    assert topic.startswith("$iothub/twin/res/400/?$rid=r1"), (topic, payload)
    error = json.loads(payload)
    assert "errorCode" in error or "Message" in error
    assert json.loads(twin_connection.get_twin("r2")[1])["reported"] == {"$version": 1}


def test_reported_section_over_32_kib_is_refused(twin_connection):
    values = {f"k{number:02}": "x" * 4000 for number in range(8)}
    assert "/res/204/" in patch_reported(twin_connection, json.dumps(values).encode())[0]
    topic, _ = patch_reported(twin_connection, json.dumps({"more": "x" * 1000}).encode(), "r2")
    assert topic.split("/")[3] in ("400", "413")


def test_stale_version_condition_answers_412(twin_connection):
    assert "/res/204/" in patch_reported(twin_connection, b'{"a":1}', query="&$version=1")[0]
    assert "/res/412/" in patch_reported(twin_connection, b'{"a":2}', query="&$version=1")[0]


def test_without_the_subscription_no_answer_comes(device):
    with device.connect(clean=True) as connection:
        connection.publish("$iothub/twin/GET/?$rid=1", b"")
        connection.expect_silence()


def test_parallel_reported_patches_all_count(twin_connection, device, rest):
    twin_connection.send(b"".join(
        publish_packet(f"$iothub/twin/PATCH/properties/reported/?$rid={number}",
                       json.dumps({f"k{number}": number}).encode(), identifier=number)
        for number in range(1, 51)))
    versions, acknowledged = [], 0
    while len(versions) < 50 or acknowledged < 50:
        got = twin_connection.read(10)
        if got.kind == PUBLISH:
            versions.append(int(got.publish().topic.rsplit("=", 1)[1]))
        else:
            acknowledged += 1
    assert sorted(versions) == list(range(2, 52))
    reported = rest.twin(device.device_id)["properties"]["reported"]
    assert all(reported[f"k{number}"] == number for number in range(1, 51))


# The service side


def test_etag_guards_the_service_side(rest, device):
    path = f"/twins/{device.device_id}"
    answer = rest.call("GET", path, expect=200)
    etag = answer.json()["etag"]
    assert answer.headers["ETag"] == f'"{etag}"'
    changed = rest.call("PATCH", path, json={"tags": {"a": 1}}, headers={"If-Match": f'"{etag}"'},
                        expect=200).json()
    assert changed["etag"] != etag
    stale = rest.call("PATCH", path, json={"tags": {"a": 2}}, headers={"If-Match": f'"{etag}"'})
    check_error(stale, 412, "PreconditionFailed")
    for form in ('"{}"', "{}", 'W/"{}"', "*"):
        current = rest.twin(device.device_id)["etag"]
        rest.call("PATCH", path, json={"tags": {"form": form}}, expect=200,
                  headers={"If-Match": form.format(current)})


def test_reported_writes_leave_the_etag(rest, device, twin_connection):
    before = rest.twin(device.device_id)
    patch_reported(twin_connection, b'{"a":1}')
    after = rest.twin(device.device_id)
    assert after["etag"] == before["etag"] and after["deviceEtag"] == before["deviceEtag"]


def test_a_twin_that_was_read_can_be_sent_back(rest, device):
    rest.patch_twin(device.device_id, {"tags": {"a": 1}, "properties": {"desired": {"b": 2}}})
    whole = rest.twin(device.device_id)
    whole["tags"]["a"] = 3
    for method in ("PATCH", "PUT"):
        answer = rest.call(method, f"/twins/{device.device_id}", json=whole, expect=200).json()
        assert answer["tags"] == {"a": 3} and answer["properties"]["desired"]["b"] == 2
        assert answer["properties"]["reported"] == whole["properties"]["reported"]


@pytest.mark.parametrize("patch", [
    {"tags": []}, {"tags": {"a.b": 1}}, {"properties": {"desired": 1}},
    {"tags": {"x": "v" * 4097}}, {"properties": {"desired": {"a": [None]}}},
    {"properties": {"desired": {"n": 4503599627370497}}},
    {"tags": {f"k{n}": "x" * 4000 for n in range(3)}},
], ids=lambda patch: json.dumps(patch)[:40])
def test_bad_service_patches_are_refused(rest, device, patch):
    check_error(rest.call("PATCH", f"/twins/{device.device_id}", json=patch), 400)
    twin = rest.twin(device.device_id)
    assert twin["tags"] == {} and twin["properties"]["desired"]["$version"] == 1


def test_limits_are_met_exactly(rest, device):
    rest.patch_twin(device.device_id, {"tags": {"s": "v" * 4096}, "properties": {"desired": {
        "n": 4503599627370495, "m": -4503599627370496, "k" * 1024: 1}}})


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT"])
@pytest.mark.parametrize("path", ["/twins/nobody-here", "/twins/{d}/modules/nobody"])
def test_unknown_twins_are_404001(rest, device, method, path):
    body = {} if method == "GET" else {"json": {"tags": {}}}
    answer = rest.call(method, path.format(d=device.device_id), **body)
    check_error(answer, 404, "DeviceNotFound")


def test_subscriptions_that_overlap_are_all_kept(device, rest):
    """A SUBSCRIBE that comes between the answers to two earlier ones forgets neither of them."""
    desired = "$iothub/twin/PATCH/properties/desired/#"
    for _ in range(20):
        device.connect(clean=True).disconnect()
        connection = device.connect()
        first, second, third = (connection.next_identifier() for _ in range(3))
        connection.send(
            subscribe_packet(first, ("$iothub/twin/res/#", 1)) + subscribe_packet(second, (desired, 1)))
        connection.expect(SUBACK)
        connection.send(subscribe_packet(third, ("$iothub/methods/POST/#", 1)))
        connection.expect(SUBACK)
        connection.expect(SUBACK)
        connection.disconnect()
        with device.connect() as connection:
            assert connection.session_present
            rest.patch_twin(device.device_id, {"properties": {"desired": {"now": str(uuid.uuid4())}}})
            assert connection.expect_publish().topic.startswith(desired.removesuffix("#"))
