"""Cloud-to-device messages: properties, order, redelivery, limits, feedback (contract 3.5)."""

import datetime
import queue
import struct
import time
import uuid

import pytest

from mqtt_wire import PUBACK, c2d_filter, packet, publish_packet
from rest import check_error
from waiting import wait_for_clock, wait_until


def inbox(client):
    arrived = queue.Queue()
    client.on_message_received = arrived.put
    return arrived


def iso(epoch_seconds):
    return datetime.datetime.fromtimestamp(epoch_seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "websocket"])
def test_every_property_reaches_the_stock_client(stock, device, rest, websockets):
    arrived = inbox(stock.connect(device, websockets=websockets))
    expiry = iso(time.time() + 600)
    answer = rest.send_c2d(
        device.device_id, b'{"hello":"world"}', messageid="mid-1", correlationid="cid/1+2",
        userid="operator", contenttype="application/json", contentencoding="utf-8",
        expiry=expiry, ack="full",
        app={"plain": "value", "empty": "", "slash": "a/b", "plus": "a+b", "and": "a&b=c",
             "percent": "50%25"}).json()
    assert answer["messageId"] == "mid-1" and isinstance(answer["sequenceNumber"], int)
    message = arrived.get(timeout=5)
    assert message.data == b'{"hello":"world"}'
    assert (message.message_id, message.correlation_id, message.user_id) == (
        "mid-1", "cid/1+2", "operator")
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.expiry_time_utc.startswith(expiry[:19])
    assert message.ack == "full"
    assert message.custom_properties == {
        "plain": "value", "empty": "", "slash": "a/b", "plus": "a+b", "and": "a&b=c",
        "percent": "50%25"}


def test_the_topic_on_the_wire(device, rest):
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        rest.send_c2d(device.device_id, b"x", messageid="m/1", app={"k": "a/b"})
        got = connection.expect_publish()
    prefix = f"devices/{device.device_id}/messages/devicebound/"
    assert got.topic.startswith(prefix) and got.qos == 1 and not got.retain
    bag = got.topic.removeprefix(prefix)
    assert "/" not in bag, "the stock client reads one topic level only"
    first = bag.split("&")[0].replace("%24", "$")
    assert first.lower() == f"$.to=%2fdevices%2f{device.device_id}%2fmessages%2fdevicebound".lower()
    assert "k=a%2Fb" in bag


def test_a_message_id_is_made_when_none_is_given(stock, device, rest):
    arrived = inbox(stock.connect(device))
    made = rest.send_c2d(device.device_id, b"x").json()["messageId"]
    assert made and arrived.get(timeout=5).message_id == made


def test_order_is_kept_for_fifty(stock, device, rest):
    for number in range(50):
        rest.send_c2d(device.device_id, str(number).encode())
    arrived = inbox(stock.connect(device))
    assert [int(arrived.get(timeout=10).data) for _ in range(50)] == list(range(50))


def test_nothing_is_delivered_before_the_subscription(device, rest):
    rest.send_c2d(device.device_id, b"x")
    with device.connect(clean=True) as connection:
        connection.expect_silence()
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"x"


def test_remembered_subscription_delivers_at_connect(device, rest):
    with device.connect(clean=False) as connection:
        connection.subscribe(c2d_filter(device.device_id))
        connection.disconnect()
    rest.send_c2d(device.device_id, b"x")
    with device.connect(clean=False) as connection:
        assert connection.session_present
        assert connection.expect_publish().payload == b"x"


def test_clean_session_forgets_the_subscription(device, rest):
    with device.connect(clean=False) as connection:
        connection.subscribe(c2d_filter(device.device_id))
    device.connect(clean=True).disconnect()
    rest.send_c2d(device.device_id, b"x")
    with device.connect(clean=False) as connection:
        assert not connection.session_present
        connection.expect_silence()


def test_unacknowledged_messages_come_again_in_order(device, rest):
    for number in range(3):
        rest.send_c2d(device.device_id, str(number).encode())
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        got = [connection.expect_publish(acknowledge=number == 0).payload for number in range(3)]
        assert got == [b"0", b"1", b"2"]
        connection.ping()
        connection.abort()
    with device.connect() as connection:
        assert [connection.expect_publish().payload for _ in range(2)] == [b"1", b"2"]
        connection.expect_silence()
    assert rest.device(device.device_id)["cloudToDeviceMessageCount"] == 0


