"""Three edges one below the other, and a stock leaf device at the bottom (edge contract 9.3)."""

import json
import queue
import ssl
import time
from urllib.parse import quote

import pytest
import requests
from azure.iot.device import MethodResponse

import conftest
from edge import Edge
from events import body_of
from identities import Identity
from local_hub import Below, LocalHub
from mqtt_wire import API, MQTTConnection, username
from relay import Relay
from rest import segment
from test_edge import edge_device, edge_hub, leaf_of
from test_edge_agent import deploy, is_applied, reported
from test_edge_whole import Gateway, trust_bundle
from waiting import wait_until

TOP, WIRE, MID, LOW, OTHER = (f"{conftest.NETWORK}.{number}" for number in range(241, 246))


class Wire:
    """What the connection string of an edge says that dials the one above through a relay."""

    def __init__(self, above, address):
        self.above, self.address = above, address
        self.host, self.note_secret = above.host, above.note_secret


class Row:
    """A hub, two local hubs one below the other with a wire between them, and a whole edge."""

    def __init__(self, hub, identities, directory):
        rest = hub.rest()
        self.top = edge_device(identities)
        self.mid = edge_device(identities, self.top)
        self.low = edge_device(identities, self.mid)
        self.leaf = leaf_of(self.low, identities)
        self.top_hub = LocalHub(hub, edge_hub(self.top, rest), TOP, directory / "top")
        self.top_hub.variables["EdgeDeviceHostName"] = f"{TOP},{WIRE}"
        self.own = edge_hub(self.mid, rest)
        self.mid_hub = LocalHub(
            self.top_hub, Below.of(self.own, Wire(hub, WIRE)), MID, directory / "mid")
        self.relay = Relay(WIRE, TOP)
        self.directory, self.edge = directory / "low", None

    def start(self):
        self.top_hub.start()
        self.top_hub.wait_for_log("connected upstream")
        self.mid_hub.start()
        self.mid_hub.wait_for_log("connected upstream")
        self.directory.mkdir()
        # The authority that it trusts, and the host that it dials, are those of its parent.
        device = Identity(self.mid_hub, self.low.device_id, self.low.key)
        self.edge = Edge(
            device, self.directory,
            f'parent_hostname = "{MID}"\n[hub]\nhost = "{LOW}"\n')
        text = self.edge.config.read_text().replace('"localhost"', f'"{LOW}"', 1)
        self.edge.config.write_text(text)
        self.edge.start("run")

    def stop(self):
        if self.edge is not None:
            self.edge.stop("run")
            self.edge.clean_up()
        self.mid_hub.stop()
        self.top_hub.stop()
        self.relay.close()


@pytest.fixture
def row(hub, identities, tmp_path):
    row = Row(hub, identities, tmp_path)
    yield row
    row.stop()


