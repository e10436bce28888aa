"""Legal but rarely used: what a client may do although few ever do (contract 3, 5)."""

import queue
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import paho.mqtt.client as paho
import pytest
from azure.iot.device import Message, MethodResponse
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from events import json_of
from mqtt_wire import (
    PUBACK, UNSUBACK, c2d_filter, publish_packet, telemetry_topic, unsubscribe_packet,
)
from rest import Rest, segment
from test_cloud_to_device import Feedback, inbox
from waiting import wait_until


# Modules


def test_twenty_modules_of_one_device_at_once(stock, identities, device, rest, events):
    """Each has its own connection, twin and methods; inputs and commands are none of the hub's."""
    arrived = inbox(stock.connect(device))
    clients = {}
    for number in range(20):
        module = identities.module(device, f"m{number}")
        client = clients[module.module_id] = stock.connect(module)
        client.inputs, client.patches = [], queue.Queue()
        client.on_message_received = client.inputs.append
        client.on_twin_desired_properties_patch_received = client.patches.put

        def answer(request, client=client, name=module.module_id):
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 200, {"I am": name}))

        client.on_method_request_received = answer

    def use(name):
        client = clients[name]
        client.send_message(f'{{"from":"{name}"}}')
        client.send_message_to_output(Message(f'{{"out":"{name}"}}'), "out")
        client.patch_twin_reported_properties({"name": name})
        rest.another().patch_twin(
            device.device_id, {"properties": {"desired": {"for": name}}}, name)
        called = rest.another().invoke(device.device_id, "who", module_id=name).json()
        return called["payload"], client.patches.get(timeout=5)["for"], client.get_twin()

    with ThreadPoolExecutor(4) as pool:
        results = dict(zip(clients, pool.map(use, clients)))
    for name, (payload, wanted, twin) in results.items():
        assert payload == {"I am": name} and wanted == name
        assert twin["desired"]["for"] == name and twin["reported"]["name"] == name
    got = [json_of(event) for event in events.wait_for(40, device=device.device_id)]
    assert sorted(str(body) for body in got) == sorted(
        str(body) for name in clients for body in ({"from": name}, {"out": name}))
    rest.send_c2d(device.device_id, b"for the device alone")
    assert arrived.get(timeout=5).data == b"for the device alone"
    assert [client.inputs for client in clients.values()] == [[]] * 20


@pytest.mark.parametrize("tail, code", [
    ("inputs/#", 1), ("#", 1), ("inputs/in1", 0x80), ("inputs/+/#", 0x80),
    ("messages/devicebound/#", 0x80), ("messages/events/#", 0x80), ("", 0x80)])
def test_what_a_module_may_subscribe_to(identities, device, tail, code):
    module = identities.module(device)
    with module.connect() as connection:
        base = f"devices/{device.device_id}/modules/m1/"
        assert connection.subscribe(base + tail) == [code]
        # Those of the device and of another module are nobody else's.
        assert connection.subscribe(c2d_filter(device.device_id)) == [0x80]
        assert connection.subscribe(f"devices/{device.device_id}/modules/m2/#") == [0x80]


def test_a_modules_wildcard_takes_no_methods_and_no_twin(identities, device, rest):
    """What stock C# modules ask for is their inputs, not everything that is theirs."""
    module = identities.module(device)
    with module.connect() as connection:
        assert connection.subscribe(f"devices/{device.device_id}/modules/m1/#") == [1]
        rest.patch_twin(device.device_id, {"properties": {"desired": {"a": 1}}}, "m1")
        answer = rest.invoke(device.device_id, "x", module_id="m1")
        assert answer.headers["iothub-errorcode"] == "DeviceNotOnline"
        connection.expect_silence()


# Sessions


def test_subscribing_again_changes_the_quality_and_doubles_nothing(device, rest):
    with device.connect() as connection:
        for quality in (1, 0, 1, 2):
            assert connection.subscribe((c2d_filter(device.device_id), quality)) == [min(quality, 1)]
            rest.send_c2d(device.device_id, f"q{quality}".encode())
            got = connection.expect_publish()
            assert (got.payload, got.qos) == (f"q{quality}".encode(), min(quality, 1))
            connection.expect_silence(0.2)


