"""Qpid Proton's own Python client: a second AMQP stack, as services and devices written with it are."""

import json
import threading
import time
import uuid

import pytest
from proton import Delivery, Message, SSLDomain, symbol
from proton.reactor import AtLeastOnce, Filter, LinkOption
from proton.utils import BlockingConnection, LinkDetached, SendException

import certificates
import sas
from events import body_of, json_of
from test_provisioning import enroll, keys
from waiting import wait_until

TIMEOUT = 20


def domain(hub):
    """TLS that trusts the hub's CA and checks its name."""
    made = SSLDomain(SSLDomain.MODE_CLIENT)
    made.set_trusted_ca_db(str(hub.ca_path))
    made.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
    return made


def dial(hub, user, password, mechanism="PLAIN", tls=None):
    return BlockingConnection(
        f"amqps://{hub.host}:{hub.amqp_port}", timeout=TIMEOUT, ssl_domain=tls or domain(hub),
        user=user, password=password, allowed_mechs=mechanism)


@pytest.fixture
def connections():
    made = []
    yield made
    for connection in made:
        connection.close()


@pytest.fixture
def service(hub, connections):
    """A connection with the policy `service`, its key as password."""
    connections.append(dial(
        hub, f"service@sas.root.{hub.host}", hub.policy_key("service")))
    return connections[-1]


@pytest.fixture
def as_device(hub, device, connections):
    """A connection of `device`, its token as password."""
    connections.append(dial(hub, f"{device.device_id}@sas.{hub.host}", device.token()))
    return connections[-1]


class Channel(LinkOption):
    """The property of a link pair, as device clients attach them."""

    def __init__(self, kind):
        self.properties = {
            symbol("com.microsoft:channel-correlation-id"): f"{kind}:{uuid.uuid4()}"}

    def apply(self, link):
        link.properties = self.properties


def text(message):
    return bytes(message.body).decode()


def test_telemetry_with_properties_is_kept(as_device, device, events):
    sender = as_device.create_sender(f"/devices/{device.device_id}/messages/events")
    delivery = sender.send(Message(
        body=b'{"t":21.5}', inferred=True, id="m-1", content_type="application/json",
        content_encoding="utf-8", properties={"colour": "grün"}), timeout=TIMEOUT)
    assert delivery.remote_state == Delivery.ACCEPTED
    event, = events.wait_for(1, device=device.device_id)
    assert json_of(event) == {"t": 21.5}
    assert event["properties"]["message-id"] == "m-1"
    assert event["applicationProperties"] == {"colour": "grün"}


def test_thousands_at_once_arrive_in_order(as_device, device, events):
    sender = as_device.create_sender(f"/devices/{device.device_id}/messages/events")
    link = sender.link
    deliveries = []
    for number in range(2_000):
        as_device.wait(lambda: link.credit > 0, timeout=TIMEOUT)
        deliveries.append(link.send(Message(body=str(number).encode(), inferred=True)))
    as_device.wait(lambda: all(each.settled for each in deliveries), timeout=TIMEOUT)
    assert {each.remote_state for each in deliveries} == {Delivery.ACCEPTED}
    got = [int(body_of(event)) for event in events.wait_for(2_000, device=device.device_id)]
    assert got == list(range(2_000))


@pytest.mark.parametrize("wrong", ["another device's link", "token of another", "wrong password"])
def test_refusals_say_why(hub, identities, device, connections, wrong):
    other = identities.device()
    password = other.token() if wrong == "token of another" else device.token()
    if wrong == "wrong password":
        password = sas.token(device.resource, sas.new_key())
    target = other if wrong == "another device's link" else device
    with pytest.raises(Exception) as caught:
        connection = dial(hub, f"{device.device_id}@sas.{hub.host}", password)
        connections.append(connection)
        sender = connection.create_sender(f"/devices/{target.device_id}/messages/events")
        sender.send(Message(body=b"x", inferred=True), timeout=TIMEOUT)
    assert type(caught.value).__name__ in ("LinkDetached", "ConnectionException", "SendException")
    assert "unauthorized" in str(caught.value).lower() or "auth" in str(caught.value).lower()


