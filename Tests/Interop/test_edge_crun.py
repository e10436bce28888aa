"""Modules that the edge runs by crun, without an engine (contract "edge" 2.3 to 2.5 and 3.6)."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import edge as edge_module
import registry as registry_module
from edge import Edge
from registry import Distribution, Layout, Registry, program, tar
from test_edge_agent import deploy, is_applied, module, reported, try_list

CRUN = shutil.which("crun")


def why_not():
    """Why crun cannot be used here; None if it can."""
    if CRUN is None:
        return "no crun"
    if os.geteuid() != 0:
        return "not root"
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs") and subprocess.run(
            ["unshare", "--mount", "true"], capture_output=True).returncode:
        return "no namespaces"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"crun cannot run: {why_not()}")


@pytest.fixture
def device(identities):
    return identities.device(capabilities={"iotEdge": True})


@pytest.fixture
def registry(device):
    registry = Registry(device.hub.address)
    yield registry
    registry.stop()


@pytest.fixture
def make_edge(tmp_path):
    if not edge_module.binary().exists():
        pytest.skip(f"no edge at {edge_module.binary()}")
    made = []

    def make(device, name="edge", settings=""):
        folder = tmp_path / name
        folder.mkdir()
        edge = Edge(device, folder, '[agent.env]\nCoolOffTimeUnitInSeconds = "2"\n'
                    f'[moby_runtime]\nuri = "crun:{CRUN}"\n{settings}')
        made.append((edge, device))
        edge.start("keys", "agent")
        return edge
    yield make
    for edge, device in made:
        deploy(device, {})
        if "agent" in edge.processes:
            edge.wait_until(lambda: {name for name in try_list(edge) if not name.startswith("edge")}
                            == set(), 30, "all modules are removed")
        edge.clean_up()


def image(name, options=None, **more):
    return module(name, kind="docker", options=json.dumps(options or {}), **more)


def deploy_images(device, registry, modules):
    deploy(device, modules, credentials={"test": {
        "address": registry.host, "username": registry_module.USER,
        "password": registry_module.PASSWORD}})


def status(edge, name):
    return try_list(edge).get(name, {}).get("status", {}).get("runtimeStatus", {}).get("status")


def state(edge, name):
    return json.loads((edge.directory / f"data/agent/containers/{name}/state.json").read_text())


def push(registry, name="team/app", tag="1", **config):
    lower = tar([("module", program()), ("gone", b"x"), ("folder/old", b"x")])
    upper = tar([(".wh.gone", b""), ("folder/.wh..wh..opq", b""), ("folder/new", b"x")])
    return registry.push(name, tag, [lower, upper], Entrypoint=["/module"],
                         Cmd=["/gone", "/folder/old", "/folder/new", "/dev/null"],
                         Env=["GREETING=image"], **config)


@pytest.mark.skipif(not Distribution.is_there(), reason="no docker-registry")
def test_the_registry_that_people_run(device, make_edge, tmp_path):
    registry = Distribution(device.hub.address, tmp_path)
    digest = push(registry)
    edge = make_edge(device)
    deploy_images(device, registry, {"app": image(f"{registry.host}/team/app:1@{digest}")})
    edge.wait_until(lambda: is_applied(device), 40, "the manifest is applied")
    edge.wait_until(lambda: edge.command("logs", "app").count("\n") == 5, 20, "it has written")
    assert "/gone: none" in edge.command("logs", "app")
    registry.stop()


def test_an_image_of_a_registry_is_run_as_its_create_options_say(
        device, registry, make_edge, tmp_path):
    top = registry.push_index("team/app", "1", push(registry))
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("x")
    edge = make_edge(device)
    name = f"{registry.host}/team/app:1"
    limits = {"Memory": 64 << 20, "PidsLimit": 20, "NanoCpus": 500_000_000}
    deploy_images(device, registry, {
        "plain": image(name, env={"GREETING": {"value": "hi"}}),
        "pinned": image(f"{registry.host}/team/app@{top}", {
            "User": "1000", "Cmd": ["/shared/file", "/volume", "/var/run/iotedge/workload.sock"],
            "HostConfig": limits | {
                "Binds": [f"{tmp_path / 'shared'}:/shared:ro", "data:/volume"],
                "PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}),
        "ends": image(name, {"Cmd": ["exit3"]}, policy="never"),
    })
    edge.wait_until(lambda: is_applied(device), 40, "the manifest is applied")
    edge.wait_until(lambda: status(edge, "plain") == status(edge, "pinned") == "running", 20,
                    "they run")
    edge.wait_until(lambda: edge.command("logs", "plain").count("\n") == 5, 20, "it has written")
    assert edge.command("logs", "plain") == (
        "hello from plain, user 0, hi\n/gone: none\n/folder/old: none\n/folder/new: file\n"
        "/dev/null: device\n")
    edge.wait_until(lambda: edge.command("logs", "pinned").count("\n") == 4, 20, "it has written")
    log = edge.command("logs", "pinned").splitlines()
    assert log[0] == "hello from pinned, user 1000, image"
    assert log[1:3] == ["/shared/file: file", "/volume: folder"]
    assert log[3] != "/var/run/iotedge/workload.sock: none"
    assert (edge.directory / "data/agent/volumes/data").is_dir()
    edge.wait_until(lambda: status(edge, "ends") == "failed", 20, "it has ended")
    edge.wait_until(lambda: reported(device)["modules"].get("ends", {}).get("exitCode") == 3, 20,
                    "how it ended is reported")
    config = json.loads(registry.manifests["team/app", top][1])["manifests"][1]["digest"]
    config = json.loads(registry.manifests["team/app", config][1])["config"]["digest"]
    assert reported(device)["modules"]["plain"]["settings"]["imageHash"] == config

    # Limits are the kernel's, in a group that carries the edge's own name.
    pid = state(edge, "pinned")["pid"]
    groups = dict(line.split(":")[1:] for line in open(f"/proc/{pid}/cgroup").read().split())
    if "memory" in groups:
        assert groups["memory"].startswith("/orrery/") or "/orrery/" in groups["memory"]
        folder = "/sys/fs/cgroup/memory" + groups["memory"]
        assert open(f"{folder}/memory.limit_in_bytes").read().strip() == str(64 << 20)
    status_text = open(f"/proc/{pid}/status").read()
    assert "CapEff:\t0000000000000000" in status_text and "Seccomp:\t2" in status_text

    # A stop asks first; the exit code is the module's own. A restart begins a new run.
    run = state(edge, "plain")["number"]
    edge.command("restart", "plain")
    edge.wait_until(lambda: state(edge, "plain")["number"] == run + 1, 20, "it runs anew")
    deploy_images(device, registry, {"plain": image(
        name, env={"GREETING": {"value": "hi"}}, status="stopped")})
    edge.wait_until(lambda: "exitCode" in state(edge, "plain"), 20, "it is stopped")
    assert state(edge, "plain")["exitCode"] == 7
    edge.wait_until(lambda: "pinned" not in edge.list(), 20, "the others are removed")
    assert not os.path.exists(f"/proc/{pid}")
    assert not (edge.directory / "data/agent/containers/pinned").exists()


def test_an_image_of_a_folder_needs_no_registry(device, make_edge, tmp_path):
    layout = Layout(tmp_path / "images")
    layout.add("2", [tar([("module", program())])], Entrypoint=["/module"])
    edge = make_edge(device)
    def refused(modules, text):
        deploy(device, modules)
        edge.wait_until(lambda: is_applied(device, 500) and text in reported(
            device)["lastDesiredStatus"]["description"], 40, "the reason is told")

    good = image(f"oci:{layout.path}:2")
    refused({"good": good, "none": image(f"oci:{layout.path}:3")},
            "index.json has no image of that name, but: 2")
    edge.wait_until(lambda: status(edge, "good") == "running", 40, "it runs")
    ports = {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}}
    refused({"good": good, "asks": image(f"oci:{layout.path}:2", ports)},
            "asks for 80/tcp at 8080; with crun")
    assert status(edge, "good") == "running"
    # What somebody changed in the folder is not run.
    blobs = layout.path / "blobs/sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"x")
    shutil.rmtree(edge.directory / "data/agent/image-store")
    edge.stop("agent")
    edge.start("agent")
    refused({"other": good}, "something else at the digest")


def test_containers_outlive_the_agent_and_not_who_watches_them(device, registry, make_edge):
    push(registry)
    edge = make_edge(device)
    deploy_images(device, registry, {"worker": image(f"{registry.host}/team/app:1")})
    edge.wait_until(lambda: status(edge, "worker") == "running", 40, "it runs")
    first = state(edge, "worker")
    edge.stop("agent", number=signal.SIGKILL)
    # A start needs no registry either.
    registry.stop()
    edge.start("agent")
    edge.wait_until(lambda: status(edge, "worker") == "running", 20, "it is found again")
    assert state(edge, "worker") == first
    # Without its shim nobody would hear of its end: it is ended, and begun anew.
    shim = open(f"/proc/{first['pid']}/stat").read().rpartition(")")[2].split()[1]
    os.kill(int(shim), signal.SIGKILL)
    edge.wait_until(lambda: state(edge, "worker")["number"] == first["number"] + 1, 40,
                    "it is begun anew")
    assert state(edge, "worker")["pid"] != first["pid"]
    edge.wait_until(lambda: status(edge, "worker") == "running", 20, "it runs")


def zombies(parent):
    """How many processes of that one wait to be taken leave of."""
    count = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        count += words[0] == "Z" and words[1] == parent
    return count


def test_what_a_module_leaves_in_the_machines_table_goes(device, make_edge, tmp_path):
    layout = Layout(tmp_path / "images")
    layout.add("1", [tar([("module", program())])], Entrypoint=["/module"])
    edge = make_edge(device)
    name = f"oci:{layout.path}:1"
    options = {"Cmd": ["leave5", "/module"], "HostConfig": {"PidMode": "host"}}
    deploy(device, {"worker": image(name, options)})
    edge.wait_until(lambda: status(edge, "worker") == "running", 40, "it runs")
    edge.wait_until(lambda: edge.command("logs", "worker").count("\n") == 3, 20, "it has left them")
    pid = state(edge, "worker")["pid"]
    shim = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
    time.sleep(0.5)
    edge.wait_until(lambda: zombies(shim) == 0, 10, "nothing of them is left")
    deploy(device, {"worker": image(name, options, status="stopped")})
    edge.wait_until(lambda: "exitCode" in state(edge, "worker"), 20, "it is stopped")
    assert state(edge, "worker")["exitCode"] == 7


def test_what_a_power_cut_left_of_a_module_goes_at_the_next_start(device, registry, make_edge):
    push(registry)
    edge = make_edge(device)
    deploy_images(device, registry, {"worker": image(f"{registry.host}/team/app:1")})
    edge.wait_until(lambda: status(edge, "worker") == "running", 40, "it runs")
    edge.stop("agent", number=signal.SIGKILL)
    # As if the agent had ended between unpacking and keeping.
    containers = edge.directory / "data/agent/containers"
    shutil.copytree(containers / "worker/rootfs", containers / "half/rootfs", symlinks=True)
    edge.start("agent")
    edge.wait_until(lambda: not (containers / "half").exists(), 20, "it is gone")
    edge.wait_until(lambda: status(edge, "worker") == "running", 20, "the other is found again")
    assert (containers / "worker/rootfs/module").exists()


def test_two_edges_of_a_machine_have_modules_of_one_name(identities, device, registry, make_edge):
    push(registry)
    other = identities.device(capabilities={"iotEdge": True})
    edges = [(device, make_edge(device)), (other, make_edge(other, "second"))]
    for one, _ in edges:
        deploy_images(one, registry, {"worker": image(
            f"{registry.host}/team/app:1", {"HostConfig": {"Memory": 64 << 20}})})
    for _, edge in edges:
        edge.wait_until(lambda edge=edge: status(edge, "worker") == "running", 40, "it runs")
    pids = [state(edge, "worker")["pid"] for _, edge in edges]
    groups = [open(f"/proc/{pid}/cgroup").read() for pid in pids]
    assert groups[0] != groups[1]
    deploy(device, {})
    edges[0][1].wait_until(lambda: "worker" not in edges[0][1].list(), 30, "one is removed")
    assert state(edges[1][1], "worker")["pid"] == pids[1] and os.path.exists(f"/proc/{pids[1]}")
