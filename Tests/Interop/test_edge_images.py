"""Which images an edge runs, and what it uploads (contract "edge" 2.3, 2.5 and 3.8)."""

import gzip
import json
import re

import pytest

import certificates
import edge as edge_module
import registry as registry_module
from blob_storage import BlobStorage
from edge import Edge
from registry import Distribution, Registry, program, tar
from test_edge_agent import deploy, is_applied, module, reported

ALONE = json.dumps({"HostConfig": {"NetworkMode": "none"}})


@pytest.fixture
def device(identities):
    return identities.device(capabilities={"iotEdge": True})


@pytest.fixture
def registry(device):
    registry = Registry(device.hub.address)
    yield registry
    registry.stop()


@pytest.fixture
def make_edge(device, tmp_path):
    if not edge_module.binary().exists():
        pytest.skip(f"no edge at {edge_module.binary()}")
    made = []

    def make(settings):
        edge = Edge(device, tmp_path, settings)
        made.append(edge)
        edge.start("keys", "agent")
        return edge
    yield make
    for edge in made:
        edge.clean_up()


def image(registry, name, options=ALONE, digest=None, **more):
    wanted = module(f"{registry.host}/{name}", kind="docker", options=options, **more)
    if digest:
        wanted["settings"]["digest"] = digest
    return wanted


def deploy_images(device, registry, modules):
    """As `deploy`, with the credential of the registry."""
    deploy(device, modules, credentials={"test": {
        "address": registry.host, "username": registry_module.USER,
        "password": registry_module.PASSWORD}})


def running(device):
    return {name for name, entry in reported(device).get("modules", {}).items()
            if entry.get("runtimeStatus") == "running"}


def test_images_are_run_as_they_are_pinned_and_signed(
        engine, device, registry, make_edge, tmp_path):
    trusted, stranger = certificates.make_key(), certificates.make_key()
    (tmp_path / "trusted.pub").write_bytes(registry_module.public_pem(trusted))
    layer = tar([("module", program())])

    def push(name, **labels):
        repository, _, tag = name.rpartition(":")
        return registry.push(repository, tag, [layer], Entrypoint=["/module"],
                             Labels={"test": name, **labels})

    good = push("signed/good:1")
    index = registry.push_index("signed/good", "1", good)
    registry.sign("signed/good", index, trusted)
    unsigned = push("signed/unsigned:1")
    registry.sign("signed/wrong", push("signed/wrong:1"), stranger)
    registry.sign("signed/renamed", push("signed/renamed:1"), trusted, name="other/name")
    first = push("plain/app:1")
    assert push("plain/app:1", newer="yes") != first
    gone = "sha256:" + "5" * 64
    edge = make_edge(
        f'[moby_runtime]\nuri = "unix://{engine}"\n'
        f'[image_signatures."{registry.host}/signed"]\nkeys = ["{tmp_path / "trusted.pub"}"]\n')
    modules = {
        "good": image(registry, "signed/good:1"),
        "pinned": image(registry, "plain/app:1", digest=first),
        "off": image(registry, "plain/app:1", digest=gone),
        "wrong": image(registry, "signed/wrong:1"),
        "renamed": image(registry, "signed/renamed:1"),
        "unsigned": image(registry, "signed/unsigned:1"),
    }
    deploy_images(device, registry, modules)
    edge.wait_until(lambda: is_applied(device, 500), 30, "what is wrong is told")
    edge.wait_until(lambda: running(device) == {"good", "pinned"}, 20, "the others run")
    text = reported(device)["lastDesiredStatus"]["description"]
    for part in (
            "signed/unsigned:1 is not run: its registry has no signature of it",
            "signed/wrong:1 is not run: no signature of it is by a key that is trusted",
            'signed/renamed:1 is not run: the signed payload is about an image called "other/name"',
            f'image_signatures."{registry.host}/signed"', f"plain/app:1@{gone}"):
        assert part in text, text
    config = json.loads(registry.manifests["plain/app", first][1])["config"]["digest"]
    assert reported(device)["modules"]["pinned"]["settings"]["imageHash"] == config
    # What stays out of the settings' words is as it was deployed.
    assert reported(device)["modules"]["pinned"]["settings"]["image"].endswith("plain/app:1")

    # Once it is signed it runs; the others are as before.
    registry.sign("signed/unsigned", unsigned, trusted)
    deploy_images(device, registry, {
        "good": modules["good"], "unsigned": modules["unsigned"] | {"version": "1.1"}})
    edge.wait_until(lambda: is_applied(device), 30, "the newly signed image is run")
    assert running(device) >= {"good", "unsigned"}

    # Without the registry what was verified goes on, and nothing else does.
    registry.stop()
    edge.command("restart", "good")
    kept = edge.directory / "data/agent/signatures" / f"{index.removeprefix('sha256:')}.json"
    evidence = json.loads(kept.read_text())
    kept.write_text(json.dumps(evidence | {"signature": "MAYCAQECAQE="}))
    with pytest.raises(AssertionError, match="good:1 is not run: its signature cannot be had"):
        edge.command("restart", "good")
    assert edge.list()["good"]["status"]["runtimeStatus"]["status"] == "running"
    deploy(device, {})
    edge.wait_until(lambda: {name for name in edge.list() if not name.startswith("edge")} == set(),
                    30, "all are removed")