def test_messages_stay_invisible_while_the_connection_lives(device, rest):
    rest.send_c2d(device.device_id, b"x")
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        connection.expect_publish(acknowledge=False)
        connection.expect_silence(1)


def test_subscribed_with_qos_0(device, rest):
    with device.connect() as connection:
        assert connection.subscribe((c2d_filter(device.device_id), 0)) == [0]
        rest.send_c2d(device.device_id, b"x")
        assert connection.expect_publish().qos == 0
    wait_until(lambda: rest.device(device.device_id)["cloudToDeviceMessageCount"] == 0, 5,
               "a QoS 0 delivery completes the message")


def test_the_fifty_first_is_refused_and_purge_makes_room(device, rest, registry):
    for number in range(50):
        rest.send_c2d(device.device_id, b"x")
    refused = rest.send_c2d(device.device_id, b"x", expect=None)
    check_error(refused, 403, "DeviceMaximumQueueDepthExceeded")
    assert rest.device(device.device_id)["cloudToDeviceMessageCount"] == 50
    purged = rest.call("DELETE", f"/devices/{device.device_id}/commands", expect=200).json()
    assert purged["totalMessagesPurged"] == 50 and purged["deviceId"] == device.device_id
    rest.send_c2d(device.device_id, b"after")
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"after"


def test_size_limit(device, rest):
    rest.send_c2d(device.device_id, b"x" * 65_000)
    answer = rest.send_c2d(device.device_id, b"x" * 65_537, expect=None)
    check_error(answer, 413, "MessageTooLarge")


def test_refusals(identities, rest, device):
    check_error(rest.send_c2d("nobody-there", b"x", expect=None), 404, "DeviceNotFound")
    check_error(rest.send_c2d(device.device_id, b"x", ack="sometimes", expect=None), 400)
    check_error(rest.send_c2d(device.device_id, b"x", expiry="tomorrow", expect=None), 400)
    check_error(rest.send_c2d(device.device_id, b"x", messageid="m" * 129, expect=None), 400)


def test_expired_messages_are_not_delivered(device, rest):
    expiry = time.time() + 1.5
    rest.send_c2d(device.device_id, b"stale", expiry=iso(expiry))
    rest.send_c2d(device.device_id, b"fresh")
    wait_for_clock(expiry + 0.2)
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        assert connection.expect_publish().payload == b"fresh"
        connection.expect_silence()


def test_two_devices_get_their_own(identities, rest):
    devices = [identities.device() for _ in range(2)]
    connections = [device.connect() for device in devices]
    for device, connection in zip(devices, connections):
        connection.subscribe(c2d_filter(device.device_id))
    for device in devices:
        rest.send_c2d(device.device_id, device.device_id.encode())
    for device, connection in zip(devices, connections):
        assert connection.expect_publish().payload == device.device_id.encode()
        connection.expect_silence(0.2)
        connection.abort()


# Feedback


class Feedback:
    """Collects feedback records by message id; completes what it reads."""

    def __init__(self, rest):
        self._rest, self._records = rest, {}

    def wait_for(self, message_id, timeout=20):
        def look():
            answer = self._rest.call(
                "GET", "/messages/serviceBound/feedback", expect={200, 204})
            if answer.status_code == 200:
                for record in answer.json():
                    self._records[record["originalMessageId"]] = record
                token = answer.headers["ETag"].strip('"')
                self._rest.call(
                    "DELETE", f"/messages/serviceBound/feedback/{token}", expect=204)
            return self._records.get(message_id)

        return wait_until(look, timeout, f"feedback for {message_id}", interval=0.2)

    def has(self, message_id):
        return message_id in self._records


