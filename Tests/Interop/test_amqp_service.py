"""Cloud-to-device messages and feedback over AMQP: the stock service client's uamqp half."""

import json
import time
from datetime import timedelta

import pytest
import uamqp
from azure.iot.hub import IoTHubRegistryManager

import sas
from conftest import stock_registry
from waiting import wait_until


@pytest.fixture
def service(hub, bundle):
    """A stock service client that may do nothing but what services do."""
    manager = IoTHubRegistryManager.from_connection_string(hub.connection_string("service"))
    yield manager
    manager.amqp_svc_client.disconnect_sync()


@pytest.fixture
def feedback(hub, bundle):
    """A receiver of feedback with the library inside the stock service client."""
    made = []

    def make():
        token = sas.token(hub.host, hub.policy_key("service"), policy="service")
        auth = uamqp.authentication.SASTokenAuth(
            audience=f"https://{hub.host}", uri=f"https://{hub.host}", token=token,
            expires_in=timedelta(minutes=10),
            expires_at=int(time.time()) + 600,
        )
        client = uamqp.ReceiveClient(
            f"amqps://{hub.host}/messages/serviceBound/feedback", auth=auth, timeout=5000,
            auto_complete=False,
            receive_settle_mode=uamqp.constants.ReceiverSettleMode.PeekLock,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def test_a_message_reaches_the_device_with_its_properties(hub, service, device, stock):
    client = stock.connect(device)
    got = []
    client.on_message_received = got.append
    service.send_c2d_message(
        device.device_id, "grün",
        properties={
            "messageId": "m1", "correlationId": "c1", "contentType": "text/plain",
            "contentEncoding": "utf-8", "colour": "blue / green",
        },
    )
    message = wait_until(lambda: got, 10, "the message reaches the device")[0]
    assert message.data == "grün".encode()
    assert (message.message_id, message.correlation_id) == ("m1", "c1")
    assert (message.content_type, message.content_encoding) == ("text/plain", "utf-8")
    assert message.custom_properties == {"colour": "blue / green"}


def test_what_cannot_be_queued_is_refused(hub, service, device, rest):
    with pytest.raises(Exception, match="C2D message send failure"):
        service.send_c2d_message("no-such-device", "x")
    with pytest.raises(Exception, match="C2D message send failure"):
        service.send_c2d_message(device.device_id, "x" * 65_537)
    with pytest.raises(Exception, match="C2D message send failure"):
        service.send_c2d_message(device.device_id, "x", properties={"iothub-ack": "perhaps"})
    for _ in range(50):
        service.send_c2d_message(device.device_id, "x")
    with pytest.raises(Exception, match="C2D message send failure"):
        service.send_c2d_message(device.device_id, "x")


def test_feedback_comes_until_it_is_accepted(hub, service, device, stock, feedback):
    client = stock.connect(device)
    client.on_message_received = lambda message: None
    service.send_c2d_message(
        device.device_id, "x", properties={"iothub-ack": "full", "messageId": "wanted"}
    )
    receiver = feedback()
    batch = receiver.receive_message_batch(max_batch_size=1, timeout=10_000)
    assert batch, "no feedback"
    message = batch[0]
    assert len(message.delivery_tag) == 16
    assert message.properties.content_type == b"application/vnd.microsoft.iothub.feedback.json"
    records = json.loads(b"".join(message.get_data()))
    wanted = next(record for record in records if record["originalMessageId"] == "wanted")
    assert wanted["statusCode"] == "Success" and wanted["deviceId"] == device.device_id
    message.release()
    again = receiver.receive_message_batch(max_batch_size=1, timeout=10_000)
    assert "wanted" in b"".join(again[0].get_data()).decode()
    again[0].accept()
    assert not receiver.receive_message_batch(max_batch_size=1, timeout=1_000)


def test_a_policy_without_the_right_sends_nothing(hub, device, bundle):
    manager = stock_registry(hub, "registryRead")
    with pytest.raises(Exception):
        manager.send_c2d_message(device.device_id, "x")