def test_subscribing_again_while_messages_are_unacknowledged(device, rest):
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        for number in range(20):
            rest.send_c2d(device.device_id, str(number).encode())
        got = [connection.expect_publish(acknowledge=False) for _ in range(16)]
        assert connection.subscribe(c2d_filter(device.device_id)) == [1]
        connection.expect_silence(0.3)
        for publish in got:
            connection.send(b"\x40\x02" + publish.identifier.to_bytes(2, "big"))
        got += [connection.expect_publish() for _ in range(4)]
        assert [int(publish.payload) for publish in got] == list(range(20))
        connection.expect_silence(0.2)


def test_unsubscribing_while_messages_are_unacknowledged(device, rest):
    """What was sent stays the client's; what comes later waits for the next subscription."""
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        for body in (b"1", b"2"):
            rest.send_c2d(device.device_id, body)
        first, _ = (connection.expect_publish(acknowledge=False) for _ in range(2))
        connection.send(unsubscribe_packet(9, c2d_filter(device.device_id)))
        connection.expect(UNSUBACK)
        rest.send_c2d(device.device_id, b"3")
        connection.expect_silence(0.3)
        connection.send(b"\x40\x02" + first.identifier.to_bytes(2, "big"))
        connection.expect_silence(0.3)
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"3"
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"2", "it was never acknowledged"


def test_a_packet_identifier_may_be_used_again_at_once(device, events):
    with device.connect() as connection:
        topic = telemetry_topic(device.device_id)
        connection.send(b"".join(
            publish_packet(topic, str(number).encode(), identifier=7) for number in range(100)))
        for _ in range(100):
            assert connection.expect(PUBACK).body == b"\0\7"
    got = events.wait_for(100, device=device.device_id)
    assert [json_of(event) for event in got] == list(range(100))


def test_twin_requests_of_quality_0(device):
    with device.connect() as connection:
        connection.subscribe(("$iothub/twin/res/#", 0))
        connection.send(publish_packet("$iothub/twin/GET/?$rid=a%20b", qos=0))
        got = connection.expect_publish()
        assert (got.qos, got.topic) == (0, "$iothub/twin/res/200/?$rid=a%20b")
        topic = "$iothub/twin/PATCH/properties/reported/?$rid=2"
        connection.send(publish_packet(topic, b'{"a":1}', qos=0))
        assert connection.expect_publish().topic == "$iothub/twin/res/204/?$rid=2&$version=2"


def test_property_names_that_need_escaping_both_ways(stock, device, rest, events):
    client = stock.connect(device)
    message = Message(b"\x00\xff")
    message.custom_properties.update(
        {"a=b": "c&d", "ü/ö": "%2F", " ": " ", "$x": "y", "plus+": "1+1", "empty": "", "q?": "?"})
    message.message_id, message.correlation_id = "id with blank/and#+", "ü"
    client.send_message(message)
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"] == message.custom_properties
    assert event["properties"]["message-id"] == message.message_id
    assert event["properties"]["correlation-id"] == "ü"
    arrived, odd = inbox(client), {"a!#$%&'*+-.^_`|~z": "v=1&2/3?#%41"}
    rest.send_c2d(device.device_id, b"x", app=odd)
    assert arrived.get(timeout=5).custom_properties == odd


def test_stock_client_turns_its_receivers_off_and_on(stock, device, rest):
    client = stock.connect(device)
    for turn in range(5):
        arrived = inbox(client)
        rest.send_c2d(device.device_id, f"turn {turn}".encode())
        assert arrived.get(timeout=5).data == f"turn {turn}".encode()
        client.on_message_received = None
        client.get_twin()  # Whatever the client had to say before has been said.
        rest.send_c2d(device.device_id, f"between {turn}".encode())
        again = inbox(client)
        assert again.get(timeout=5).data == f"between {turn}".encode()


def test_lasting_then_clean_then_lasting_session(device, rest):
    with device.connect(clean=False) as first:
        assert not first.session_present
        first.subscribe(c2d_filter(device.device_id))
        first.disconnect()
    with device.connect(clean=False) as second:
        assert second.session_present
        second.disconnect()
    with device.connect(clean=True) as third:
        assert not third.session_present
        third.subscribe(c2d_filter(device.device_id))
        third.disconnect()
    rest.send_c2d(device.device_id, b"waits")
    with device.connect(clean=False) as fourth:
        assert not fourth.session_present, "a clean session leaves nothing behind"
        fourth.expect_silence(0.3)
        fourth.subscribe(c2d_filter(device.device_id))
        assert fourth.expect_publish().payload == b"waits"


