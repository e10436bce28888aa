"""An edge's local hub over AMQP 1.0, with Qpid Proton and uamqp (edge contract 5.4)."""

import json
import socket
import ssl
import threading
import time
import uuid

import pytest
import uamqp
from proton import Delivery, Message, SSLDomain, symbol
from proton.utils import BlockingConnection, LinkDetached
from uamqp import constants

import sas
from events import body_of
from local_hub import Below
from test_amqp_devices import path, send, telemetry
from test_cloud_to_device import Feedback
from test_edge import edge_device, edge_hub, leaf_of
from test_local_hub import site  # noqa: F401
from test_proton import Channel, text
from waiting import wait_until

TIMEOUT = 20


class Client(BlockingConnection):
    """A connection to the local hub, by a token as password or by tokens put to `$cbs`."""

    def __init__(self, site, identity=None, password=None):
        tls = SSLDomain(SSLDomain.MODE_CLIENT)
        tls.set_trusted_ca_db(str(site.hub.ca_path))
        tls.set_peer_authentication(SSLDomain.VERIFY_PEER)
        user = {}
        if identity is not None:
            user = {"user": f"{identity.device_id}@sas.{identity.hub.host}",
                    "password": password or identity.token()}
        super().__init__(
            f"amqps://{site.hub.address}:5671", timeout=TIMEOUT, ssl_domain=tls,
            allowed_mechs="PLAIN" if user else "ANONYMOUS", **user)
        self._node = None

    def put_token(self, identity, token=None):
        """Shows a token of one identity; the status of the answer."""
        self._node = self._node or (
            self.create_sender("$cbs"), self.create_receiver("$cbs", credit=10))
        self._node[0].send(Message(
            body=token or identity.token(), id=str(uuid.uuid4()), properties={
                "operation": "put-token", "type": "azure-devices.net:sastoken",
                "name": identity.resource}), timeout=TIMEOUT)
        return self._node[1].receive(timeout=TIMEOUT).properties["status-code"]

    def send(self, identity, body, **properties):
        """Sends one message on a link of its own; what became of it."""
        sender = self.create_sender(path(identity, "messages/events"))
        state = sender.send(
            Message(body=body, inferred=True, properties=properties), timeout=TIMEOUT).remote_state
        sender.close()
        return state

    def pair(self, identity, where):
        """Both links of a channel."""
        options = Channel(where.split("/")[0])
        return (self.create_receiver(path(identity, where), credit=10, options=options),
                self.create_sender(path(identity, where), options=options))


@pytest.fixture
def dial(site):  # noqa: F811
    made = []

    def dial(*args, **options):
        made.append(Client(site, *args, **options))
        return made[-1]

    yield dial
    for connection in made:
        connection.close()


def test_identities_on_one_connection_and_those_that_are_refused(site, dial, events):  # noqa: F811
    leaf, module, other = site.leaf(), site.module("gauge"), site.leaf()
    site.hub.start()
    client = dial()
    assert client.put_token(leaf) == client.put_token(module) == 202
    assert client.put_token(other, sas.token(other.resource, sas.new_key())) == 401
    assert client.send(module, b"of the module") == Delivery.ACCEPTED
    event, = events.wait_for(1, device=module.device_id, module="gauge")
    assert body_of(event) == b"of the module"
    assert client.send(leaf, b"of the leaf", colour="grün") == Delivery.ACCEPTED
    with pytest.raises(LinkDetached, match="unauthorized"):
        client.send(other, b"of nobody")
    assert client.send(leaf, b"still there") == Delivery.ACCEPTED
    got = events.wait_for(2, device=leaf.device_id)
    assert [body_of(event) for event in got] == [b"of the leaf", b"still there"]
    assert got[0]["applicationProperties"] == {"colour": "grün"}
    with pytest.raises(Exception, match="(?i)auth"):
        dial(other, sas.token(other.resource, sas.new_key())).send(other, b"x")
    assert '"reason":"token signed with another key"' in site.hub.log()