def test_feedback_for_each_outcome(device, rest, hub):
    feedback = Feedback(hub.rest("service"))
    names = {name: f"{name}-{uuid.uuid4()}" for name in
             ("quiet", "positive", "negative", "full", "expired", "purged")}
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        for name in ("quiet", "positive", "negative", "full"):
            ack = {} if name == "quiet" else {"ack": name}
            rest.send_c2d(device.device_id, b"x", messageid=names[name], **ack)
            connection.expect_publish()
        record = feedback.wait_for(names["full"])
        assert record["statusCode"] == "Success" and record["deviceId"] == device.device_id
        assert record["deviceGenerationId"] == device.record["generationId"]
        assert record["enqueuedTimeUtc"].endswith("Z") and "description" in record
        assert feedback.wait_for(names["positive"])["statusCode"] == "Success"
        connection.disconnect()
    expiry = time.time() + 1
    rest.send_c2d(device.device_id, b"x", messageid=names["expired"], ack="negative",
                  expiry=iso(expiry))
    assert feedback.wait_for(names["expired"])["statusCode"] == "Expired"
    rest.send_c2d(device.device_id, b"x", messageid=names["purged"], ack="full")
    rest.call("DELETE", f"/devices/{device.device_id}/commands", expect=200)
    assert feedback.wait_for(names["purged"])["statusCode"] == "Purged"
    assert not feedback.has(names["quiet"]) and not feedback.has(names["negative"])


def test_delivery_count_ends_in_feedback(strict_hub, strict_identities):
    """This hub gives up after two deliveries."""
    device, rest = strict_identities.device(), strict_hub.rest()
    message_id = f"twice-{uuid.uuid4()}"
    rest.send_c2d(device.device_id, b"x", messageid=message_id, ack="full")
    for attempt in range(2):
        with device.connect(clean=False) as connection:
            if attempt == 0:
                connection.subscribe(c2d_filter(device.device_id))
            connection.expect_publish(acknowledge=False)
    with device.connect(clean=False) as connection:
        connection.expect_silence()
    record = Feedback(strict_hub.rest("service")).wait_for(message_id)
    assert record["statusCode"] == "DeliveryCountExceeded"


def test_abandoned_feedback_comes_again(device, rest, hub):
    service, message_id = hub.rest("service"), f"again-{uuid.uuid4()}"
    rest.send_c2d(device.device_id, b"x", messageid=message_id, ack="full")
    with device.connect() as connection:
        connection.subscribe(c2d_filter(device.device_id))
        connection.expect_publish()

    def receive():
        answer = service.call("GET", "/messages/serviceBound/feedback", expect={200, 204})
        if answer.status_code == 204:
            return None
        ids = [record["originalMessageId"] for record in answer.json()]
        token = answer.headers["ETag"].strip('"')
        if message_id in ids:
            return token
        service.call("DELETE", f"/messages/serviceBound/feedback/{token}", expect=204)
        return None

    token = wait_until(receive, 20, "the feedback", interval=0.2)
    service.call("POST", f"/messages/serviceBound/feedback/{token}/abandon", expect=204)
    token = wait_until(receive, 20, "the abandoned feedback", interval=0.2)
    service.call("DELETE", f"/messages/serviceBound/feedback/{token}", expect=204)


def test_stock_runtime_manager_receives_feedback(hub):
    from azure.iot.hub import IoTHubHttpRuntimeManager

    manager = IoTHubHttpRuntimeManager.from_connection_string(hub.connection_string("service"))
    manager.receive_feedback_notification()  # 200 or 204; anything else raises.


def test_a_window_full_of_other_messages_holds_nothing_back_for_good(device, rest):
    """What the hub took out of the queue for a client whose window is full goes when there is room."""
    with device.connect() as connection:
        connection.subscribe("$iothub/twin/res/#", c2d_filter(device.device_id))
        for number in range(100):
            connection.send(publish_packet(f"$iothub/twin/GET/?$rid={number}", qos=0))
        answers = [connection.expect_publish(acknowledge=False) for _ in range(100)]
        sent = [f"{number}".encode() for number in range(20)]
        for body in sent:
            rest.send_c2d(device.device_id, body)
        connection.expect_silence()
        for answer in answers:
            connection.send(packet(PUBACK, struct.pack(">H", answer.identifier)))
        assert [connection.expect_publish().payload for _ in sent] == sent
