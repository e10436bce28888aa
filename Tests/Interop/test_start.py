"""Starts that fail, the group of commands below `hub`, and what a start writes for others."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

import hub as hub_module
from conftest import NETWORK, Identities
from http_wire import HTTPConnection
from mqtt_wire import c2d_filter, publish_packet, telemetry_topic
from waiting import wait_until
from websocket_wire import Upgrade

# A start that cannot succeed ends by itself, and soon: nothing is waited for.
FAILED_START_SECONDS = 5
ADDRESS = f"{NETWORK}.250"


def orrery(*words, environment=None, directory=None, user=None):
    return subprocess.run(
        [str(hub_module.binary()), *map(str, words)], capture_output=True, text=True, check=False,
        timeout=FAILED_START_SECONDS, cwd=directory, user=user, stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]} | (environment or {}))


def failed_start(data, *words, status=1, **options):
    """Starts a hub that must not come to serve; answers what it says."""
    names = Path(data) / "tls" / "server.names"
    if names.exists():
        # For other names it would make a new certificate, and serve.
        words += ("--names", ",".join(json.loads(names.read_text())))
    result = orrery("hub", "--host", ADDRESS, "--data", data, "--quiet", "--set",
                    "listen.admin_port=0", *words, **options)
    assert result.returncode == status, result
    assert "orrery: error: " in result.stderr, result
    return result.stderr


@pytest.fixture(scope="module")
def used_data(hub_factory, tmp_path_factory):
    """The data directory of a hub that was killed while devices were sending."""
    hub = hub_factory(data=tmp_path_factory.mktemp("used") / "hub")
    device = Identities(hub, "load").device()
    connection = device.connect()
    for number in range(1, 500):
        connection.send(publish_packet(telemetry_topic(device.device_id), b"x" * 1000, 1, number))
    hub.kill()
    connection.abort()
    return hub.data


@pytest.fixture
def data(used_data, tmp_path):
    """A copy of that directory, which a test may damage."""
    shutil.copytree(used_data, tmp_path / "hub")
    return tmp_path / "hub"


def test_starts_with_an_empty_key_all_end_with_the_reason(data):
    key = data / "tls" / "server.key"
    key.write_text("")
    for _ in range(40):
        said = failed_start(data)
        assert str(key) in said and "Remove" in said


def test_starts_on_a_taken_port_all_end_with_the_reason(data):
    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        for number in range(20):
            setting = ("listen.https_port", "listen.mqtt_port")[number % 2]
            said = failed_start(data, "--set", f"{setting}={port}")
            assert f"{ADDRESS}:{port}" in said and setting in said and "another program" in said


def test_the_remedy_for_a_damaged_server_certificate_helps(hub_factory, data):
    (data / "tls" / "server.pem").write_text("nonsense")
    assert str(data / "tls" / "server.pem") in failed_start(data)
    authority = (data / "tls" / "ca.pem").read_text()
    # Its hubs have other names: what is damaged and not needed any more keeps nobody from starting.
    other = hub_factory(data=data)
    assert other.ca_pem == authority
    other.stop()
    (data / "tls" / "server.key").write_text("")
    assert str(data / "tls" / "server.key") in failed_start(data)
    for name in ("server.pem", "server.key"):
        (data / "tls" / name).unlink()
    again = hub_factory(data=data)
    assert again.ca_pem == authority
    again.stop()


@pytest.mark.parametrize("name, word", [
    ("registry.sqlite", "restore"), ("admin.token", "Remove"), ("tls/ca.pem", "backup")])
def test_a_damaged_file_is_named(data, name, word):
    (data / name).write_bytes(b"\0damaged" * 100 if name == "registry.sqlite" else b"damaged")
    for end in ("-wal", "-shm"):
        Path(f"{data}/{name}{end}").unlink(missing_ok=True)
    said = failed_start(data)
    assert str(data / name) in said and word in said


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_lost_registry_is_not_made_anew(data, is_empty):
    path = data / "registry.sqlite"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    if is_empty:
        path.touch()
    for _ in range(2):
        said = failed_start(data)
        assert str(path) in said and "missing or empty" in said and "restore" in said


def test_after_a_clean_stop_the_registry_is_one_file(hub_factory, tmp_path):
    running = hub_factory(data=tmp_path / "hub")
    device = Identities(running, "one-file").device()
    running.stop()
    for end in ("-wal", "-shm"):
        Path(f"{running.data}/registry.sqlite{end}").unlink(missing_ok=True)
    again = hub_factory(data=running.data)
    assert again.rest().device(device.device_id)["deviceId"] == device.device_id
    again.stop()


def test_a_data_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in failed_start(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_data_directory_of_somebody_else_is_named(tmp_path):
    folder = tmp_path
    while folder.stat().st_mode & 0o777 == 0o700:
        folder.chmod(0o755)
        folder = folder.parent
    (tmp_path / "hub").mkdir(mode=0o755)
    said = failed_start(tmp_path / "hub", user=65534)
    assert str(tmp_path / "hub") in said and "Permission denied" in said and "65534" in said


@pytest.mark.parametrize("words, said", [
    (["--set", "no.such_key=1"], "no.such_key"),
    (["--set", "listen.mqtt_port=70000"], "0 to 65535"),
    (["--set", "logging.level=loud"], "one of trace"),
    (["--set", "listen.mqtt_port"], "key=value"),
    (["--set", "tls.certificate=/x"], "tls.private_key"),
    (["--names", "hub.example,https://hub.example/"], '"https://hub.example/" is neither'),
    (["--names", "hub.example:443"], "without ports"),
    (["--set", "hub.names=-hub"], "neither a host name nor an address"),
    (["--no-such-flag"], "no-such-flag"),
])
def test_a_wrong_setting_is_status_2_and_nothing_is_made(tmp_path, words, said):
    result = orrery("hub", "--data", tmp_path / "hub", *words)
    assert result.returncode == 2 and said in result.stderr, result
    assert not (tmp_path / "hub").exists()


def test_wrong_files_and_variables_are_status_2_and_a_missing_file_is_3(tmp_path):
    file = tmp_path / "hub.toml"
    for text in ("[listen\n", "[listen]\nmqtt_prot = 1\n", "[listen]\nmqtt_port = 'x'\n",
                 "[listen]\n\0mqtt_prot = 1\n"):
        file.write_text(text)
        for more in ([], ["--check-config"], ["--print-settings"]):
            result = orrery("hub", "--data", tmp_path / "hub", "--config", file, *more)
            assert result.returncode == 2 and str(file) in result.stderr, result
    result = orrery("hub", "--ephemeral", environment={"ORRERY_LISTEN_MQTT_PROT": "1"})
    assert result.returncode == 2 and "ORRERY_LISTEN_MQTT_PORT" in result.stderr, result
    result = orrery("hub", "--config", tmp_path / "none.toml", "--check-config")
    assert result.returncode == 3 and "none.toml" in result.stderr, result
    assert orrery("hub").returncode == 2, "no data directory is named"


def test_suggestions_are_near_or_none():
    assert "Did you mean listen.mqtt_port?" in orrery(
        "hub", "--ephemeral", "--set", "listen.mqtt_prot=1").stderr
    assert "mean" not in orrery("hub", "--ephemeral", "--set", "frob.nicate=1").stderr
    for words, meant in ((["hbu"], "orrery hub"), (["hub", "statsu"], "orrery hub status")):
        result = orrery(*words)
        assert result.returncode == 2 and f"Did you mean '{meant}'?" in result.stderr, result
    assert "mean" not in orrery("frobnicate").stderr


def test_print_settings_tells_value_origin_and_range(tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text("[listen]\nmqtt_port = 1\nhttps_port = 2\nadmin_port = 3\n")
    words = ["hub", "--config", file, "--set", "listen.mqtt_port=4", "--print-settings"]
    result = orrery(*words, "--output", "json", environment={"ORRERY_LISTEN_HTTPS_PORT": "5"})
    assert result.returncode == 0, result
    settings = {setting["name"]: setting for setting in json.loads(result.stdout)}
    found = {name: (setting["value"], setting["source"]) for name, setting in settings.items()}
    assert found["listen.mqtt_port"] == (4, "flag")
    assert found["listen.https_port"] == (5, "environment")
    assert found["listen.admin_port"] == (3, "file")
    assert settings["listen.admin_port"]["file"] == str(file)
    assert found["log.sync"] == (True, "default") and found["hub.data"] == (None, "default")
    port = settings["listen.mqtt_port"]
    assert (port["minimum"], port["maximum"], port["default"]) == (0, 65535, 8883)
    assert "drop-oldest" in settings["log.when_full"]["choices"]
    text = orrery(*words, "-o", "table").stdout
    assert re.search(r"^listen\.mqtt_port = 4 +\(from the command line\)$", text, re.M), text
    assert "from 0 to 65535; default 8883" in text


def test_the_group_hub_has_commands_with_options_of_their_own(hub_factory, tmp_path):
    running = hub_factory(data=tmp_path / "hub")
    status = orrery("hub", "status", "--data", running.data, "-o", "json")
    assert status.returncode == 0 and json.loads(status.stdout)["isReady"] is True, status
    made = orrery("hub", "backup", tmp_path / "copy", "--data", running.data)
    assert made.returncode == 0 and (tmp_path / "copy" / "backup.json").exists(), made
    running.stop()
    assert orrery("hub", "status", "--data", running.data).returncode == 6
    restored = orrery("hub", "restore", tmp_path / "copy", "--data", tmp_path / "new")
    assert restored.returncode == 0 and (tmp_path / "new" / "registry.sqlite").exists(), restored
    text = orrery("hub", "--help").stdout
    assert all(word in text for word in ("run", "status", "backup", "restore")), text
    assert "--ephemeral" in orrery("hub", "run", "--help").stdout
    assert orrery("hub", "run", "--ephemeral", "--check-config").returncode == 0


def test_paths_for_others_are_absolute(tmp_path):
    hub = hub_module.Hub(ADDRESS, tmp_path, "here", arguments=["--set", "listen.admin_port=0"])
    words = hub.command()
    with open(hub.log_path, "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_until(hub.ready_path.exists, 10, "the hub listens")
        ready = json.loads(hub.ready_path.read_text())
        connection = json.loads((tmp_path / "here" / "connection.json").read_text())
        expected = str(tmp_path / "here" / "tls" / "ca.pem")
        assert ready["ca"] == expected and connection["ca"] == expected
        # From another working directory.
        status = orrery("hub", "status", "--data", tmp_path / "here", directory="/")
        assert status.returncode == 0, status
    finally:
        process.terminate()
        assert process.wait(15) == 0


def sent(hub):
    page = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    return int(float(re.search(r"^orrery_mqtt_sent_total (\S+)$", page, re.M)[1]))


@pytest.mark.parametrize("quality", [0, 1])
def test_cloud_to_device_messages_are_counted(hub_factory, quality):
    fresh = hub_factory()
    identities = Identities(fresh, "sent")
    device = identities.device()
    rest = fresh.rest()
    with device.connect() as connection:
        connection.subscribe((c2d_filter(device.device_id), quality))
        before = sent(fresh)
        for number in range(3):
            rest.send_c2d(device.device_id, b"x")
            assert connection.expect_publish().qos == quality
        assert sent(fresh) == before + 3
    fresh.stop()


def test_open_connections_do_not_hold_up_a_stop(hub_factory):
    """One without a request, one after a request, one that is a WebSocket."""
    hub = hub_factory()
    silent, idle, upgraded = HTTPConnection(hub), HTTPConnection(hub), Upgrade(hub)
    idle.request("GET", "/health")
    idle.answer()
    assert upgraded.status == 101
    begun = time.monotonic()
    hub.stop()
    assert time.monotonic() - begun < 6
    for connection in (silent, idle):
        connection.expect_closed()
