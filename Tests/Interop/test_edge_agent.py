"""The edge's agent, told what to run by the stock service client (contract "edge" 2 and 3)."""

import json
import os
import signal
import socket
import time

import pytest
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import ConfigurationContent

import edge as edge_module
from edge import Edge

WORKER = """#!/bin/sh
echo "hello from $IOTEDGE_MODULEID of $IOTEDGE_DEVICEID, $GREETING"
exec sleep 3600
"""
STUBBORN = """#!/bin/sh
trap "" TERM INT HUP
echo "stays"
while :; do sleep 1; done
"""
CHATTERBOX = """#!/bin/sh
exec yes "all work and no play makes a long line of a log that nobody reads"
"""
CRASHER = """#!/bin/sh
echo "crashes"
exit 3
"""


@pytest.fixture
def device(identities):
    return identities.device(capabilities={"iotEdge": True})


@pytest.fixture
def edge(engine_turn, device, tmp_path):
    if not edge_module.binary().exists():
        pytest.skip(f"no edge at {edge_module.binary()}")
    edge = Edge(device, tmp_path, SETTINGS)
    edge.start("keys", "agent")
    yield edge
    edge.clean_up()


SETTINGS = """[agent.env]
CoolOffTimeUnitInSeconds = "2"
[moby_runtime]
uri = "unix://%s"
""" % os.environ.get("EDGE_TEST_DOCKER_SOCKET", "/tmp/no/engine.sock")


@pytest.fixture
def program(tmp_path):
    def make(name, text):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)
    return make


def system(name):
    module = {"type": "docker", "settings": {"image": f"example.invalid/{name.lower()}:1.5"}}
    if name == "edgeHub":
        module |= {"status": "running", "restartPolicy": "always"}
    return module


def module(image, kind="process", status="running", policy="always", options="{}", **more):
    return {"type": kind, "status": status, "restartPolicy": policy, "version": "1.0",
            "settings": {"image": image, "createOptions": options}, **more}