def test_a_retained_will_is_an_event_with_both_marks(device, events):
    will = (telemetry_topic(device.device_id, why="lost"), b"will", 1, True)
    connection = device.connect(will=will)
    connection.abort()
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"] == {
        "why": "lost", "mqtt-retain": "true", "iothub-MessageType": "Will"}


def test_quality_0_in_a_burst_before_disconnect(device, events):
    """DISCONNECT is no reason to forget what came before it in the same write."""
    connection = device.connect()
    topic = telemetry_topic(device.device_id)
    burst = b"".join(publish_packet(topic, str(number).encode(), qos=0) for number in range(500))
    connection.send(burst + b"\xe0\x00")
    got = events.wait_for(500, device=device.device_id)
    assert [json_of(event) for event in got] == list(range(500))
    connection.abort()


# Tokens and take-overs


def test_a_storm_of_token_renewals_loses_nothing(stock, device, rest, events):
    client = stock.connect(device, token=device.token(ttl=600))
    commands = []
    client.on_message_received = lambda message: commands.append(int(message.data))
    for number in range(20):
        client.update_sastoken(device.token(ttl=600 + number))
        rest.send_c2d(device.device_id, str(number).encode())
        client.send_message(f'{{"number":{number}}}')
    wait_until(lambda: len(set(commands)) == 20, 10, f"all commands: {commands}")
    assert list(dict.fromkeys(commands)) == list(range(20))
    got = [json_of(event)["number"] for event in events.wait_for(20, device=device.device_id)]
    assert sorted(set(got)) == list(range(20))
    assert rest.device(device.device_id)["connectionState"] == "Connected"


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_two_stock_clients_that_fight_for_one_identity(stock, device, rest, events, unharmed):
    first, second = stock.connect(device), stock.connect(device)
    states = []
    for client in (first, second):
        client.on_connection_state_change = lambda: states.append(time.monotonic())
    wait_until(lambda: len(states) >= 6, 20, "they take the identity from each other")
    second.shutdown()
    first.connect()
    commands = inbox(first)
    first.send_message('{"winner":1}')
    event, = events.wait_for(1, device=device.device_id)
    assert json_of(event) == {"winner": 1}
    rest.send_c2d(device.device_id, b"you")
    assert commands.get(timeout=5).data == b"you"


# Twins


def nested(levels, leaf):
    for _ in range(levels):
        leaf = {"l": leaf}
    return leaf


def test_twin_values_of_every_shape_there_and_back(stock, device, rest):
    client = stock.connect(device)
    shapes = {
        "list": [1, "two", [3, [4, {"five": [6]}]], {"seven": {}}], "empty": [], "object": {},
        "deep": nested(8, "bottom"), "text": "Größe ✓ \U0001f680", "blank": "", "zero": 0,
        "largest": 4503599627370495, "smallest": -4503599627370496, "tiny": 1e-9, "no": False,
        "odd": {"_-+%!?": 1}, "é": "key",
    }
    client.patch_twin_reported_properties(shapes)
    reported = rest.twin(device.device_id)["properties"]["reported"]
    assert {key: reported[key] for key in shapes} == shapes
    patches = queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    rest.patch_twin(device.device_id, {"properties": {"desired": shapes}})
    got = patches.get(timeout=5)
    assert {key: got[key] for key in shapes} == shapes
    # Arrays go as a whole, null deletes at any depth, what was a scalar may become an object.
    change = {"list": [0], "deep": nested(8, None), "zero": {"now": "object"},
              "odd": None, "never": None, "object": {"gone": None, "new": {"er": []}}}
    client.patch_twin_reported_properties(change)
    reported = client.get_twin()["reported"]
    assert reported["list"] == [0] and reported["deep"] == nested(7, {})
    assert reported["zero"] == {"now": "object"} and reported["object"] == {"new": {"er": []}}
    assert "odd" not in reported and "never" not in reported


def test_replacing_a_twin_by_the_stock_service_client(stock, hub, device):
    client, patches = stock.connect(device), queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    manager = IoTHubRegistryManager.from_connection_string(hub.connection_string())
    for number in range(3):
        manager.replace_twin(device.device_id, Twin(
            tags={"n": number}, properties=TwinProperties(desired={f"only-{number}": [number]})))
        got = patches.get(timeout=5)
        assert got[f"only-{number}"] == [number]
        assert [key for key in client.get_twin()["desired"] if not key.startswith("$")] == [
            f"only-{number}"]


