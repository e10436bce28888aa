"""Devices over AMQP 1.0, with uamqp, the AMQP library inside the stock service client."""

import json
import socket
import threading
import time
import uuid
from datetime import timedelta

import pytest
import uamqp
from uamqp import constants, errors, types

import sas
from events import body_of
from hub import BODY_CANARY
from test_cloud_to_device import Feedback
from waiting import wait_until


def authentication(identity, token=None):
    """A token put to $cbs for one identity, as devices do."""
    resource = identity.resource
    return uamqp.authentication.SASTokenAuth(
        audience=resource, uri=f"amqps://{identity.hub.host}",
        token=token or sas.token(resource, identity.key),
        expires_in=timedelta(minutes=10), expires_at=int(time.time()) + 600,
    )


def attached(client):
    """Waits until the stock library's link stands."""
    wait_until(client.client_ready, 20, "the link stands")


class Links:
    """The links of a test's devices; closed at its end."""

    def __init__(self):
        self._clients, self._connections = [], []

    def pair(self, identity, where, **options):
        """A receiver and a sender on one connection, both attached."""
        auth = authentication(identity)
        connection = uamqp.Connection(identity.hub.host, auth)
        self._connections.append(connection)
        pair = (
            self.receiver(
                identity, where, auth,
                receive_settle_mode=constants.ReceiverSettleMode.ReceiveAndDelete, **options,
            ),
            self.sender(identity, where, auth, **options),
        )
        for client in pair:
            client.open(connection=connection)
            attached(client)
        return pair

    def sender(self, identity, path, auth=None, **options):
        client = uamqp.SendClient(
            f"amqps://{identity.hub.host}{path}", auth=auth or authentication(identity),
            error_policy=errors.ErrorPolicy(max_retries=0), **options,
        )
        self._clients.append(client)
        return client

    def receiver(self, identity, path, auth=None, **options):
        options.setdefault("auto_complete", False)
        options.setdefault("timeout", 15_000)
        options.setdefault("receive_settle_mode", constants.ReceiverSettleMode.PeekLock)
        client = uamqp.ReceiveClient(
            f"amqps://{identity.hub.host}{path}", auth=auth or authentication(identity),
            error_policy=errors.ErrorPolicy(max_retries=0), **options,
        )
        self._clients.append(client)
        return client

    def close(self):
        for client in self._clients:
            client.close()
        for connection in self._connections:
            connection.destroy()


@pytest.fixture
def links(bundle, identities):
    made = Links()
    yield made
    made.close()


def path(identity, rest):
    module = f"/modules/{identity.module_id}" if identity.module_id else ""
    return f"/devices/{identity.device_id}{module}/{rest}"


def send(client, *messages):
    """Sends and says what became of each."""
    client.queue_message(*messages)
    return client.send_all_messages(close_on_done=False)


def telemetry(text, **properties):
    return uamqp.Message(
        f"{BODY_CANARY} {text}".encode(),
        properties=uamqp.message.MessageProperties(
            message_id="m1", content_type="application/json", content_encoding="utf-8"
        ),
        application_properties=properties,
    )


def receive(client, seconds=10):
    batch = client.receive_message_batch(max_batch_size=1, timeout=seconds * 1000)
    return batch[0] if batch else None


@pytest.mark.parametrize("kind", ["device", "module"])
def test_telemetry_is_kept_with_its_properties(hub, identities, links, events, kind):
    device = identities.device()
    sender = identities.module(device) if kind == "module" else device
    results = send(
        links.sender(sender, path(sender, "messages/events")), telemetry("one", colour="grün")
    )
    assert results == [constants.MessageState.SendComplete]
    event = events.wait_for(1, device=device.device_id, module=sender.module_id)[0]
    assert event["properties"]["message-id"] == "m1"
    assert event["properties"]["content-type"] == "application/json"
    assert event["applicationProperties"] == {"colour": "grün"}
    assert json.loads(event["annotations"]["iothub-connection-auth-method"])["type"] == "sas"


def test_a_batch_is_as_many_events(hub, device, links, events):
    batch = uamqp.BatchMessage([telemetry(str(number)) for number in range(10)])
    assert send(links.sender(device, path(device, "messages/events")), batch) == [
        constants.MessageState.SendComplete
    ]
    got = events.wait_for(10, device=device.device_id)
    assert [body_of(event).decode() for event in got] == [f"{BODY_CANARY} {n}" for n in range(10)]


def test_what_is_too_large_is_refused_and_nothing_of_it_kept(hub, device, links, events):
    client = links.sender(device, path(device, "messages/events"))
    results = send(client, uamqp.Message(b"x" * 262_145))
    assert results == [constants.MessageState.SendFailed]
    assert send(client, telemetry("after")) == [constants.MessageState.SendComplete]
    assert len(events.wait_for(1, device=device.device_id)) == 1


def test_another_identitys_address_is_refused(hub, identities, links):
    mine, other = identities.device(), identities.device()
    client = links.sender(mine, path(other, "messages/events"))
    with pytest.raises(errors.AMQPError):
        send(client, telemetry("x"))
        client.open()
        client.do_work()


def test_a_forged_token_is_refused(hub, device, links):
    forged = authentication(device, sas.token(device.resource, sas.new_key()))
    client = links.sender(device, path(device, "messages/events"), auth=forged)
    with pytest.raises((errors.AMQPError, errors.TokenAuthFailure)):
        send(client, telemetry("x"))


