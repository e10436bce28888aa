"""The Swift example module (`examples/swift/module`) in an edge's care, seen by stock clients."""

import os
import signal
import subprocess

import pytest
from azure.iot.device import Message
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

import conftest
import loopback
from edge import Edge, binary as edge_binary
from events import json_of
from hub import binary
from local_hub import Below
from test_edge import leaf_of
from test_edge_agent import deploy, is_applied, module
from test_edge_whole import Gateway, trust_bundle
from test_local_hub import site  # noqa: F401: the edge that a module belongs to
from waiting import wait_until


def example():
    """The built example: `EDGE_TEST_MODULE_EXAMPLE`, or what was built beside the hub."""
    if chosen := os.environ.get("EDGE_TEST_MODULE_EXAMPLE"):
        return chosen
    return str(binary().with_name("OrreryModuleExample"))


@pytest.fixture
def edge(hub, identities, tmp_path):
    device = identities.device(capabilities={"iotEdge": True})
    address = f"{conftest.NETWORK}.233"
    edge = Edge(device, tmp_path, f'[hub]\nhost = "{address}"\n')
    text = edge.config.read_text().replace('hostname = "localhost"', f'hostname = "{address}"', 1)
    edge.config.write_text(text)
    edge.address = address
    edge.start("run")
    yield edge
    edge.stop("run")
    edge.clean_up()


def routes_through(name):
    return {
        "in": "FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) "
              f"INTO BrokeredEndpoint(\"/modules/{name}/inputs/input\")",
        "up": f"FROM /messages/modules/{name}/outputs/output INTO $upstream"}


def logs(edge, name):
    """What a module has written; the example writes its lines to standard error."""
    done = subprocess.run(
        [str(edge_binary()), "logs", name, "--run-dir", str(edge.run)], capture_output=True,
        text=True, timeout=30)
    return done.stdout + done.stderr


def call(registry, device, name, payload=None):
    answer = registry.invoke_device_module_method(
        device.device_id, "filter",
        CloudToDeviceMethod(method_name=name, payload=payload, response_timeout_in_seconds=15))
    return answer.status, answer.payload


def test_a_swift_module_in_the_care_of_the_edge(
        edge, hub, identities, stock, events, registry, tmp_path):
    device = edge.device
    deploy(device, {"filter": module(example())}, routes=routes_through("filter"))
    edge.wait_until(lambda: is_applied(device), 60, "the manifest is applied")
    edge.wait_until(lambda: "ready" in logs(edge, "filter"), 30, "the module runs")
    # Its messages
    leaf = leaf_of(device, identities)
    client = stock.make(Below.of(leaf, Gateway(hub, edge.address, trust_bundle(edge, "filter"))))
    client.connect()
    for temperature in (20, "hot", 31.5):
        client.send_message(Message('{"temperature": %s, "n": 1}' % (
            f'"{temperature}"' if isinstance(temperature, str) else temperature)))
    client.send_message("no JSON")
    event, = events.wait_for(1, 20, device=device.device_id, module="filter")
    assert json_of(event) == {"temperature": 31.5, "n": 1, "alert": True, "threshold": 25}
    # Its twin
    def reports(threshold):
        twin = registry.get_module_twin(device.device_id, "filter")
        return twin.properties.reported.get("threshold") == threshold
    wait_until(lambda: reports(25), 10, "the module has reported")
    registry.update_module_twin(
        device.device_id, "filter", Twin(properties=TwinProperties(desired={"threshold": 40})), "*")
    wait_until(lambda: reports(40), 10, "the module has heard of the change")
    client.send_message('{"temperature": 35}')
    client.send_message('{"temperature": 41}')
    event, = events.wait_for(1, 20, device=device.device_id, module="filter")
    assert json_of(event) == {"temperature": 41, "alert": True, "threshold": 40}
    # Its methods
    assert call(registry, device, "settings") == (200, {"threshold": 40})
    assert call(registry, device, "other", {"a": 1}) == (404, {"message": "there is no other"})
    log = "".join(path.read_text() for path in edge.directory.glob("*.log"))
    log += logs(edge, "filter")
    assert "SharedAccessSignature" not in log


@pytest.fixture
def by_hand(site, tmp_path):  # noqa: F811
    """The example as a developer starts it, with the variables of a module without a workload API."""
    programs = []

    def start(module):
        path = tmp_path / "module.log"
        with open(path, "ab") as log:
            program = subprocess.Popen(
                [example()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=loopback.die_with_parent,
                env=os.environ | {
                    "EdgeHubConnectionString": module.connection_string,
                    "EdgeModuleCACertificateFile": str(site.hub.ca_path)})
        programs.append(program)
        return program, path

    yield start
    for program in programs:
        program.kill()
        program.wait(5)


def test_it_comes_back_to_a_local_hub_that_was_killed(site, by_hand, stock, events):  # noqa: F811
    site.configure(**routes_through("filter"))
    leaf, filtering = site.leaf(), site.module("filter")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    program, path = by_hand(filtering)
    wait_until(lambda: "ready" in path.read_text(), 20, "the module is ready")
    client = stock.make(leaf)
    client.connect()
    client.send_message('{"temperature": 31}')
    events.wait_for(1, 20, device=site.edge.device_id, module="filter")
    site.hub.kill()
    site.hub.start()
    wait_until(lambda: path.read_text().count(" connected ") == 2, 20, "the module is back")
    client.connect()
    client.send_message('{"temperature": 32}')
    found = set()

    def arrived():
        for event in events.available():
            if event["annotations"].get("iothub-connection-module-id") == "filter":
                found.add(json_of(event)["temperature"])
        return 32 in found

    wait_until(arrived, 30, "what was sent after the restart")
    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == 0, path.read_text()
    assert filtering.key not in path.read_text()


def test_what_it_was_busy_with_comes_again(site, by_hand, stock, events):  # noqa: F811
    """Killed with messages in its hands, the next one gets them."""
    site.configure(**routes_through("filter"))
    leaf, filtering = site.leaf(), site.module("filter")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    client = stock.make(leaf)
    client.connect()
    program, path = by_hand(filtering)
    wait_until(lambda: "ready" in path.read_text(), 20, "the module is ready")
    program.send_signal(signal.SIGSTOP)
    wanted = set(range(100, 120))
    for temperature in wanted:
        client.send_message('{"temperature": %d}' % temperature)
    program.kill()
    program.wait(5)
    by_hand(filtering)
    found = set()

    def arrived():
        for event in events.available():
            if event["annotations"].get("iothub-connection-module-id") == "filter":
                found.add(json_of(event)["temperature"])
        return wanted <= found

    wait_until(arrived, 30, "all that was sent")


@pytest.mark.parametrize("variables, said", [
    ({}, "EdgeHubConnectionString"),
    ({"EdgeHubConnectionString": "HostName=a;DeviceId=b;ModuleId=c;Key=" + "A" * 43 + "="},
     "unknown key"),
])
def test_without_an_environment_it_says_so(variables, said):
    done = subprocess.run(
        [example()], capture_output=True, text=True, timeout=20,
        env={"PATH": os.environ["PATH"]} | variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert "AAAA" not in done.stderr