def deploy(device, modules, schema="1.1", routes=None, credentials=None, hub_env=None):
    """As the stock service client applies a manifest to one device."""
    manager = IoTHubConfigurationManager.from_connection_string(
        device.hub.connection_string())
    manager.apply_configuration_on_edge_device(device.device_id, ConfigurationContent(
        modules_content={
            "$edgeAgent": {"properties.desired": {
                "schemaVersion": schema,
                "runtime": {"type": "docker", "settings": {
                    "minDockerVersion": "v1.25", "registryCredentials": credentials or {}}},
                "systemModules": {
                    "edgeAgent": system("edgeAgent"),
                    "edgeHub": system("edgeHub") | {"env": {
                        name: {"value": value} for name, value in (hub_env or {}).items()}}},
                "modules": modules}},
            "$edgeHub": {"properties.desired": {
                "schemaVersion": "1.1", "routes": routes or {},
                "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}))


def twin(device):
    return device.hub.rest().twin(device.device_id, "$edgeAgent")["properties"]


def reported(device):
    return twin(device)["reported"]


def is_applied(device, code=200):
    """Whether the newest desired properties were looked at, and ended with the code."""
    properties = twin(device)
    last = properties["reported"].get("lastDesiredStatus", {})
    return (properties["reported"].get("lastDesiredVersion") == properties["desired"]["$version"]
            and last.get("code") == code)


def test_a_manifest_is_applied_and_reported(edge, device, program):
    deploy(device, {"worker": module(
        program("worker", WORKER), env={"GREETING": {"value": "hi"}}, startupOrder=2)})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    edge.wait_until(lambda: reported(device)["modules"]["worker"]["runtimeStatus"] == "running", 15,
                    "the module runs")
    report = reported(device)
    worker = report["modules"]["worker"]
    assert report["schemaVersion"] == "1.0" and report["lastDesiredStatus"]["description"] == ""
    assert worker["status"] == "running" and worker["restartPolicy"] == "always"
    assert worker["startupOrder"] == 2 and worker["exitCode"] == 0
    assert worker["env"] == {"GREETING": {"value": "hi"}}
    assert report["systemModules"]["edgeHub"]["runtimeStatus"] == "running"
    assert "restartCount" not in report["systemModules"]["edgeAgent"]
    log = edge.command("logs", "worker")
    assert log == f"hello from worker of {device.device_id}, hi\n"
    # The change of one variable replaces the module; taking it away removes it.
    deploy(device, {"worker": module(program("worker", WORKER), env={"GREETING": {"value": "ho"}})})
    edge.wait_until(
        lambda: edge.list().get("worker", {}).get("config", {}).get("env")
        == [{"key": "GREETING", "value": "ho"}], 20, "the module is replaced")
    deploy(device, {})
    edge.wait_until(lambda: "worker" not in edge.list(), 20, "the module is removed")
    edge.wait_until(lambda: "worker" not in reported(device).get("modules", {}), 20,
                    "its report is removed")
    assert is_applied(device)


@pytest.mark.parametrize("role, words", [
    ("agent", "waits for the keys process"), ("hub", "waiting for the keys process")])
def test_a_process_that_is_stopped_while_it_waits_ends_well(device, tmp_path, role, words):
    if not edge_module.binary().exists():
        pytest.skip(f"no edge at {edge_module.binary()}")
    edge = Edge(device, tmp_path, SETTINGS)
    edge.start(role)
    try:
        edge.wait_until(lambda: words in edge.log(role), 20, "it waits")
        process = edge.processes[role]
        edge.stop(role)
        assert process.returncode == 0, edge.log(role)
    finally:
        edge.clean_up()


def test_a_crashing_module_is_restarted_later_and_later(edge, device, program):
    deploy(device, {"crasher": module(program("crasher", CRASHER), policy="on-failure"),
                    "never": module(program("never", CRASHER), policy="never")})
    edge.wait_until(lambda: reported(device).get("modules", {}).get("crasher", {})
                    .get("restartCount", 0) >= 2, 40, "two restarts")
    # While it runs, its exit code is 0.
    edge.wait_until(
        lambda: reported(device)["modules"]["crasher"]["exitCode"] == 3, 20, "its exit code")
    worker = reported(device)["modules"]["crasher"]
    assert worker["lastRestartTimeUtc"] > worker["lastStartTimeUtc"][:4]
    edge.wait_until(lambda: reported(device)["modules"]["crasher"]["runtimeStatus"] == "backoff", 20,
                    "it waits")
    never = reported(device)["modules"]["never"]
    assert never["restartCount"] == 0 and never["runtimeStatus"] == "failed"


def test_a_bad_manifest_is_refused_and_the_one_before_stays(edge, device, program):
    deploy(device, {"worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    deploy(device, {"worker": module("relative", status="sleeping")})
    edge.wait_until(lambda: is_applied(device, 400), 20, "the manifest is refused")
    assert "modules.worker.status" in reported(device)["lastDesiredStatus"]["description"]
    assert edge.list()["worker"]["status"]["runtimeStatus"]["status"] == "running"
    deploy(device, {}, schema="7.0")
    edge.wait_until(lambda: is_applied(device, 412), 20, "the schema is refused")
    deploy(device, {"worker": module("/no/such/program")})
    edge.wait_until(lambda: is_applied(device, 500), 20, "the failure is told")
    assert "No such file" in reported(device)["lastDesiredStatus"]["description"]


def test_modules_outlive_the_agent_and_start_without_the_hub(edge, device, program):
    deploy(device, {"worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    started = edge.list()["worker"]["status"]["startTime"]
    edge.stop("agent", number=signal.SIGKILL)
    edge.start("agent")
    edge.wait_until(lambda: os.path.exists(edge.run / "agent" / "management.sock"), 20, "it is back")
    edge.wait_until(lambda: try_list(edge), 20, "it answers")
    assert edge.list()["worker"]["status"]["startTime"] == started
    # An orderly end stops modules and says so.
    edge.stop("agent")
    assert reported(device)["lastDesiredStatus"]["code"] == 406
    assert reported(device)["modules"]["worker"]["runtimeStatus"] == "unknown"
    edge.start("agent")
    edge.wait_until(lambda: try_list(edge).get("worker", {}).get("status", {})
                    .get("runtimeStatus", {}).get("status") == "running", 20, "it runs again")
    assert b'"modules"' not in (edge.directory / "data/agent/backup.json").read_bytes()


def try_list(edge):
    try:
        return edge.list()
    except AssertionError:
        return {}


def test_direct_methods(edge, device, program):
    deploy(device, {"worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    rest = device.hub.rest()

    def call(name, payload=None):
        answer = rest.invoke(
            device.device_id, name, payload, response=20, module_id="$edgeAgent").json()
        return answer["status"], answer["payload"]

    assert call("ping") == (200, None)
    before = edge.list()["worker"]["status"]["startTime"]
    assert call("RestartModule", {"schemaVersion": "1.0", "id": "worker"}) == (200, None)
    assert edge.list()["worker"]["status"]["startTime"] > before
    assert call("restartmodule", {"id": "nobody"})[0] == 400
    time.sleep(0.5)
    status, logs = call("GetModuleLogs", {
        "schemaVersion": "1.0", "items": [{"id": "work.*", "filter": {"tail": 1}}]})
    assert status == 200 and logs[0]["id"] == "worker"
    assert logs[0]["payload"].startswith("hello from worker")
    status, logs = call("GetModuleLogs", {
        "items": {"id": "all", "filter": {"regex": "hello"}}, "encoding": "gzip",
        "contentType": "json"})
    import base64
    import gzip
    lines = gzip.decompress(base64.b64decode(logs[0]["payloadBytes"])).decode().splitlines()
    assert json.loads(lines[0])["id"] == "worker" and json.loads(lines[0])["stream"] == "stdout"
    assert call("GetModuleLogs", {"items": []})[0] == 400
    status, answer = call("Fly")
    assert status == 400 and "GetModuleLogs" in answer["message"]
    assert call("GetTaskStatus", {"correlationId": "x"})[1]["status"] == "Unknown"


def test_operators_commands(edge, device, program):
    deploy(device, {"worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    table = edge.command("list", "--output", "table").splitlines()
    assert table[0].split() == ["NAME", "STATUS", "DESCRIPTION", "CONFIG"]
    assert any(line.startswith("worker") and "running" in line for line in table)
    before = edge.list()["worker"]["status"]["startTime"]
    edge.command("restart", "worker")
    assert edge.list()["worker"]["status"]["startTime"] > before
    edge.command("restart", "nobody", expect=3)
    edge.command("logs", "nobody", expect=3)
    assert len(edge.command("logs", "worker", "--tail", "1").splitlines()) == 1
    edge.command("logs", "worker", "--since", "soon", expect=1)


def test_containers(engine, edge, device, program):
    deploy(device, {"boxed": module(
        "orrery-test:1", kind="docker", imagePullPolicy="never",
        options=json.dumps({"HostConfig": {"NetworkMode": "none"}})),
        "ends": module("orrery-test:1", kind="docker", imagePullPolicy="never", policy="on-failure",
                       options=json.dumps({"Cmd": ["4"], "HostConfig": {"NetworkMode": "none"}}))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    edge.wait_until(lambda: reported(device)["modules"]["ends"].get("restartCount", 0) >= 1, 30,
                    "a restart")
    # While it runs, its exit code is 0.
    edge.wait_until(lambda: reported(device)["modules"]["ends"]["exitCode"] == 4, 30,
                    "its exit code")
    report = reported(device)["modules"]
    assert report["boxed"]["runtimeStatus"] == "running"
    assert report["boxed"]["settings"]["imageHash"].startswith("sha256:")
    assert edge.command("logs", "boxed") == "hello from boxed\n"
    deploy(device, {"boxed": module("orrery-none.invalid/x:1", kind="docker")})
    edge.wait_until(lambda: is_applied(device, 500), 60, "the missing image is told")
    assert "orrery-none.invalid/x:1" in reported(device)["lastDesiredStatus"]["description"]
    # What runs goes on while the new image cannot be had.
    assert edge.list()["boxed"]["status"]["runtimeStatus"]["status"] == "running"
    deploy(device, {})
    edge.wait_until(lambda: not [name for name in edge.list() if not name.startswith("edge")], 30,
                    "all are removed")


def test_modules_that_do_not_stop_and_fill_the_disk(edge, device, program):
    deploy(device, {"stubborn": module(program("stubborn", STUBBORN)),
                    "chatter": module(program("chatter", CHATTERBOX)),
                    "worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    edge.wait_until(lambda: edge.command("logs", "stubborn") == "stays\n", 10, "it runs")
    folder = edge.directory / "data" / "agent"

    def kept():
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    # Its log turns over, several times what may be kept.
    limit = 64 << 20
    time.sleep(3)
    assert 1 << 20 < kept() < limit
    assert edge.command("logs", "chatter", "--tail", "1").startswith("all work")
    deploy(device, {"worker": module(program("worker", WORKER))})
    edge.wait_until(lambda: sorted(edge.list()) == ["edgeAgent", "edgeHub", "worker"], 40,
                    "both are gone, the one that does not listen by force")
    edge.wait_until(lambda: is_applied(device), 20, "the manifest is applied")
    assert edge.list()["worker"]["status"]["runtimeStatus"]["status"] == "running"


@pytest.mark.skipif("EDGE_TEST_DOCKER_SOCKET" not in os.environ, reason="no container engine")
def test_a_registry_that_hangs_holds_nobody_up(edge, device, program):
    with socket.create_server(("127.0.0.1", 0)) as registry:
        # Taken by the system's queue, and never answered.
        image = f"127.0.0.1:{registry.getsockname()[1]}/hangs:1"
        deploy(device, {"hangs": module(image, kind="docker"),
                        "worker": module(program("worker", WORKER)),
                        "crasher": module(program("crasher", CRASHER), policy="always")})
        edge.wait_until(lambda: reported(device).get("modules", {}).get("worker", {})
                        .get("runtimeStatus") == "running", 30, "another module runs")
        edge.wait_until(lambda: reported(device)["modules"].get("crasher", {})
                        .get("restartCount", 0) >= 1, 30, "a crashed module is started again")
        assert not is_applied(device)
        deploy(device, {"worker": module(program("worker", WORKER))})
        edge.wait_until(lambda: is_applied(device), 30, "the next manifest is applied meanwhile")