def test_an_error_names_its_connection(as_device, identities):
    other = identities.device()
    with pytest.raises(LinkDetached) as caught:
        as_device.create_sender(f"/devices/{other.device_id}/messages/events")
    info = caught.value.link.remote_condition.info
    assert uuid.UUID(info[symbol("com.microsoft:tracking-id")])


def test_messages_to_a_device_and_their_feedback(service, as_device, device):
    feedback = service.create_receiver("/messages/serviceBound/feedback", credit=10)
    sender = service.create_sender("/messages/devicebound")
    message = Message(
        body=b"open", inferred=True, id=str(uuid.uuid4()), properties={"iothub-ack": "full"},
        address=f"/devices/{device.device_id}/messages/devicebound")
    sender.send(message, timeout=TIMEOUT)
    receiver = as_device.create_receiver(
        f"/devices/{device.device_id}/messages/devicebound", credit=1)
    got = receiver.receive(timeout=TIMEOUT)
    assert text(got) == "open" and got.annotations[symbol("x-opt-lock-token")]
    receiver.accept()
    receiver.close()  # a blocking client sends what it has to say with its next call
    while True:
        records = json.loads(text(feedback.receive(timeout=TIMEOUT)))
        feedback.accept()
        mine = [record for record in records if record["originalMessageId"] == message.id]
        if mine:
            assert mine[0]["statusCode"] == "Success"
            return


def test_a_message_to_nobody_is_rejected(service):
    sender = service.create_sender("/messages/devicebound")
    with pytest.raises(SendException) as caught:
        sender.send(Message(
            body=b"x", inferred=True, address="/devices/nobody/messages/devicebound"),
            timeout=TIMEOUT)
    assert caught.value.state == Delivery.REJECTED


def test_events_from_a_position(hub, service, device, as_device, rest):
    sender = as_device.create_sender(f"/devices/{device.device_id}/messages/events")
    for number in range(5):
        sender.send(Message(body=f"n{number}".encode(), inferred=True), timeout=TIMEOUT)
    entity, sent = hub.host, time.time() * 1000

    def read(partition, selector, count):
        """`count` of the device's events behind a position, or as many as come."""
        filters = Filter({symbol("apache.org:selector-filter:string"): selector})
        receiver = service.create_receiver(
            f"{entity}/ConsumerGroups/$Default/Partitions/{partition}", credit=300,
            options=[filters, AtLeastOnce()])
        found = []
        try:
            while len(found) < count:
                message = receiver.receive(timeout=3)
                annotations = {str(key): value for key, value in message.annotations.items()}
                if annotations["iothub-connection-device-id"] == device.device_id:
                    found.append((text(message), annotations))
                # Others go on sending: what came after ours is not waited for.
                if annotations["x-opt-enqueued-time"] > sent + 100:
                    break
        except Exception as error:
            assert "Timeout" in type(error).__name__, error
        receiver.close()
        return found

    everywhere = {p: read(p, "amqp.annotation.x-opt-offset > '-1'", 5) for p in range(4)}
    partition, found = max(everywhere.items(), key=lambda item: len(item[1]))
    assert [body for body, _ in found] == [f"n{number}" for number in range(5)]
    assert sum(len(each) for each in everywhere.values()) == 5
    after = found[2][1]["x-opt-sequence-number"]
    rest_of = read(partition, f"amqp.annotation.x-opt-sequence-number > '{after}'", 2)
    assert [body for body, _ in rest_of] == ["n3", "n4"]


def test_a_method_and_the_twin(as_device, device, rest):
    """Both link pairs of a device, on one connection."""
    path = f"/devices/{device.device_id}"
    channel = Channel("twin")
    answers = as_device.create_receiver(f"{path}/twin", credit=10, options=[channel])
    asks = as_device.create_sender(f"{path}/twin", options=[channel])
    asks.send(Message(
        body=b'{"rate":3}', inferred=True, correlation_id="PATCH1",
        annotations={symbol("operation"): "PATCH",
                     symbol("resource"): "/properties/reported"}), timeout=TIMEOUT)
    answer = answers.receive(timeout=TIMEOUT)
    assert answer.correlation_id == "PATCH1" and answer.annotations[symbol("status")] in (200, 204)
    assert rest.call("GET", f"/twins/{device.device_id}", expect=200).json()[
        "properties"]["reported"]["rate"] == 3

    requests = as_device.create_receiver(f"{path}/methods/deviceBound", credit=10)
    responses = as_device.create_sender(f"{path}/methods/deviceBound")
    outcome = {}

    def invoke():
        outcome["answer"] = rest.call(
            "POST", f"/twins/{device.device_id}/methods", expect=200,
            json={"methodName": "open", "payload": {"door": 1}}).json()

    caller = threading.Thread(target=invoke)
    caller.start()
    request = requests.receive(timeout=TIMEOUT)
    assert request.properties["IoThub-methodname"] == "open"
    assert json.loads(text(request)) == {"door": 1}
    responses.send(Message(
        body=b'{"ok":true}', inferred=True, correlation_id=request.correlation_id,
        properties={"IoThub-status": 201}), timeout=TIMEOUT)
    caller.join(TIMEOUT)
    assert outcome["answer"] == {"status": 201, "payload": {"ok": True}}