# Device HTTPS


class HTTPSDevice:
    """A device that takes its messages over HTTPS."""

    def __init__(self, device):
        self.rest = Rest(device.hub.base, device.hub.host, device.hub.ca_path, None, device.key,
                         device.hub.note_secret)
        self.token = device.token()
        self.path = f"/devices/{segment(device.device_id)}/messages/deviceBound"

    def call(self, method, tail="", **options):
        return self.rest.call(method, self.path + tail, token=self.token, **options)

    def take(self, **headers):
        answer = self.call("GET", headers=headers, expect={200, 204})
        return answer if answer.status_code == 200 else None

    def settle(self, taken, how):
        lock = taken.headers["ETag"].strip('"')
        if how == "abandon":
            return self.call("POST", f"/{lock}/abandon", expect=204)
        return self.call("DELETE", f"/{lock}", params={"reject": ""} if how == "reject" else None,
                         expect=204)


@pytest.mark.parametrize("outcome, status", [("complete", "Success"), ("reject", "Rejected")])
def test_feedback_of_each_ack_mode_over_https(device, rest, hub, outcome, status):
    receiver, feedback = HTTPSDevice(device), Feedback(hub.rest("service"))
    names = {}
    for ack in ("none", "positive", "negative", "full"):
        names[ack] = f"{ack}-{uuid.uuid4()}"
        rest.send_c2d(device.device_id, ack.encode(), messageid=names[ack], ack=ack)
        taken = receiver.take()
        assert taken.content == ack.encode() and taken.headers["iothub-ack"] == ack
        receiver.settle(taken, "abandon")
        again = receiver.take()
        assert again.headers["iothub-deliverycount"] == "2"
        receiver.settle(again, outcome)
    wanted = {"full", "positive" if outcome == "complete" else "negative"}
    for ack in wanted:
        assert feedback.wait_for(names[ack])["statusCode"] == status
    assert {ack for ack in names if feedback.has(names[ack])} == wanted
    assert receiver.take() is None


def test_the_lock_time_that_a_device_asks_for(device, rest):
    receiver = HTTPSDevice(device)
    rest.send_c2d(device.device_id, b"x")
    for wrong in ("4", "301", "soon", "-5"):
        answer = receiver.call("GET", headers={"IotHub-MessageLockTimeout": wrong})
        assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "ArgumentInvalid")
    begun = time.monotonic()
    first = receiver.take(**{"IotHub-MessageLockTimeout": "5"})
    assert first.headers["iothub-deliverycount"] == "1"
    assert receiver.take() is None, "it is held"
    second = wait_until(receiver.take, 10, "the lock ends", interval=0.2)
    assert 4.5 < time.monotonic() - begun < 8
    assert second.headers["iothub-deliverycount"] == "2"
    late = receiver.call("DELETE", "/" + first.headers["ETag"].strip('"'))
    assert late.headers["iothub-errorcode"] == "DeviceMessageLockLost"
    receiver.settle(second, "complete")


def test_https_and_mqtt_share_one_queue(device, rest):
    receiver = HTTPSDevice(device)
    for body in (b"a", b"b"):
        rest.send_c2d(device.device_id, body)
    held = receiver.take()
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"b"
        receiver.settle(held, "abandon")
        assert connection.expect_publish().payload == b"a"
    assert receiver.take() is None


# WebSocket


@pytest.mark.parametrize("path", [
    "/$iothub/websocket?iothub-no-client-cert=true", "/$iothub/websocket/?a=b&c",
    "/%24iothub/websocket", "/mqtt?api-version=2021-04-12"])
def test_paho_over_websocket_with_a_query(hub, device, events, path):
    made = paho.Client(device.client_id, clean_session=False, protocol=paho.MQTTv311,
                       transport="websockets")
    made.username_pw_set(device.username(), device.token())
    made.tls_set(ca_certs=hub.ca_path)
    made.ws_set_options(path=path)
    connected = threading.Event()
    made.on_connect = lambda *_: connected.set()
    made.connect(hub.host, hub.https_port)
    made.loop_start()
    try:
        assert connected.wait(5)
        made.publish(telemetry_topic(device.device_id), "1", 1).wait_for_publish(5)
        events.wait_for(1, device=device.device_id)
    finally:
        made.disconnect()
        made.loop_stop()