def test_hostile_bytes_cost_their_own_connection(site, dial, events):  # noqa: F811
    leaf = site.leaf()
    site.hub.start()
    client = dial(leaf)
    assert client.send(leaf, b"before") == Delivery.ACCEPTED
    header = b"AMQP\3\1\0\0"
    for data in (
            b"GET / HTTP/1.1\r\n\r\n", header + b"\xff" * 64, header + b"\0\0\0\7\2\1\0\0",
            b"AMQP\0\1\0\0" + b"\x7f\xff\xff\xff\2\0\0\0"):
        with socket.create_connection((site.hub.address, 5671), 5) as plain:
            context = ssl.create_default_context(cafile=site.hub.ca_path)
            with context.wrap_socket(plain, server_hostname=site.hub.address) as stream:
                stream.settimeout(5)
                stream.sendall(data)
                while stream.recv(65_536):
                    pass
    assert client.send(leaf, b"after") == Delivery.ACCEPTED
    assert len(events.wait_for(2, device=leaf.device_id)) == 2


def test_a_batch_over_a_websocket(site, bundle, events):  # noqa: F811
    leaf = site.leaf()
    site.hub.start()
    auth = uamqp.authentication.SASTokenAuth(
        audience=leaf.resource, uri=f"amqps://{site.hub.address}", token=leaf.token(),
        expires_at=int(time.time()) + 600, verify=str(site.hub.ca_path),
        transport_type=constants.TransportType.AmqpOverWebsocket)
    client = uamqp.SendClient(
        f"amqps://{site.hub.address}{path(leaf, 'messages/events')}", auth=auth)
    try:
        batch = uamqp.BatchMessage([telemetry(str(number)) for number in range(3)])
        assert send(client, batch) == [constants.MessageState.SendComplete]
    finally:
        client.close()
    got = events.wait_for(3, device=leaf.device_id)
    assert [body_of(event).split()[-1] for event in got] == [b"0", b"1", b"2"]


def test_a_modules_inputs(site, dial):  # noqa: F811
    """Released: sent again. Rejected: dropped. Who sent it is said by the hub, not by the sender."""
    sender, receiver = site.module("sender"), site.module("receiver")
    site.configure(
        hot="FROM /messages/modules/sender/outputs/out INTO "
            "BrokeredEndpoint(\"/modules/receiver/inputs/alarms\")")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    client = dial()
    assert client.put_token(sender) == client.put_token(receiver) == 202
    inputs = client.create_receiver(path(receiver, "messages/events"), credit=1)
    forged = {"$.cdid": "somebody", "$.cmid": "else", "level": "3"}
    for body, output in ((b"1", "out"), (b"2", "out"), (b"3", "other"), (b"4", "out")):
        assert client.send(
            sender, body, **{"iothub-outputname": output}, **forged) == Delivery.ACCEPTED
    message = inputs.receive(timeout=TIMEOUT)
    assert text(message) == "1" and message.properties == {"level": "3"}
    assert message.annotations[symbol("x-opt-input-name")] == "alarms"
    assert message.annotations[symbol("iothub-connection-device-id")] == sender.device_id
    assert message.annotations[symbol("iothub-connection-module-id")] == "sender"
    inputs.release(delivered=False)
    got = [text(message)]
    while len(got) < 4:
        got.append(text(inputs.receive(timeout=TIMEOUT)))
        if got[-1] == "2":
            inputs.reject()
        else:
            inputs.accept()
    assert sorted(got) == ["1", "1", "2", "4"]
    # Neither what was rejected nor what was accepted comes to the next link; what was neither does.
    client.send(sender, b"5", **{"iothub-outputname": "out"})
    assert text(inputs.receive(timeout=TIMEOUT)) == "5"
    client.close()
    client = dial(receiver)
    again = client.create_receiver(path(receiver, "messages/events"), credit=10)
    assert text(again.receive(timeout=TIMEOUT)) == "5"
    again.accept()