def test_a_device_with_a_certificate(hub, identities, connections, events, tmp_path):
    certificate = certificates.self_signed("proton")
    device = identities.device(authentication={
        "type": "selfSigned", "x509Thumbprint": {
            "primaryThumbprint": certificate.thumbprint(), "secondaryThumbprint": None}})
    chain, key = certificate.write(tmp_path, "device")
    tls = domain(hub)
    tls.set_credentials(str(chain), str(key), None)
    connections.append(dial(hub, None, None, "EXTERNAL", tls))
    sender = connections[-1].create_sender(f"/devices/{device.device_id}/messages/events")
    sender.send(Message(body=b"signed", inferred=True), timeout=TIMEOUT)
    assert body_of(events.wait_for(1, device=device.device_id)[0]) == b"signed"


class Registration:
    """A device that registers over AMQP: a link to ask, a link for answers."""

    def __init__(self, connection, address):
        self.answers = connection.create_receiver(address, credit=10)
        self.asks = connection.create_sender(address)

    def ask(self, body=b" ", **properties):
        """What is answered, and when to ask again."""
        correlation = str(uuid.uuid4())
        self.asks.send(Message(
            body=body, inferred=True, correlation_id=correlation,
            properties={name.replace("_", "-"): value for name, value in properties.items()}),
            timeout=TIMEOUT)
        answer = self.answers.receive(timeout=TIMEOUT)
        assert answer.correlation_id == correlation
        return json.loads(text(answer)), (answer.properties or {}).get("retry-after")

    def run(self, device):
        begun, again = self.ask(
            json.dumps({"registrationId": device}).encode(),
            iotdps_operation_type="iotdps-register")
        assert begun["status"] == "assigning" and again
        return wait_until(lambda: self.end(begun["operationId"]), 20, "the device is assigned")

    def end(self, operation):
        answer, _ = self.ask(
            iotdps_operation_type="iotdps-get-operationstatus", iotdps_operation_id=operation)
        return answer["registrationState"] if answer["status"] != "assigning" else None


@pytest.mark.parametrize("proof", ["token", "certificate"])
def test_a_device_registers(hub, owner, connections, tmp_path, proof):
    device = f"proton-{uuid.uuid4()}"
    address = f"{hub.ready['idScope']}/registrations/{device}"
    if proof == "token":
        enroll(owner, f"/enrollments/{device}", {"type": "symmetricKey"}, registrationId=device)
        token = sas.token(address, keys(owner, f"/enrollments/{device}")[0])
        hub.note_secret(token)
        connections.append(dial(hub, address, token))
    else:
        certificate = certificates.self_signed(device)
        enroll(owner, f"/enrollments/{device}", {"type": "x509", "x509": {
            "clientCertificates": {"primary": {"certificate": certificate.pem}}}},
            registrationId=device)
        chain, key = certificate.write(tmp_path, device)
        tls = domain(hub)
        tls.set_credentials(str(chain), str(key), None)
        connections.append(dial(hub, None, None, "EXTERNAL", tls))
    registration = Registration(connections[-1], address)
    state = registration.run(device)
    assert state["status"] == "assigned" and state["assignedHub"] == hub.host
    with pytest.raises(SendException) as caught:
        registration.ask(iotdps_operation_type="iotdps-get-operationstatus",
                         iotdps_operation_id="4.0")
    assert caught.value.state == Delivery.REJECTED