@pytest.mark.parametrize("outcome", ["accept", "reject", "release"])
def test_messages_to_the_device_and_their_outcomes(hub, device, links, rest, outcome):
    client = links.receiver(device, path(device, "messages/devicebound"))
    client.open()
    name = f"c-{device.device_id}"
    rest.send_c2d(device.device_id, b"hello", messageid=name, ack="full", app={"a": "b"})
    message = receive(client)
    assert b"".join(message.get_data()) == b"hello"
    assert message.properties.message_id == name.encode()
    assert message.application_properties[b"a"] == b"b"
    assert len(message.delivery_tag) == 16
    assert message.annotations[b"iothub-deliverycount"] in (0, 1)
    getattr(message, outcome)()
    if outcome == "release":
        again = receive(client)
        assert again.properties.message_id == name.encode()
        again.accept()
    expected = "Rejected" if outcome == "reject" else "Success"
    record = Feedback(hub.rest("service")).wait_for(name)
    assert record["statusCode"] == expected


class Twin:
    """Both twin links of a device."""

    def __init__(self, links, device):
        properties = {
            types.AMQPSymbol("com.microsoft:channel-correlation-id"): f"twin:{uuid.uuid4()}"
        }
        self._receiver, self._sender = links.pair(
            device, path(device, "twin"), link_properties=properties
        )

    def ask(self, operation, resource=None, body=b" "):
        correlation = f"{operation}{uuid.uuid4()}"
        annotations = {types.AMQPSymbol("operation"): operation}
        if resource:
            annotations[types.AMQPSymbol("resource")] = resource
        message = uamqp.Message(
            body, properties=uamqp.message.MessageProperties(correlation_id=correlation),
            annotations=annotations,
        )
        assert send(self._sender, message) == [constants.MessageState.SendComplete]
        answer = self.next()
        assert answer.properties.correlation_id == correlation.encode()
        return answer.annotations, b"".join(answer.get_data())

    def next(self):
        message = receive(self._receiver)
        assert message is not None, "no answer"
        return message


def test_the_twin(hub, device, links, rest):
    twin = Twin(links, device)
    annotations, body = twin.ask("GET")
    assert annotations[b"status"] == 200
    assert json.loads(body)["desired"]["$version"] == 1
    annotations, _ = twin.ask("PATCH", "/properties/reported", b'{"on":true}')
    assert 200 <= annotations[b"status"] < 300 and annotations[b"version"] == 2
    assert rest.twin(device.device_id)["properties"]["reported"]["on"] is True
    annotations, _ = twin.ask("PATCH", "/properties/reported", b"[1]")
    assert annotations[b"status"] == 400
    annotations, _ = twin.ask("PUT", "/notifications/twin/properties/desired", b"")
    assert annotations[b"status"] == 200
    rest.patch_twin(device.device_id, {"properties": {"desired": {"speed": 7}}})
    change = twin.next()
    assert json.loads(b"".join(change.get_data())) == {"speed": 7, "$version": 2}
    assert change.properties is None or change.properties.correlation_id is None


def test_direct_methods(hub, device, links, rest):
    requests, answers = links.pair(device, path(device, "methods/deviceBound"))
    result = {}
    caller = threading.Thread(
        target=lambda: result.update(rest.invoke(device.device_id, "reboot", {"in": 5}).json())
    )
    caller.start()
    request = receive(requests)
    assert request.application_properties[b"IoThub-methodname"] == b"reboot"
    assert json.loads(b"".join(request.get_data())) == {"in": 5}
    answer = uamqp.Message(
        b'{"done":true}',
        properties=uamqp.message.MessageProperties(
            correlation_id=request.properties.correlation_id
        ),
        application_properties={"IoThub-status": types.AMQPInt(207)},
    )
    assert send(answers, answer) == [constants.MessageState.SendComplete]
    caller.join(10)
    assert result == {"status": 207, "payload": {"done": True}}


def test_a_method_fails_when_the_device_detaches(hub, device, links, rest):
    requests, _ = links.pair(device, path(device, "methods/deviceBound"))
    answer = {}
    caller = threading.Thread(
        target=lambda: answer.update(reply=rest.invoke(device.device_id, "reboot", None, 30)))
    caller.start()
    receive(requests)
    begun = time.monotonic()
    requests.close()
    caller.join(10)
    assert answer["reply"].status_code == 404 and time.monotonic() - begun < 5


def test_a_new_connection_of_the_identity_takes_over(hub, device, links):
    client = links.receiver(device, path(device, "messages/devicebound"))
    client.open()
    attached(client)
    connection, code = device.try_connect()
    assert code == 0
    with pytest.raises(errors.LinkDetach, match="connected again"):
        receive(client, 5)
    connection.disconnect()


def test_a_disabled_device_loses_its_links(hub, device, links, rest):
    client = links.receiver(device, path(device, "messages/devicebound"))
    client.open()
    attached(client)
    rest.call(
        "PUT", f"/devices/{device.device_id}", headers={"If-Match": "*"},
        json={**device.record, "status": "disabled"}, expect=200,
    )
    with pytest.raises(errors.LinkDetach, match="not known"):
        receive(client, 5)


def test_hostile_bytes_cost_their_own_connection(hub, unharmed):
    header = b"AMQP\3\1\0\0"
    for data in (
        b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, header + b"\xff" * 64,
        header + b"\0\0\0\7\2\1\0\0", b"AMQP\0\1\0\0" + b"\x7f\xff\xff\xff\2\0\0\0",
        b"AMQP\0\1\0\0" + b"\0\0\0\x0f\2\0\0\0\0\x53\x14\x45" + b"\0" * 3,
    ):
        with socket.create_connection((hub.host, hub.amqp_port), 5) as plain:
            with hub.tls_context().wrap_socket(plain, server_hostname=hub.host) as stream:
                stream.settimeout(5)
                stream.sendall(data)
                while stream.recv(65_536):
                    pass
