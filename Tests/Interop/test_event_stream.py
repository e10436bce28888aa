"""The Event-Hubs-compatible endpoint, judged by the stock azure-eventhub client."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, TransportType
from azure.eventhub.exceptions import (
    AuthenticationError, ConnectError, ConnectionLostError, EventHubError,
)

import sas
from hub import BODY_CANARY
from waiting import wait_until

TRANSPORTS = pytest.mark.parametrize(
    "transport", [TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["tcp", "websocket"]
)


@pytest.fixture(scope="module")
def hub(hub_factory):
    """A hub on which only these tests send.

    Over WebSocket the stock client reads up to `prefetch` frames of one partition, waiting a second
    for each, before it looks at the next partition: any device that sends a few times a second, as
    on the shared hub, would keep it from the others for a minute.
    """
    return hub_factory()


def consumer(hub, entity=None, group="$Default", policy="service", key=None, **options):
    """A stock consumer client that trusts the hub's CA."""
    text = (
        f"Endpoint=sb://{hub.host}/;SharedAccessKeyName={policy};"
        f"SharedAccessKey={key or hub.policy_key(policy)};EntityPath={entity or hub.host}"
    )
    options.setdefault("retry_total", 0)
    return EventHubConsumerClient.from_connection_string(
        text, consumer_group=group, connection_verify=hub.ca_path, **options
    )


class Receiving:
    """A stock client that receives in a thread of its own until the test ends."""

    def __init__(self, client, **options):
        self.client, self.events, self.errors = client, [], []
        self._changed = threading.Condition()
        options.setdefault("starting_position", "-1")
        self._thread = threading.Thread(
            target=client.receive_batch, args=(self._take,),
            kwargs={"on_error": self._fail, "max_wait_time": 0.2, **options}, daemon=True,
        )
        self._thread.start()

    def _take(self, context, events):
        with self._changed:
            self.events += events
            self.last = context.last_enqueued_event_properties
            self._changed.notify_all()

    def _fail(self, _, error):
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def of(self, device=None):
        """What has arrived of one device, or of all."""
        return [
            event for event in list(self.events)
            if device is None
            or event.system_properties[b"iothub-connection-device-id"] == device.encode()
        ]

    def wait_for(self, count, device=None, seconds=45):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(device)) >= count, seconds), (
                f"{len(self.of(device))} of {count} events, {len(self.events)} in all; "
                f"errors: {self.errors}"
            )
        return self.of(device)

    def wait_for_error(self, seconds=20):
        with self._changed:
            assert self._changed.wait_for(lambda: self.errors, seconds), "no error"
        return self.errors[0]

    def stop(self):
        self.client.close()
        self._thread.join(10)