def test_an_edge_below_sends_for_its_children(site, dial, events):  # noqa: F811
    low = edge_device(site.identities, site.edge)
    actor = Below.of(edge_hub(low, site.rest), site.hub)
    child = Below.of(leaf_of(low, site.identities), site.hub)
    near = site.leaf()
    site.hub.start()
    client = dial()

    def sender(identity, *chain):
        options = Channel("telemetry")
        options.properties[symbol("com.microsoft:auth-chain")] = ";".join(
            link.client_id for link in (identity, *chain))
        return client.create_sender(path(identity, "messages/events"), options=options)

    wait_until(lambda: client.put_token(actor) == 202, 10, "the edge below is known")
    sent = sender(child, low).send(Message(body=b"from below", inferred=True), timeout=TIMEOUT)
    assert sent.remote_state == Delivery.ACCEPTED
    event, = events.wait_for(1, device=child.device_id)
    assert body_of(event) == b"from below"
    with pytest.raises(LinkDetached, match="unauthorized"):
        sender(near, low)


def test_twin_methods_and_messages_of_a_leaf(site, dial, rest):  # noqa: F811
    leaf = site.leaf()
    site.hub.start()
    site.hub.wait_for_log("connected upstream")
    client = dial(leaf)
    answers, requests = client.pair(leaf, "twin")

    def ask(operation, resource, body=b""):
        requests.send(Message(
            body=body, inferred=True, correlation_id=operation, annotations={
                symbol("operation"): operation, symbol("resource"): resource}), timeout=TIMEOUT)
        answer = answers.receive(timeout=TIMEOUT)
        assert answer.correlation_id == operation
        return answer.annotations[symbol("status")], bytes(answer.body)

    status, body = ask("GET", "")
    assert status == 200 and json.loads(body)["desired"]["$version"] == 1
    desired = "/notifications/twin/properties/desired"
    assert ask("PUT", desired)[0] == 200
    assert ask("PATCH", "/properties/reported", b'{"seen":5}')[0] == 204
    wait_until(
        lambda: rest.twin(leaf.device_id)["properties"]["reported"].get("seen") == 5, 15,
        "the reported property is above")
    rest.patch_twin(leaf.device_id, {"properties": {"desired": {"interval": 5}}})
    change = answers.receive(timeout=TIMEOUT)
    assert json.loads(bytes(change.body)) == {"interval": 5, "$version": 2}

    calls, results = client.pair(leaf, "methods/deviceBound")
    result = {}
    caller = threading.Thread(target=lambda: result.update(
        rest.invoke(leaf.device_id, "reboot", {"in": 5}).json()))
    caller.start()
    call = calls.receive(timeout=TIMEOUT)
    assert call.properties == {"IoThub-methodname": "reboot"}
    assert json.loads(bytes(call.body)) == {"in": 5}
    results.send(Message(
        body=b'{"done":true}', inferred=True, correlation_id=call.correlation_id,
        properties={"IoThub-status": 207}), timeout=TIMEOUT)
    caller.join(10)
    assert result == {"status": 207, "payload": {"done": True}}

    inbox = client.create_receiver(path(leaf, "messages/devicebound"), credit=1)
    outcomes = {}
    for name, settle in (("kept", inbox.accept), ("refused", inbox.reject)):
        outcomes[name] = f"{name}-{leaf.device_id}"
        rest.send_c2d(leaf.device_id, name.encode(), messageid=outcomes[name], ack="full")
        message = inbox.receive(timeout=TIMEOUT)
        assert text(message) == name and message.id == outcomes[name]
        settle()
    inbox.close()
    feedback = Feedback(site.above.rest("service"))
    assert feedback.wait_for(outcomes["kept"])["statusCode"] == "Success"
    assert feedback.wait_for(outcomes["refused"])["statusCode"] == "Rejected"
