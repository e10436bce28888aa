"""All processes of an edge at once: a stock module in its care answers a stock leaf device."""

import json
import sys

import pytest

import conftest
from edge import Edge
from edge_process import VERSION, UnixConnection
from events import body_of
from local_hub import Below
from test_edge_agent import deploy, is_applied, module, reported
from test_edge import leaf_of

MODULE = """#!%s
import os, sys, threading
from azure.iot.device import IoTHubModuleClient, Message

client = IoTHubModuleClient.create_from_edge_environment(connection_retry_interval=1)

def received(message):
    client.send_message_to_output(Message(message.data.decode().upper()), "loud")

client.on_message_received = received
client.connect()
print("module is up", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def edge(hub, identities, tmp_path):
    device = identities.device(capabilities={"iotEdge": True})
    address = f"{conftest.NETWORK}.231"
    edge = Edge(device, tmp_path, f'[hub]\nhost = "{address}"\n')
    text = edge.config.read_text().replace('hostname = "localhost"', f'hostname = "{address}"', 1)
    edge.config.write_text(text)
    edge.address = address
    edge.start("run")
    yield edge
    edge.stop("run")
    edge.clean_up()


class Gateway:
    """What a leaf's connection string and client ask of the edge that it dials."""

    def __init__(self, above, address, ca_pem):
        self.above, self.address, self.ca_pem = above, address, ca_pem
        self.host, self.note_secret = above.host, above.note_secret


def trust_bundle(edge, name):
    """What clients of the local hub are to trust, as a module is told."""
    connection = UnixConnection(str(edge.run / "workload" / name / "s" / "workload.sock"))
    connection.request("GET", f"/trust-bundle?api-version={VERSION}")
    return json.loads(connection.getresponse().read())["certificate"]


def test_a_stock_module_answers_a_stock_leaf_device(edge, hub, identities, stock, events, tmp_path):
    program = tmp_path / "shouter"
    program.write_text(MODULE % sys.executable)
    program.chmod(0o755)
    device = edge.device
    routes = {
        "in": "FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) "
              "INTO BrokeredEndpoint(\"/modules/shouter/inputs/words\")",
        "up": "FROM /messages/modules/shouter/outputs/loud INTO $upstream"}
    deploy(device, {"shouter": module(str(program))}, routes=routes)
    edge.wait_until(lambda: is_applied(device), 60, "the manifest is applied")
    edge.wait_until(lambda: "module is up" in edge.command("logs", "shouter"), 60, "the module runs")
    leaf = leaf_of(device, identities)
    client = stock.make(Below.of(leaf, Gateway(hub, edge.address, trust_bundle(edge, "shouter"))))
    client.connect()
    client.send_message("hello")
    event, = events.wait_for(1, 20, device=device.device_id, module="shouter")
    assert body_of(event) == b"HELLO"
    assert reported(device)["modules"]["shouter"]["runtimeStatus"] == "running"
    log = "".join(path.read_text() for path in edge.directory.glob("*.log"))
    assert "SharedAccessSignature" not in log