@pytest.mark.skipif(not Distribution.is_there(), reason="no docker-registry")
def test_the_registry_that_people_run(engine, device, make_edge, tmp_path):
    registry = Distribution(device.hub.address, tmp_path)
    key = certificates.make_key()
    (tmp_path / "trusted.pub").write_bytes(registry_module.public_pem(key))
    layer = tar([("module", program())])
    good = registry.push("signed/good", "1", [layer], Entrypoint=["/module"])
    registry.sign("signed/good", good, key)
    registry.push("signed/unsigned", "1", [layer], Entrypoint=["/module"], Labels={"other": "yes"})
    edge = make_edge(
        f'[moby_runtime]\nuri = "unix://{engine}"\n'
        f'[image_signatures."{registry.host}/signed"]\nkeys = ["{tmp_path / "trusted.pub"}"]\n')
    deploy_images(device, registry, {
        "good": image(registry, "signed/good:1", digest=good),
        "unsigned": image(registry, "signed/unsigned:1")})
    edge.wait_until(lambda: running(device) == {"good"}, 40, "what is signed runs")
    edge.wait_until(lambda: is_applied(device, 500), 30, "what is not is told")
    assert "signed/unsigned:1 is not run: its registry has no signature of it" in (
        reported(device)["lastDesiredStatus"]["description"])
    deploy(device, {})
    edge.wait_until(lambda: {name for name in edge.list() if not name.startswith("edge")} == set(),
                    30, "all are removed")
    registry.stop()


def test_logs_are_uploaded(device, make_edge, tmp_path):
    root = certificates.authority("storage root")
    (tmp_path / "root.pem").write_text(root.pem)
    storage = BlobStorage(device.hub.address, tmp_path, root)
    path = tmp_path / "worker"
    path.write_text('#!/bin/sh\nseq -f %01000.0f 1 5000\necho "<3> 2026-01-02 03:04:05.678 +00:00 bad"\n'
                    "exec sleep 3600\n")
    path.chmod(0o755)
    edge = make_edge(f'trust_bundle_cert = "{tmp_path / "root.pem"}"\n')
    options = json.dumps({"HostConfig": {"LogConfig": {"Config": {"max-size": "100m"}}}})
    deploy(device, {"worker": module(str(path), options=options)})
    edge.wait_until(lambda: is_applied(device), 30, "the manifest is applied")
    rest = device.hub.rest()

    def call(name, payload):
        answer = rest.invoke(
            device.device_id, name, payload, response=20, module_id="$edgeAgent").json()
        return answer["status"], answer["payload"]

    def upload(url=storage.url, tail=None, **more):
        items = [{"id": "worker", "filter": {"tail": tail} if tail else {}}]
        request = {"schemaVersion": "1.0", "items": items, "sasUrl": url}
        status, task = call("UploadModuleLogs", request | more)
        assert (status, task["status"]) == (200, "Running")
        found = {}

        def is_over():
            found.update(call("GetTaskStatus", {
                "schemaVersion": "1.0", "correlationId": task["correlationId"]})[1])
            return found["status"] != "Running"
        edge.wait_until(is_over, 30, "the upload is over")
        return found

    edge.wait_until(lambda: "bad" in edge.command("logs", "worker", "--tail", "1"), 30, "it writes")
    # The storage is out of order once; the attempt after that is whole.
    storage.faults = [(201, None), (503, "ServerBusy")]
    assert upload()["status"] == "Completed"
    (name,) = storage.blobs
    prefix = f"{device.hub.host}/{device.device_id}/worker-"
    assert re.fullmatch(re.escape(prefix) + r"\d{4}-\d\d-\d\d--\d\d-\d\d-\d\d\.log", name)
    lines = storage.blobs[name].decode().splitlines()
    assert storage.kinds[name] == "AppendBlob" and len(storage.blobs[name]) > 4 << 20
    assert [int(line) for line in lines[:-1]] == list(range(1, 5001))
    storage.blobs.clear()
    assert upload(tail=100, encoding="gzip", contentType="json")["status"] == "Completed"
    (name,) = storage.blobs
    assert name.endswith(".json.gz")
    last = json.loads(gzip.decompress(storage.blobs[name]).splitlines()[-1])
    assert (last["id"], last["loglevel"], last["text"]) == ("worker", 3, "bad")
    # What another attempt would not mend is told at once, and nothing of the URL with it.
    task = upload(storage.url.replace("s%2Fg", "forged"), tail=1)
    assert task["status"] == "Failed" and "403, AuthenticationFailed" in task["message"]
    assert "forged" not in task["message"] and "forged" not in edge.log("agent")
    storage.stop()