@pytest.fixture
def receiving(hub):
    made = []

    def make(client=None, **options):
        made.append(Receiving(client or consumer(hub), **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def publish(device, count, prefix="e", bag=""):
    """Sends telemetry over MQTT and waits for each PUBACK."""
    connection, code = device.try_connect()
    assert code == 0
    for number in range(count):
        connection.publish(
            f"devices/{device.device_id}/messages/events/{bag}",
            f"{BODY_CANARY} {prefix}{number}".encode(), qos=1,
        )
    connection.disconnect()


@pytest.fixture
def sent(device):
    """A device that has sent three events, all of one partition."""
    publish(device, 3, bag="%24.mid=m%201&%24.ct=application%2Fjson&colour=gr%C3%BCn")
    return device


def partition_of(hub, device):
    event = hub.rest("service").call(
        "GET", "/events", params={"from": "earliest", "device": device.device_id}, expect=200
    ).json()["events"][0]
    return str(event["partition"])


@TRANSPORTS
def test_hub_and_partitions_are_described(hub, sent, transport):
    client = consumer(hub, transport_type=transport)
    with client:
        about = client.get_eventhub_properties()
        assert about["eventhub_name"] == hub.host
        assert about["partition_ids"] == client.get_partition_ids() == ["0", "1", "2", "3"]
        lived = datetime.now(timezone.utc) - about["created_at"]
        assert timedelta(0) <= lived < timedelta(hours=2), "the hub of this run is older"
        last = client.get_partition_properties(partition_of(hub, sent))
        assert last["last_enqueued_sequence_number"] >= 2 and not last["is_empty"]
        assert int(last["last_enqueued_offset"]) > 0
        age = datetime.now(timezone.utc) - last["last_enqueued_time_utc"]
        assert timedelta(0) <= age < timedelta(minutes=1)


@TRANSPORTS
def test_events_arrive_with_all_that_the_sender_and_the_hub_said(
        hub, sent, receiving, transport):
    got = receiving(consumer(hub, transport_type=transport)).wait_for(3, sent.device_id)
    assert [event.body_as_str() for event in got] == [
        f"{BODY_CANARY} e{number}" for number in range(3)
    ]
    event = got[0]
    assert event.properties == {b"colour": "grün".encode()}
    assert event.message_id == "m 1" and event.content_type == "application/json"
    system = event.system_properties
    assert system[b"iothub-message-source"] == b"Telemetry"
    assert system[b"to"] == f"/devices/{sent.device_id}/messages/events".encode()
    assert b'"type":"sas"' in system[b"iothub-connection-auth-method"]
    generation = sent.record["generationId"].encode()
    assert system[b"iothub-connection-auth-generation-id"] == generation
    assert system[b"iothub-enqueuedtime"] <= system[b"x-opt-enqueued-time"]
    numbers = [event.sequence_number for event in got]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert [int(event.offset) for event in got] == sorted(int(event.offset) for event in got)


def test_live_events_arrive_soon(hub, device, receiving):
    stream = receiving(starting_position="@latest")

    def stands():
        # The stock client tells of no link that it has opened: events before that are not seen.
        publish(device, 1, prefix="probe")
        return stream.of(device.device_id)

    wait_until(stands, 20, "the link of the device's partition stands", interval=0.2)
    publish(device, 5, prefix="live")

    def live():
        bodies = [event.body_as_str() for event in stream.of(device.device_id)]
        return [body for body in bodies if body.startswith(f"{BODY_CANARY} live")]

    wait_until(lambda: len(live()) >= 5, 5, "five live events")
    assert live() == [f"{BODY_CANARY} live{number}" for number in range(5)]


def test_each_position_begins_where_it_says(hub, sent, receiving):
    partition = partition_of(hub, sent)
    first = receiving(partition_id=partition).wait_for(3, sent.device_id)
    one, two, three = (event.sequence_number for event in first)
    rows = [
        (first[0].offset, False, two), (first[0].offset, True, one),
        (two, False, three), (two, True, two),
        (first[2].enqueued_time - timedelta(milliseconds=1), False, None),
    ]
    for position, inclusive, expected in rows:
        stream = receiving(
            consumer(hub), partition_id=partition, starting_position=position,
            starting_position_inclusive=inclusive,
        )
        event = stream.wait_for(1, sent.device_id)[0]
        assert expected is None or event.sequence_number == expected, (position, inclusive)
        assert event.enqueued_time >= first[0].enqueued_time
        stream.stop()


def test_what_was_enqueued_last_is_told(hub, sent, receiving):
    stream = receiving(
        partition_id=partition_of(hub, sent), track_last_enqueued_event_properties=True
    )
    event = stream.wait_for(3, sent.device_id)[-1]
    assert stream.last["sequence_number"] >= event.sequence_number
    assert int(stream.last["offset"]) >= int(event.offset)


def test_large_events_come_whole(hub, device, receiving):
    connection, code = device.try_connect()
    assert code == 0
    body = (BODY_CANARY + "0123456789abcdef" * 16_000).encode()
    connection.publish(f"devices/{device.device_id}/messages/events/", body, qos=1)
    connection.disconnect()
    stream = receiving(consumer(hub, entity="messages/events"))
    assert stream.wait_for(1, device.device_id)[0].body_as_str().encode() == body


def test_a_higher_owner_level_takes_over_and_a_lower_one_is_refused(hub, sent, receiving):
    partition = partition_of(hub, sent)
    low = receiving(consumer(hub), partition_id=partition, owner_level=1)
    low.wait_for(3, sent.device_id)
    high = receiving(consumer(hub), partition_id=partition, owner_level=5)
    high.wait_for(3, sent.device_id)
    assert isinstance(low.wait_for_error(), ConnectionLostError)
    assert "owner level 5" in str(low.errors[0])
    for level in ({"owner_level": 2}, {}):
        refused = receiving(consumer(hub), partition_id=partition, **level)
        assert "owner level 5" in str(refused.wait_for_error())
    assert not high.errors


def test_five_receivers_without_owner_level_and_no_more(hub, sent, receiving):
    partition = partition_of(hub, sent)
    for _ in range(5):
        receiving(consumer(hub), partition_id=partition).wait_for(3, sent.device_id)
    refused = receiving(consumer(hub), partition_id=partition)
    assert "5 receivers" in str(refused.wait_for_error())


def test_unknown_names_are_refused(hub, sent, receiving):
    with consumer(hub, entity="other") as client, pytest.raises(EventHubError):
        client.get_eventhub_properties()
    with consumer(hub) as client, pytest.raises(ConnectError):
        client.get_partition_properties("77")
    stream = receiving(consumer(hub, group="nobody"), partition_id="0")
    assert "consumer group" in str(stream.wait_for_error())


def test_a_selector_that_is_none_is_refused(hub, sent, receiving):
    stream = receiving(consumer(hub), partition_id="0", starting_position="no offset")
    assert "selector" in str(stream.wait_for_error())


@pytest.mark.parametrize("policy", ["device", "registryRead"])
def test_other_policies_may_not_read(hub, policy):
    with consumer(hub, policy=policy) as client, pytest.raises(AuthenticationError):
        client.get_eventhub_properties()


def test_another_key_is_refused(hub, receiving):
    with consumer(hub, key=sas.new_key()) as client, pytest.raises(AuthenticationError):
        client.get_eventhub_properties()
    stream = receiving(consumer(hub, key=sas.new_key()), partition_id="0")
    assert isinstance(stream.wait_for_error(), (AuthenticationError, ConnectError))


# To one partition, the client takes the refusal without its text.
@pytest.mark.parametrize(("partition", "text"), [(None, "send as a device"), ("0", "")])
def test_sending_to_the_stream_is_refused_and_says_so(hub, partition, text):
    from azure.eventhub import EventHubProducerClient

    policy = (
        f"Endpoint=sb://{hub.host}/;SharedAccessKeyName=service;"
        f"SharedAccessKey={hub.policy_key('service')};EntityPath={hub.host}"
    )
    producer = EventHubProducerClient.from_connection_string(
        policy, connection_verify=hub.ca_path, retry_total=0
    )
    with producer, pytest.raises(EventHubError, match=text):
        producer.send_batch([EventData("x")], partition_id=partition)


# Streams that routing makes


@pytest.fixture
def alarms(hub):
    """A stream that gets what has the property level=alarm; the built-in one gets the rest."""
    rest = hub.rest()
    rest.call("PUT", "/routing", expect=200, json={
        "endpoints": {"eventStreams": [{"name": "alarms"}]},
        "routes": [{"name": "alarms", "source": "DeviceMessages", "condition": "level = 'alarm'",
                    "endpointNames": ["alarms"]}],
        "enrichments": [{"key": "hub", "value": "$iothubname", "endpointNames": ["alarms"]}],
    })
    yield "alarms"
    rest.call("PUT", "/routing", expect=200, json={})


@TRANSPORTS
def test_a_further_stream_has_what_is_routed_to_it(hub, device, alarms, receiving, transport):
    options = {"transport_type": transport}
    stream = receiving(consumer(hub, alarms, **options))
    built_in = receiving(consumer(hub, **options))
    publish(device, 2, "ordinary")
    publish(device, 3, "alarm", bag="level=alarm")
    publish(device, 1, "ordinary")
    events = stream.wait_for(3)
    built_in.wait_for(3, device.device_id)
    assert [event.body_as_str().split()[-1] for event in events] == ["alarm0", "alarm1", "alarm2"]
    assert all(event.properties[b"hub"] for event in events)
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    bodies = [event.body_as_str() for event in built_in.of(device.device_id)]
    assert not any("alarm" in body for body in bodies)


def test_a_further_stream_is_described(hub, device, alarms):
    publish(device, 1, bag="level=alarm")
    partition = partition_of_stream(hub, device, alarms)
    with consumer(hub, "Alarms") as client:
        assert client.get_eventhub_properties()["eventhub_name"] == "Alarms"
        about = client.get_partition_properties(partition)
        assert not about["is_empty"]
        assert about["last_enqueued_sequence_number"] >= about["beginning_sequence_number"]
    with consumer(hub, "nothing") as client, pytest.raises(ConnectError):
        client.get_eventhub_properties()


def partition_of_stream(hub, device, stream):
    events = hub.rest("service").call(
        "GET", "/events", params={"from": "earliest", "stream": stream}, expect=200).json()["events"]
    return str(events[-1]["partition"])


def test_readers_of_two_streams_do_not_make_each_other_give_way(hub, device, alarms, receiving):
    stream = receiving(consumer(hub, alarms), owner_level=1)
    built_in = receiving(consumer(hub), owner_level=2)
    publish(device, 1, bag="level=alarm")
    publish(device, 1)
    stream.wait_for(1)
    built_in.wait_for(1, device.device_id)
    assert not stream.errors and not built_in.errors


def test_readers_of_a_stream_that_is_removed_are_cut_off(hub, device, alarms, receiving):
    stream = receiving(consumer(hub, alarms))
    publish(device, 1, bag="level=alarm")
    stream.wait_for(1)
    hub.rest().call("PUT", "/routing", expect=200, json={})
    # A reader looks when something is appended.
    publish(device, 1)
    assert isinstance(stream.wait_for_error(), EventHubError)
