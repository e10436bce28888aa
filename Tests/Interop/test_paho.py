"""paho-mqtt as other people's code uses it: no SDK around it."""

import queue
import threading

import paho.mqtt.client as paho
import pytest

from events import body_of
from mqtt_wire import c2d_filter, telemetry_topic


@pytest.fixture(params=["tcp", "websockets"])
def client(request, hub, device):
    made = paho.Client(device.client_id, clean_session=False, protocol=paho.MQTTv311,
                       transport=request.param)
    made.username_pw_set(device.username(), device.token())
    made.tls_set(ca_certs=hub.ca_path)
    if request.param == "websockets":
        made.ws_set_options(path="/$iothub/websocket")
    connected = threading.Event()
    made.on_connect = lambda *_: connected.set()
    made.connect(hub.host, hub.https_port if request.param == "websockets" else hub.mqtt_port)
    made.loop_start()
    assert connected.wait(5)
    yield made
    made.disconnect()
    made.loop_stop()


def test_publish_and_subscribe(client, device, events, rest):
    arrived, subscribed = queue.Queue(), threading.Event()
    client.on_message = lambda _client, _data, message: arrived.put(message)
    client.on_subscribe = lambda *_: subscribed.set()
    assert client.subscribe(c2d_filter(device.device_id), 1)[0] == paho.MQTT_ERR_SUCCESS
    assert subscribed.wait(5)
    rest.send_c2d(device.device_id, b"down")
    assert arrived.get(timeout=5).payload == b"down"
    for number in range(50):
        client.publish(telemetry_topic(device.device_id), str(number), 1)
    got = events.wait_for(50, device=device.device_id)
    assert sorted(int(body_of(event)) for event in got) == list(range(50))


def test_mqtt_5_is_refused_with_code_1_or_a_close(hub, device):
    made = paho.Client(device.client_id, protocol=paho.MQTTv5)
    made.username_pw_set(device.username(), device.token())
    made.tls_set(ca_certs=hub.ca_path)
    outcome = queue.Queue()
    made.on_connect = lambda _client, _data, _flags, code, *_: outcome.put(("connected", str(code)))
    made.on_disconnect = lambda *_: outcome.put(("closed", ""))
    made.connect(hub.host, hub.mqtt_port)
    made.loop_start()
    kind, code = outcome.get(timeout=5)
    made.loop_stop()
    assert kind == "closed" or code != "Success"
