"""Health, metrics, start and stop as an operator sees them."""

import json
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest
import requests

import hub as hub_module
import sas
from conftest import Identities, health
from mqtt_wire import API, MQTTConnection, telemetry_topic
from rest import check_error, segment
from waiting import wait_until

SAMPLE = re.compile(
    r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="(\\.|[^"\\])*",?)*\})? '
    r"([-+]?[0-9.eE+-]+|NaN|[-+]?Inf)( -?\d+)?$")


def metrics(hub):
    answer = requests.get(hub.ready["admin"] + "/metrics", timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.text


def total(text):
    """The sum of all counters, to see that something was counted."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if re.match(r"^\w+_total[{ ]", line))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(hub, path):
    assert health(hub, path).status_code == 200


def test_metrics_are_prometheus_text(hub, device):
    device.connect().disconnect()
    text = metrics(hub)
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            assert name not in typed, f"{name} is described twice"
            assert kind in ("counter", "gauge", "histogram", "summary", "untyped")
            typed.add(name)
        elif line and not line.startswith("#"):
            assert SAMPLE.match(line), line
    assert typed, "nothing is measured"
    assert device.device_id not in text, "a label for every device would grow without bound"


def test_telemetry_and_refusals_are_counted(hub, device):
    before = total(metrics(hub))
    with device.connect() as connection:
        connection.publish(telemetry_topic(device.device_id), b"x")
    wait_until(lambda: total(metrics(hub)) > before, 5, "the message was counted")
    before = total(metrics(hub))
    connection, code = device.try_connect(password=device.token(key=sas.new_key()))
    connection.abort()
    assert code == 5
    wait_until(lambda: total(metrics(hub)) > before, 5, "the refusal was counted")


def test_the_admin_listener_is_on_loopback_only(hub):
    assert hub.ready["admin"].startswith("http://127.")


def test_metrics_are_not_on_the_public_port(rest):
    for path in ("/metrics", "/healthz", "/readyz"):
        assert rest.call("GET", path, token=False).status_code in (400, 401, 404)


def test_ready_file(hub):
    ready = json.loads(hub.ready_path.read_text())
    assert ready["pid"] == hub.process.pid and ready["mqtt"] == 8883 and ready["https"] == 443
    assert ready["amqp"] == 5671
    assert set(ready["policies"]) == {
        "provisioningserviceowner",
        "iothubowner", "service", "device", "registryRead", "registryReadWrite"}
    mode = stat.S_IMODE(hub.ready_path.stat().st_mode)
    assert mode & 0o077 == 0, f"the file holds keys and has mode {mode:o}"


def test_ready_within_a_second(hub_factory):
    fresh = hub_factory()
    assert fresh.seconds_to_ready < 1, f"{fresh.seconds_to_ready:.2f} s"
    fresh.stop()


def test_first_start_prints_what_a_person_needs(hub):
    text = hub.output_path.read_text()
    assert "HostName=" in text and "SharedAccessKeyName=iothubowner" in text
    assert "server_verification_cert" in text and "REQUESTS_CA_BUNDLE" in text


def test_a_clean_stop_disconnects_and_ends_with_0(hub_factory):
    fresh = hub_factory()
    device = Identities(fresh, "stop").device()
    connection = device.connect()
    begun = time.monotonic()
    fresh.stop()
    assert time.monotonic() - begun < 10
    connection.expect_closed()


def test_log_records_have_time_level_and_message(hub, device):
    device.connect().disconnect()
    connection, _ = device.try_connect(password="nonsense")
    connection.abort()
    for record in hub.log_records():
        assert {"level", "message"} <= {key.lower() for key in record} or (
            {"level", "msg"} <= {key.lower() for key in record}), record
    wait_until(lambda: device.device_id in hub.log_path.read_text(), 5,
               "the refused connection is in the log")


def check_config(directory, text, *arguments):
    path = Path(directory) / "hub.toml"
    path.write_text(text)
    return subprocess.run(
        [str(hub_module.binary()), "hub", "--config", str(path), "--check-config", *arguments],
        capture_output=True, text=True, timeout=10, check=False)


def test_configuration_is_checked(hub, tmp_path):
    good = check_config(tmp_path, "[sas]\nskew_seconds = 10\n")
    assert good.returncode == 0, good.stderr
    for text, word in (("[sas]\nskwe_seconds = 10\n", "skwe_seconds"),
                       ("[sas]\nskew_seconds = 'ten'\n", "skew_seconds"), ("[sas\n", "")):
        bad = check_config(tmp_path, text)
        assert bad.returncode == 2, bad
        assert word in bad.stderr + bad.stdout


def test_an_unknown_setting_ends_the_start(hub, tmp_path):
    result = subprocess.run(
        [str(hub_module.binary()), "hub", "--ephemeral", "--host", "127.0.77.252",
         "--set", "no.such_key=1"], capture_output=True, text=True, timeout=10, check=False)
    assert result.returncode == 2 and "no.such_key" in result.stderr, result


def test_throttles(hub_factory):
    """Six registry operations a minute and two connections a second on this hub."""
    tight = hub_factory({"throttle.registry_per_minute": 6,
                         "throttle.connects_per_second": 2})
    rest = tight.rest()
    device = Identities(tight, "throttle").device()
    answers = [rest.call("GET", f"/devices/{device.device_id}") for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused, "nothing was throttled"
    check_error(refused[0], 429, "ThrottlingException")
    assert int(refused[0].headers["Retry-After"]) >= 0
    codes = []
    for _ in range(12):
        connection, code = device.try_connect()
        connection.abort()
        codes.append(code)
    assert 3 in codes and 0 in codes, codes
    tight.stop()


@pytest.mark.parametrize("path", ["/devices", "/devices/{device}/modules"])
def test_the_admin_token_opens_every_route_of_policies(hub, device, path):
    answer = requests.get(
        hub.base + path.format(device=segment(device.device_id)), params={"api-version": API},
        headers={"Authorization": "Bearer " + hub.ready["adminToken"]}, verify=hub.ca_path, timeout=5)
    assert answer.status_code == 200, answer.text


def test_a_backup_into_a_path_with_a_slash_at_its_end(hub_factory, tmp_path):
    running = hub_factory({"listen.admin_port": 0}, tmp_path / "data")
    target = tmp_path / "copy"
    answer = running.rest().call("POST", "/admin/backup", json={"path": f"{target}/"})
    assert answer.status_code == 200, answer.text
    assert (target / "backup.json").exists() and not list(tmp_path.glob("*.partial"))


def test_a_backup_that_fails_leaves_nothing(hub_factory, tmp_path):
    running = hub_factory({"listen.admin_port": 0}, tmp_path / "data")
    (tmp_path / "data/admin.token").unlink()
    (tmp_path / "data/admin.token").mkdir()
    target = tmp_path / "copy"
    answer = running.rest().call("POST", "/admin/backup", json={"path": str(target)})
    assert answer.status_code == 400, answer.text
    assert not target.exists() and not list(tmp_path.glob("copy*"))


def test_a_peer_cannot_write_lines_of_its_own_into_the_log(hub_factory):
    running = hub_factory(settings={"logging.format": "text"})
    with MQTTConnection.open(running) as connection:
        assert connection.connect("x\n2026 error forged\x1b[31m", "h/x", "p") == 2
    line, = wait_until(lambda: [
        line for line in running.log_path.read_text().split("\n") if "forged" in line],
        5, "the refusal is in the log")
    assert "connection refused" in line and "\x1b" not in line
    running.stop()
    # Its lines are no JSON, which all logs are checked for at the end.
    running.log_path.unlink()