@pytest.mark.timeout(180)
def test_a_leaf_three_edges_down(row, stock, events, registry, rest):
    from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

    row.start()
    deploy(row.low, {}, routes={"up": "FROM /messages/* INTO $upstream"})
    # Its keys went up through both, its agent reads and reports through both.
    row.edge.wait_until(lambda: is_applied(row.low), 60, "the manifest is applied at the bottom")
    row.edge.wait_until(
        lambda: "connected upstream" in row.edge.log("run"), 30, "the uplink of the lowest stands")
    leaf = Below.of(row.leaf, Gateway(row.mid_hub, LOW, trust_bundle(row.edge, "$edgeHub")))
    client = stock.make(leaf)
    patches, messages = queue.Queue(), queue.Queue()
    client.on_twin_desired_properties_patch_received = patches.put
    client.on_message_received = messages.put
    client.on_method_request_received = lambda request: client.send_method_response(
        MethodResponse.create_from_method_request(request, 200, {"got": request.payload}))
    client.connect()
    client.send_message("0")
    event, = events.wait_for(1, 20, device=row.leaf.device_id)
    assert body_of(event) == b"0"
    assert client.get_twin()["desired"]["$version"] == 1
    registry.update_twin(
        row.leaf.device_id, Twin(properties=TwinProperties(desired={"interval": 5})), "*")
    assert patches.get(timeout=20) == {"interval": 5, "$version": 2}
    client.patch_twin_reported_properties({"seen": 5})
    wait_until(lambda: "seen" in twin_of(rest, row.leaf), 30, "the report is at the top")
    answer = registry.invoke_device_method(
        row.leaf.device_id, CloudToDeviceMethod(
            method_name="blink", payload=1, response_timeout_in_seconds=20,
            connect_timeout_in_seconds=20))
    assert (answer.status, answer.payload) == (200, {"got": 1})
    rest.send_c2d(row.leaf.device_id, b"wake up")
    assert messages.get(timeout=20).data == b"wake up"
    # Each edge of the way tells of the leaf as a client of its own.
    for edge in (row.low, row.mid, row.top):
        wait_until(
            lambda: row.leaf.device_id in rest.call(
                "GET", f"/twins/{segment(edge.device_id)}/modules/$edgeHub", expect=200
            ).json()["properties"]["reported"].get("clients", {}), 20, "the leaf is reported")

    def modules():
        # As the keys process of the lowest edge asks for its modules.
        return requests.get(
            f"https://{MID}/devices/{row.low.device_id}/modules?api-version=2017-11-08-preview",
            headers={"Authorization": row.low.token()}, verify=str(row.mid_hub.ca_path), timeout=30)

    assert sorted(module["moduleId"] for module in modules().json()) == ["$edgeAgent", "$edgeHub"]
    row.relay.cut()
    row.mid_hub.wait_for_log("the hub above is not reached")
    assert modules().status_code == 503
    for number in range(1, 31):
        client.send_message(str(number))
    client.patch_twin_reported_properties({"while": "cut"})
    assert client.get_twin()["reported"]["while"] == "cut"
    assert client.get_twin()["desired"]["interval"] == 5
    assert "while" not in twin_of(rest, row.leaf)
    row.relay.mend()
    numbers = []
    end = time.monotonic() + 40
    while len(set(numbers)) < 30 and time.monotonic() < end:
        # Between them are the changes of the leaf's twin: edges without routes send all upwards.
        bodies = [body_of(event) for event in events.wait_for(1, 30, device=row.leaf.device_id)]
        numbers += [int(body) for body in bodies if body.isdigit()]
    assert sorted(set(numbers), key=numbers.index) == list(range(1, 31)), numbers
    wait_until(lambda: "while" in twin_of(rest, row.leaf), 30, "the report is at the top")
    logs = row.top_hub.log() + row.mid_hub.log() + row.edge.log("run")
    assert "SharedAccessSignature" not in logs


def twin_of(rest, identity):
    return rest.twin(identity.device_id)["properties"]["reported"]


