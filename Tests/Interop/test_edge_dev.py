"""The developer's loop: a module is begun, runs on this machine, and nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from azure.iot.device import IoTHubDeviceClient

import conftest
import loopback
from hub import binary
from test_edge_agent import module, system
from waiting import wait_until


class Command:
    """`orrery edge dev`, and what it says."""

    def __init__(self, directory, *words):
        self.lines = []
        environment = {name: text for name, text in os.environ.items()
                       if not name.startswith("ORRERY_")}
        # The module's own interpreter has the stock client.
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        environment["TMPDIR"] = str(directory)
        self.process = subprocess.Popen(
            [str(binary()), "edge", "dev", *words], cwd=directory, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=loopback.die_with_parent)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text, seconds=60):
        def found():
            assert self.process.poll() is None or any(text in line for line in self.lines), self.lines
            return next((line for line in list(self.lines) if text in line), None)
        return wait_until(found, seconds, f"{text} in {self.lines}")

    def end(self):
        """Ends it as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)


def orrery(*words, cwd=None, expect=0):
    done = subprocess.run(
        [str(binary()), *words], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def processes_with(text):
    """The processes whose arguments have a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not binary().with_name("orrery-edge").exists(), reason="no orrery-edge")
def test_a_new_module_runs_here_and_leaves_nothing(tmp_path):
    orrery("edge", "new", "module", "filter", cwd=tmp_path)
    folder = tmp_path / "modules" / "filter"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_rules.py"], cwd=folder,
        capture_output=True, text=True, timeout=60)
    assert tested.returncode == 0, tested.stdout
    assert "exists already" in orrery("edge", "new", "module", "filter", cwd=tmp_path, expect=5)
    address = f"{conftest.NETWORK}.241"
    command = Command(tmp_path, "--processes", "--host", address)
    try:
        hub_file = command.wait_for("--connect").split("--connect ")[1]
        command.wait_for("filter | ready")
        authority = command.wait_for("and trusts ").split("trusts ")[1]
        workspace = Path(hub_file).parent
        assert workspace.parent == tmp_path or str(workspace).startswith("/tmp/edge-dev-")
        orrery("device", "create", "leaf", "--parent", "edge-dev", "--connect", hub_file)
        text = orrery("device", "connection-string", "leaf", "--gateway", address, "--connect", hub_file)
        leaf = IoTHubDeviceClient.create_from_connection_string(
            text.strip(), server_verification_cert=Path(authority).read_text())
        leaf.connect()
        leaf.send_message('{"temperature": 20}')
        leaf.send_message('{"temperature": 31}')
        command.wait_for("filter | sent")
        events = subprocess.run(
            [str(binary()), "monitor", "events", "--connect", hub_file, "--from", "earliest", "--count",
             "1", "-o", "json"], capture_output=True, text=True, timeout=30)
        event = json.loads(events.stdout)
        assert event["annotations"]["iothub-connection-module-id"] == "filter"
        assert event["body"] == {"temperature": 31, "alert": True, "threshold": 25}
        leaf.shutdown()
    finally:
        status = command.end()
    assert status == 0, command.lines
    assert not workspace.exists()
    assert processes_with(str(workspace)) == []


@pytest.mark.skipif(not binary().with_name("orrery-edge").exists(), reason="no orrery-edge")
def test_a_hub_that_is_there_is_used_and_left_as_it_was(hub, rest, tmp_path):
    orrery("edge", "new", "module", "filter", cwd=tmp_path)
    connection = tmp_path / "connection.json"
    connection.write_text(json.dumps({
        "connectionString": hub.connection_string(), "ca": str(hub.ca_path)}))
    command = Command(
        tmp_path, "--processes", "--host", f"{conftest.NETWORK}.242", "--connect", str(connection),
        "--attach", "filter")
    try:
        path = command.wait_for("Variables of module filter").split(": ")[1]
        command.wait_for("is ready")
        variables = dict(line.split("=", 1) for line in Path(path).read_text().splitlines())
        assert f"GatewayHostName={conftest.NETWORK}.242" in variables["EdgeHubConnectionString"]
        assert "BEGIN CERTIFICATE" in Path(variables["EdgeModuleCACertificateFile"]).read_text()
        assert Path(path).stat().st_mode & 0o077 == 0
        rest.call("GET", "/devices/edge-dev", expect=200)
    finally:
        status = command.end()
    assert status == 0, command.lines
    rest.call("GET", "/devices/edge-dev", expect=404)


@pytest.mark.parametrize("words, said", [
    (["missing.json"], "missing.json"),
    (["m.json", "--processes"], "nothing says how to run far without a container"),
    (["m.json", "--processes", "--module", "other=x"], "there is no module other"),
    (["m.json", "--engine", "unix:///no/such.sock"], "there is no container engine"),
    (["m.json", "--device", "a b"], "is no device ID"),
])
def test_what_cannot_be_run_is_told_at_once(tmp_path, words, said):
    (tmp_path / "m.json").write_text(json.dumps({"modulesContent": {
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "modules": {
            "far": {"type": "docker", "settings": {"image": "registry.example/far:1"}}}}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.0", "routes": {}}}}}))
    before = set(tmp_path.iterdir())
    # TMPDIR is too long for sockets, which is told once something is to be written.
    assert len(str(tmp_path)) > 16
    done = subprocess.run(
        [str(binary()), "edge", "dev", *words], cwd=tmp_path, capture_output=True, text=True, timeout=30,
        env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode not in (0, -6), done.stderr
    assert said in done.stderr, done.stderr
    assert ("everything is written below /tmp" in done.stderr) == (said.startswith(("nothing says", "there is no module")))
    assert set(tmp_path.iterdir()) == before


BOXED = {"modulesContent": {
    "$edgeAgent": {"properties.desired": {
        "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {}},
        "systemModules": {"edgeAgent": system("edgeAgent"), "edgeHub": system("edgeHub")},
        "modules": {"boxed": module(
            "orrery-test:1", kind="docker", imagePullPolicy="never",
            options=json.dumps({"HostConfig": {"NetworkMode": "none"}}))}}},
    "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {}}}}}


@pytest.mark.skipif(not binary().with_name("orrery-edge").exists(), reason="no orrery-edge")
def test_containers_run_and_are_removed(engine, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(BOXED))
    words = ["m.json", "--engine", f"unix://{engine}", "--host", f"{conftest.NETWORK}.243"]
    command = Command(tmp_path, *words)
    try:
        command.wait_for("boxed | hello from boxed")
        assert len(conftest.containers(engine)) == 1
    finally:
        status = command.end()
    assert status == 0, command.lines
    assert conftest.containers(engine) == []


@pytest.mark.skipif(not binary().with_name("orrery-edge").exists(), reason="no orrery-edge")
def test_an_engine_of_another_edge_is_left_alone(engine, tmp_path):
    labels = {"owner": "Microsoft.Azure.Devices.Edge.Agent", "original-image": "orrery-test:1",
              "create-options": "{}", "env": "{}"}
    words = [word for name, value in labels.items()
             for word in ("--label", f"net.azure-devices.edge.{name}={value}")]
    conftest.docker(engine, "create", "--name", "theirs", *words, "orrery-test:1")
    (tmp_path / "m.json").write_text(json.dumps(BOXED))
    command = Command(tmp_path, "m.json", "--engine", f"unix://{engine}")
    try:
        assert command.process.wait(30) != 0
        command.wait_for("has an edge's modules already: theirs", 5)
    finally:
        command.end()
    assert len(conftest.containers(engine)) == 1
