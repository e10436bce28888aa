"""Debian's mosquitto clients as plain MQTT 3.1.1 clients over TLS."""

import shutil
import signal
import subprocess

import pytest

from events import body_of
from mqtt_wire import c2d_filter, telemetry_topic
from waiting import wait_until

pytestmark = pytest.mark.skipif(
    not (shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub")),
    reason="the package mosquitto-clients is not installed")


def command(tool, device, *arguments, token=None):
    return [tool, "-h", device.hub.host, "-p", str(device.hub.mqtt_port),
            "--cafile", device.hub.ca_path, "-V", "mqttv311", "-i", device.client_id,
            "-u", device.username(), "-P", token or device.token(), *arguments]


def run(tool, device, *arguments, **options):
    return subprocess.run(command(tool, device, *arguments, **options), timeout=15, check=False,
                          capture_output=True, text=True)


@pytest.mark.parametrize("qos", ["0", "1"])
def test_publish(device, events, qos):
    topic = telemetry_topic(device.device_id, **{"$.ct": "text/plain", "key": "a b"})
    result = run("mosquitto_pub", device, "-q", qos, "-t", topic, "-m", "hello")
    assert result.returncode == 0, result.stderr
    event, = events.wait_for(1, device=device.device_id)
    assert body_of(event) == b"hello"
    assert event["applicationProperties"] == {"key": "a b"}
    assert event["properties"]["content-type"] == "text/plain"


def test_publish_many_lines_in_order(device, events):
    lines = "".join(f"line {number}\n" for number in range(100))
    result = subprocess.run(
        command("mosquitto_pub", device, "-q", "1", "-t", telemetry_topic(device.device_id), "-l"),
        input=lines, text=True, timeout=15, check=False, capture_output=True)
    assert result.returncode == 0, result.stderr
    got = events.wait_for(100, device=device.device_id)
    assert sorted(body_of(event).decode() for event in got) == sorted(lines.splitlines())


def test_retained_publish_is_marked_and_not_retained(device, events):
    topic = telemetry_topic(device.device_id)
    run("mosquitto_pub", device, "-q", "1", "-r", "-t", topic, "-m", "x")
    event, = events.wait_for(1, device=device.device_id)
    assert event["applicationProperties"] == {"mqtt-retain": "true"}


def test_subscribe(device, rest):
    rest.send_c2d(device.device_id, b"down", messageid="m1")
    result = run("mosquitto_sub", device, "-q", "1", "-t", c2d_filter(device.device_id),
                 "-C", "1", "-W", "10", "-F", "%t %p")
    assert result.returncode == 0, result.stderr
    topic, payload = result.stdout.strip().rsplit(" ", 1)
    assert payload == "down" and "mid=m1" in topic
    wait_until(lambda: rest.device(device.device_id)["cloudToDeviceMessageCount"] == 0, 5,
               "the message was completed")


def test_persistent_session(device, rest):
    first = run("mosquitto_sub", device, "-c", "-q", "1", "-t", c2d_filter(device.device_id), "-E")
    assert first.returncode == 0, first.stderr
    rest.send_c2d(device.device_id, b"later")
    second = run("mosquitto_sub", device, "-c", "-q", "1", "-t", c2d_filter(device.device_id),
                 "-C", "1", "-W", "10")
    assert second.stdout.strip() == "later", second.stderr


def test_a_will_after_a_violent_end(device, events, rest):
    process = subprocess.Popen(
        command("mosquitto_sub", device, "-t", c2d_filter(device.device_id), "-q", "1",
                "--will-topic", telemetry_topic(device.device_id, why="killed"),
                "--will-payload", "last words", "--will-qos", "1"),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        rest.send_c2d(device.device_id, b"ready?")
        assert process.stdout.readline().strip() == b"ready?"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    event, = events.wait_for(1, device=device.device_id)
    assert body_of(event) == b"last words"
    assert event["applicationProperties"] == {"why": "killed", "iothub-MessageType": "Will"}


def test_bad_password_is_not_authorised(device):
    result = run("mosquitto_pub", device, "-t", telemetry_topic(device.device_id), "-m", "x",
                 token="nonsense")
    assert result.returncode != 0 and "not authorised" in (result.stderr + result.stdout).lower()


def test_refused_subscription(device):
    result = run("mosquitto_sub", device, "-t", "#", "-W", "5", "-E")
    assert result.returncode != 0 or "denied" in result.stderr.lower(), result