def test_a_strange_child_gets_nothing_of_others(row, identities, rest):
    """Chains are checked link by link, in requests and in user names."""
    other = edge_device(identities, row.top)
    stranger = edge_hub(other, rest)
    row.top_hub.start()
    row.top_hub.wait_for_log("connected upstream")
    context = ssl.create_default_context(cafile=str(row.top_hub.ca_path))

    def ask(caller, name, body=None, device=None, verb="POST", **headers):
        target = (f"https://{TOP}/devices/{quote(device or caller.device_id)}/modules/$edgeHub/"
                  f"{name}{'&' if '?' in name else '?'}api-version=2020-06-30-preview")
        return requests.request(
            verb, target, json=body, verify=str(row.top_hub.ca_path), timeout=10, headers={
                "Authorization": caller.token(), **headers})

    def connect(caller, child, *chain):
        text = quote(";".join(getattr(link, "device_id", link) for link in (child, *chain)), safe="")
        gate = Gate(context)
        connection = MQTTConnection.open(gate)
        code = connection.connect(
            child.client_id,
            username(child.hub.host, child.client_id, f"api-version={API}&auth-chain={text}"),
            caller.token())
        connection.abort()
        return code

    (top, mid, low, leaf) = (
        identity.device_id for identity in (row.top, row.mid, row.low, row.leaf))
    wait_until(
        lambda: ask(row.own, "devicesAndModulesInTargetDeviceScope", {"authChain": mid})
        .status_code == 200, 20, "the edge in the middle is known")
    page = ask(row.own, "devicesAndModulesInTargetDeviceScope", {"authChain": mid}).json()
    assert [entry["deviceId"] for entry in page["devices"]] == [mid, low]
    page = ask(row.own, "devicesAndModulesInTargetDeviceScope", {"authChain": f"{low};{mid}"}).json()
    assert [entry["deviceId"] for entry in page["devices"]] == [low, leaf]
    page = ask(row.own, "devicesAndModulesInDeviceScope?deviceCount=1", verb="GET").json()
    assert [entry["deviceId"] for entry in page["devices"]] == [mid, low]
    one = ask(row.own, "getDeviceAndModuleOnBehalfOf", {"targetDeviceId": leaf, "authChain": mid})
    assert one.json()["devices"][0]["authentication"]["symmetricKey"]["primaryKey"] == row.leaf.key
    modules = ask(row.own, "getModulesOnTargetDevice", {"authChain": f"{low};{mid}"})
    assert sorted(module["moduleId"] for module in modules.json()) == ["$edgeAgent", "$edgeHub"]

    for name, body in (
            ("devicesAndModulesInTargetDeviceScope", {"authChain": mid}),
            ("devicesAndModulesInTargetDeviceScope", {"authChain": f"{mid};{other.device_id}"}),
            ("devicesAndModulesInTargetDeviceScope", {"authChain": f"{other.device_id};{top}"}),
            ("devicesAndModulesInTargetDeviceScope", {"authChain": 5}),
            ("devicesAndModulesInTargetDeviceScope", []),
            ("getDeviceAndModuleOnBehalfOf",
             {"targetDeviceId": leaf, "authChain": other.device_id}),
            ("getDeviceAndModuleOnBehalfOf", {"authChain": other.device_id}),
            ("getModulesOnTargetDevice", {"authChain": f"{low};{other.device_id}"}),
            ("putModuleOnBehalfOf", {
                "authChain": f"{low};{other.device_id}",
                "module": {"deviceId": low, "moduleId": "spy"}}),
            ("putModuleOnBehalfOf", {"authChain": other.device_id, "module": "spy"}),
            ("deleteModuleOnBehalfOf", {"authChain": f"{low};{mid}", "moduleId": "$edgeHub"}),
            ("getModuleOnBehalfOf", {"authChain": other.device_id, "moduleId": "a/b"})):
        answer = ask(stranger, name, body)
        assert answer.status_code == 400, f"{name} {body}: {answer.status_code} {answer.text}"
        assert row.leaf.key not in answer.text
    assert ask(stranger, "deviceAndModuleInDeviceScope?targetDeviceId=" + leaf,
               verb="GET").status_code == 400
    assert ask(stranger, "devicesAndModulesInTargetDeviceScope", {"authChain": mid},
               device=mid).status_code == 401
    assert ask(row.leaf, "devicesAndModulesInTargetDeviceScope", {"authChain": leaf}
               ).status_code == 401
    assert ask(row.own, "x").status_code == 404
    # As a tool asks that looks whether a hub is there.
    bare = requests.get(f"https://{TOP}/devices/0000/modules", verify=str(row.top_hub.ca_path),
                        timeout=10)
    assert bare.headers["iothub-errorcode"] == "InvalidProtocolVersion"

    assert connect(row.own, row.leaf, low, mid) == 0
    assert connect(stranger, row.leaf, low, other) == 5
    assert connect(stranger, row.leaf, low, mid) == 5
    assert connect(row.own, row.leaf, mid) == 5
    assert connect(row.own, other, mid) == 5


class Gate:
    """The top's MQTT port as a raw connection opens it."""

    host, mqtt_port = TOP, 8883

    def __init__(self, context):
        self._context = context

    def tls_context(self):
        return self._context
