"""An edge hub's links over AMQP for those below it, and what only an edge hub fills."""

import pytest
import uamqp
from uamqp import constants, errors, types

from events import body_of
from test_amqp_devices import Links, attached, authentication, path, receive, send, telemetry
from test_edge import edge_device, edge_hub, leaf_of
from waiting import wait_until


@pytest.fixture
def links(bundle, identities):
    made = Links()
    yield made
    made.close()


@pytest.fixture
def edge(identities):
    return edge_device(identities)


@pytest.fixture
def actor(edge, rest):
    return edge_hub(edge, rest)


def chained(*chain):
    return {
        types.AMQPSymbol("com.microsoft:auth-chain"): ";".join(link.client_id for link in chain)}


def acting_sender(links, actor, child, *chain):
    return links.sender(
        child, path(child, "messages/events"), authentication(actor),
        link_properties=chained(child, *chain))


def is_refused(client):
    try:
        client.open()
        wait_until(client.client_ready, 5, "the link stands")
    except (errors.AMQPError, AssertionError, TimeoutError):
        return True
    return send(client, telemetry("refused")) != [constants.MessageState.SendComplete]


def test_an_edge_hub_sends_for_its_children_on_one_connection(
        links, identities, rest, events, edge, actor):
    children = [leaf_of(edge, identities), leaf_of(edge, identities), identities.module(edge, "m")]
    auth = authentication(actor)
    connection = uamqp.Connection(edge.hub.host, auth)
    try:
        for child in children:
            client = links.sender(
                child, path(child, "messages/events"), auth,
                link_properties=chained(child, edge))
            client.open(connection=connection)
            attached(client)
            assert send(client, telemetry("up")) == [constants.MessageState.SendComplete]
            event, = events.wait_for(1, device=child.device_id, module=child.module_id)
            assert body_of(event).endswith(b" up")
            assert '"scope":"module"' in event["annotations"][
                "iothub-connection-auth-method"].replace(" ", "")
    finally:
        for client in links._clients:
            client.close()
        connection.destroy()


def test_a_child_gets_its_messages_over_the_edge_hubs_link(links, identities, rest, edge, actor):
    child = leaf_of(edge, identities)
    rest.send_c2d(child.device_id, b"down")
    client = links.receiver(
        child, path(child, "messages/devicebound"), authentication(actor),
        link_properties=chained(child, edge))
    message = receive(client)
    assert b"".join(message.get_data()) == b"down"
    message.accept()


def test_a_chain_of_two_edge_devices(links, identities, rest, events, edge, actor):
    low = edge_device(identities, edge)
    far = leaf_of(low, identities)
    sender = acting_sender(links, actor, far, low, edge)
    assert send(sender, telemetry("far")) == [constants.MessageState.SendComplete]
    assert len(events.wait_for(1, device=far.device_id)) == 1


def test_chains_that_open_nothing(links, identities, rest, edge, actor):
    near, stranger = leaf_of(edge, identities), identities.device()
    other = edge_device(identities)
    for child, chain in (
            (stranger, (edge,)), (near, (other,)), (near, ()), (edge, (edge,)),
            (near, tuple(edge for _ in range(40)))):
        assert is_refused(acting_sender(links, actor, child, *chain)), (child.client_id, chain)
    plain = links.sender(near, path(near, "messages/events"), authentication(actor))
    assert is_refused(plain)
    foreign = edge_hub(other, rest)
    assert is_refused(acting_sender(links, foreign, near, edge))


def test_new_keys_of_the_edge_hub_end_its_childrens_links(
        links, identities, rest, events, edge, actor):
    child = leaf_of(edge, identities)
    sender = acting_sender(links, actor, child, edge)
    assert send(sender, telemetry("before")) == [constants.MessageState.SendComplete]
    edge_hub(edge, rest)
    wait_until(
        lambda: rest.device(child.device_id)["connectionState"] == "Disconnected", 5,
        "the child's link has ended")


def test_a_modules_inputs_are_granted_and_stay_empty(links, identities, edge):
    """As over MQTT: an edge hub's routes fill inputs, so the hub itself has nothing to deliver."""
    module = identities.module(edge, "m")
    client = links.receiver(module, path(module, "messages/events"))
    client.open()
    attached(client)
    assert receive(client, seconds=1) is None
    device = identities.device()
    assert is_refused(links.receiver(device, path(device, "messages/events")))
