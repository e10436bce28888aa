"""An edge's local hub between unmodified clients and the hub above (edge contract 5, 7, 8, 9)."""

import itertools
import json
import queue
import shutil
import threading
import time

import pytest
from azure.iot.device import IoTHubModuleClient, Message, MethodResponse

import conftest
from events import EventStream, body_of, json_of
from local_hub import Below, LocalHub
from test_edge import edge_device, edge_hub, leaf_of

NUMBERS = itertools.count(201)


class Site:
    """An edge device, its local hub, and who is below it."""

    def __init__(self, hub, identities, directory):
        self.above, self.identities, self.rest = hub, identities, hub.rest()
        self.edge = edge_device(identities)
        self.own = edge_hub(self.edge, self.rest)
        address = f"{conftest.NETWORK}.{next(NUMBERS)}"
        self.hub = LocalHub(hub, self.own, address, directory / "edge")

    def leaf(self):
        return Below.of(leaf_of(self.edge, self.identities), self.hub)

    def module(self, name):
        return Below.of(self.identities.module(self.edge, name), self.hub)

    def configure(self, **routes):
        """Gives the local hub these routes, as a deployment would."""
        patch = {"properties": {"desired": {
            "schemaVersion": "1.1", "routes": routes,
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}
        self.rest.call(
            "PATCH", f"/twins/{self.edge.device_id}/modules/$edgeHub", json=patch, expect=200)


@pytest.fixture
def site(hub, identities, tmp_path):
    site = Site(hub, identities, tmp_path)
    yield site
    site.hub.stop()
    assert "SharedAccessSignature sr=" not in site.hub.log()
    assert site.own.key not in site.hub.log()


def module_client(module, monkeypatch):
    """A stock module client, as it starts where no workload socket is given (contract 14)."""
    monkeypatch.setenv("EdgeHubConnectionString", module.connection_string)
    monkeypatch.setenv("EdgeModuleCACertificateFile", str(module.hub.ca_path))
    return IoTHubModuleClient.create_from_edge_environment(connection_retry_interval=1)


def test_a_leaf_device_speaks_through_the_gateway(site, stock, events):
    leaf = site.leaf()
    site.hub.start()
    client = stock.make(leaf)
    client.connect()
    message = Message(json.dumps({"t": 21}), content_type="application/json",
                      content_encoding="utf-8", message_id="m1")
    message.custom_properties["room"] = "2 b"
    client.send_message(message)
    event, = events.wait_for(1, device=leaf.device_id)
    assert json_of(event) == {"t": 21}
    assert event["applicationProperties"] == {"room": "2 b"}
    assert event["annotations"]["iothub-connection-device-id"] == leaf.device_id


def test_a_stranger_and_a_wrong_key_are_refused(site, stock):
    leaf = site.leaf()
    stranger = Below.of(site.identities.device(), site.hub)
    other = site.leaf()
    site.hub.start()
    stock.make(leaf).connect()
    other.key = stranger.key
    for identity in (stranger, other):
        client = stock.make(identity)
        with pytest.raises(Exception):
            client.connect()


def test_modules_hear_of_each_other_by_routes(site, stock, events, monkeypatch):
    sender, receiver = site.module("sender"), site.module("receiver")
    site.configure(
        hot="FROM /messages/modules/sender/outputs/out WHERE level = 'hot' "
            "INTO BrokeredEndpoint(\"/modules/receiver/inputs/alarms\")",
        up={"route": "FROM /messages/modules/receiver/* INTO $upstream", "priority": 3})
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    got, answered = [], threading.Event()
    second = stock.watch(module_client(receiver, monkeypatch))

    def received(message):
        got.append((message.input_name, message.data.decode(), dict(message.custom_properties)))
        second.send_message_to_output(Message("seen"), "reports")
        answered.set()

    second.on_message_received = received
    second.connect()
    first = stock.watch(module_client(sender, monkeypatch))
    first.connect()
    for number, level in enumerate(("cold", "hot", "cold")):
        message = Message(str(number))
        message.custom_properties["level"] = level
        first.send_message_to_output(message, "out")
    assert answered.wait(10)
    event, = events.wait_for(1, device=site.edge.device_id, module="receiver")
    # Who sent it is said by the local hub, as stock module clients show it.
    assert got == [("alarms", "1", {
        "level": "hot", "$.cdid": site.edge.device_id, "$.cmid": "sender"})]
    assert body_of(event) == b"seen"


def test_routes_by_the_environment_and_a_module_that_is_stuck(site, stock, monkeypatch):
    """Developer tools give routes so; who takes messages and acknowledges none makes way."""
    leaf, module = site.leaf(), site.module("worker")
    site.hub.variables = {
        "configSource": "local", "MessageAckTimeoutSecs": "1",
        "routes__in": "FROM /messages INTO BrokeredEndpoint(\"/modules/worker/inputs/all\")"}
    site.hub.start()
    client = stock.make(leaf)
    client.connect()
    with module.connect(clean=True) as stuck:
        stuck.subscribe(f"devices/{module.device_id}/modules/worker/inputs/#")
        client.send_message(Message("1"))
        assert stuck.expect_publish(acknowledge=False).payload == b"1"
        assert stuck.expect_closed(timeout=6) > 0.5
    got = queue.Queue()
    worker = stock.watch(module_client(module, monkeypatch))
    worker.on_message_received = got.put
    worker.connect()
    assert got.get(timeout=10).data == b"1"
    # It acknowledges, so it stays.
    time.sleep(2.5)
    client.send_message(Message("2"))
    assert got.get(timeout=10).data == b"2"
    assert site.hub.log().count('"reason":"unacknowledged"') == 1


def test_a_module_invokes_a_method_of_a_leaf(site, stock, monkeypatch):
    caller, leaf = site.module("caller"), site.leaf()
    site.hub.start()
    target = stock.make(leaf)

    def answer(request):
        target.send_method_response(
            MethodResponse.create_from_method_request(request, 207, {"got": request.payload}))

    target.on_method_request_received = answer
    target.connect()
    client = stock.watch(module_client(caller, monkeypatch))
    client.connect()
    end = time.monotonic() + 10
    while True:
        answer_ = client.invoke_method(
            {"methodName": "open", "payload": {"door": 1}, "responseTimeoutInSeconds": 10,
             "connectTimeoutInSeconds": 5}, leaf.device_id)
        if answer_ or time.monotonic() > end:
            break
    assert answer_ == {"status": 207, "payload": {"got": {"door": 1}}}


def test_the_hub_above_reaches_a_leaf(site, stock, registry):
    """Desired properties, a direct method and a message, each over the edge's one connection."""
    from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

    leaf = site.leaf()
    site.hub.start()
    site.hub.wait_for_log("connected upstream")
    client = stock.make(leaf)
    patches, messages = queue.Queue(), queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    client.on_message_received = messages.put
    client.on_method_request_received = lambda request: client.send_method_response(
        MethodResponse.create_from_method_request(request, 200, {"name": request.name}))
    client.connect()
    assert client.get_twin()["desired"]["$version"] == 1
    twin = Twin(properties=TwinProperties(desired={"interval": 5}))
    registry.update_twin(leaf.device_id, twin, "*")
    assert patches.get(timeout=10) == {"interval": 5, "$version": 2}
    client.patch_twin_reported_properties({"seen": 5})
    end = time.monotonic() + 15
    while "seen" not in registry.get_twin(leaf.device_id).properties.reported:
        assert time.monotonic() < end, "the reported property did not arrive above"
        time.sleep(0.1)
    answer = registry.invoke_device_method(
        leaf.device_id, CloudToDeviceMethod(method_name="blink", payload=1))
    assert (answer.status, answer.payload) == (200, {"name": "blink"})
    site.rest.send_c2d(leaf.device_id, b"wake up")
    assert messages.get(timeout=10).data == b"wake up"


def test_a_clock_that_cannot_be_stored_is_told_once_and_once_when_it_can(site):
    clock = site.hub.data / "hub/messages/clock"
    site.hub.start().stop()
    clock.unlink()
    (clock / "in the way").mkdir(parents=True)
    site.hub.start().wait_for_log("the edge's clock cannot be stored")
    # It is tried again each second.
    time.sleep(3.5)
    assert site.hub.log().count("the edge's clock cannot be stored") == 1
    assert "the edge's clock is stored again" not in site.hub.log()
    shutil.rmtree(clock)
    site.hub.wait_for_log("the edge's clock is stored again", seconds=5)
    time.sleep(1.5)
    assert clock.is_file() and site.hub.log().count("the edge's clock is stored again") == 1


def test_nothing_that_was_acknowledged_is_lost(hub_factory, tmp_path, request):
    """The hub above goes away, the edge is killed, both come back: every message, in order."""
    above = hub_factory(data=tmp_path / "above")
    identities = conftest.make_identities(request, above)
    stock = conftest.StockClients()
    site = Site(above, identities, tmp_path)
    leaf = site.leaf()
    site.configure(up="FROM /messages/* INTO $upstream")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    client = stock.make(leaf)
    client.connect()
    client.send_message("0")
    site.hub.wait_for_log("connected upstream")
    above.stop()
    # The twin is answered from the copy, and what is reported now is kept.
    client.patch_twin_reported_properties({"while": "offline"})
    assert client.get_twin()["reported"]["while"] == "offline"
    for number in range(1, 40):
        client.send_message(str(number))
    client.shutdown()
    site.hub.kill()
    site.hub.start()
    # Cut off, and after a restart: the leaf is let in by what is known here.
    client = stock.make(leaf)
    client.connect()
    for number in range(40, 60):
        client.send_message(str(number))
    seen = len(site.hub.log())
    above.start()
    site.hub.wait_for_log("connected upstream", seen, 90)
    stream = EventStream(above.rest("service"), "earliest")
    numbers = []
    end = time.monotonic() + 20
    while len(set(numbers)) < 60 and time.monotonic() < end:
        numbers += [
            int(body_of(event)) for event in stream.wait_for(1, 20, device=leaf.device_id)]
    client.shutdown()
    end = time.monotonic() + 15
    while "while" not in above.rest().call(
            "GET", f"/twins/{leaf.device_id}", expect=200).json()["properties"]["reported"]:
        assert time.monotonic() < end, "what was reported meanwhile did not arrive above"
        time.sleep(0.1)
    site.hub.stop()
    first = sorted(set(numbers), key=numbers.index)
    assert first == list(range(60)), numbers

