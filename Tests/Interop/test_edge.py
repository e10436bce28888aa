"""Edge hubs above their children: whom they learn of and whom they connect for (contract 3.10)."""

import json
import time
from urllib.parse import quote

import pytest

import certificates
from events import comes_from, json_of
from identities import Identity
from mqtt_wire import API, c2d_filter, publish_packet, telemetry_topic


def edge_device(identities, parent=None):
    scopes = {"parentScopes": [parent.record["deviceScope"]]} if parent else {}
    return identities.device(capabilities={"iotEdge": True}, **scopes)


def leaf_of(edge, identities):
    return identities.device(deviceScope=edge.record["deviceScope"])


def edge_hub(edge, rest):
    """The edge hub with new keys, as the edge device's identity service gives it."""
    module = rest.call(
        "PUT", f"/devices/{edge.device_id}/modules/$edgeHub", json={
            "deviceId": edge.device_id, "moduleId": "$edgeHub", "authentication": {"type": "sas"}},
        headers={"If-Match": "*"}, expect=200).json()
    key = module["authentication"]["symmetricKey"]["primaryKey"]
    return Identity(edge.hub, edge.device_id, key, "$edgeHub", module)


def act(actor, child, *chain):
    """The edge hub connects for a child; returns the connection and the CONNACK code."""
    text = quote(";".join(getattr(link, "client_id", link) for link in (child, *chain)), safe="")
    return child.try_connect(
        password=actor.token(), query=f"api-version={API}&auth-chain={text}", clean=False)


def test_an_edge_hub_discovers_its_children(identities, rest):
    """As a stock edge hub asks: with the token of its own module, `$` as it stands in the path."""
    edge = edge_device(identities)
    leaves = sorted(leaf_of(edge, identities).device_id for _ in range(3))
    base = f"/devices/{edge.device_id}/modules/$edgeHub"
    token = edge_hub(edge, rest).token()
    link = (base + "/devicesAndModulesInDeviceScope?deviceCount=2&continuationToken="
            "&api-version=2018-08-30-preview")
    devices, modules = [], []
    while link:
        page = rest.call("GET", link, token=token, api_version=None, expect=200).json()
        devices += [entry["deviceId"] for entry in page["devices"]]
        modules += [entry["moduleId"] for entry in page["modules"]]
        link = page["continuationLink"]
    assert devices == [edge.device_id, *leaves] and modules == ["$edgeAgent", "$edgeHub"]
    answer = rest.call(
        "POST", base.replace("$", "%24") + "/getDeviceAndModuleOnBehalfOf", token=token,
        api_version="2020-06-30-preview", headers={
            "x-ms-edge-moduleId": f"{edge.device_id}/$edgeHub"},
        json={"targetDeviceId": leaves[0], "authChain": edge.device_id}, expect=200).json()
    assert answer["devices"] == [rest.device(leaves[0])] and answer["modules"] == []
    stranger = identities.device()
    for target, code in ((stranger.device_id, 400), ("nobody", 400)):
        rest.call("POST", base + "/getDeviceAndModuleOnBehalfOf", token=token,
                  json={"targetDeviceId": target, "authChain": edge.device_id}, expect=code)
    for wrong in (edge.token(), stranger.token(), rest.token(), False):
        rest.call("POST", base + "/devicesAndModulesInTargetDeviceScope", token=wrong,
                  json={"authChain": edge.device_id}, expect=401)


@pytest.fixture
def row(identities, rest):
    """Two edge devices in a row with a leaf each, and their edge hubs."""
    top = edge_device(identities)
    low = edge_device(identities, top)
    return top, low, leaf_of(top, identities), leaf_of(low, identities), (
        edge_hub(top, rest), edge_hub(low, rest))


def test_an_edge_hub_connects_for_those_below(row, identities, rest, events):
    top, low, near, far, (actor, _) = row
    module = identities.module(low, "m")
    for child, chain in ((near, (top,)), (far, (low, top)), (module, (low, top)), (low, (top,))):
        connection, code = act(actor, child, *chain)
        assert code == 0, child.client_id
        connection.publish(telemetry_topic(child.device_id, child.module_id), b'{"up":1}')
        event, = events.wait_for(1, device=child.device_id, module=child.module_id)
        assert json_of(event) == {"up": 1}
        assert '"scope":"module"' in event["annotations"][
            "iothub-connection-auth-method"].replace(" ", "")
        if child.module_id is None:
            connection.subscribe(c2d_filter(child.device_id))
            rest.send_c2d(child.device_id, b"down")
            assert connection.expect_publish().payload == b"down"
        connection.subscribe("$iothub/twin/res/#")
        assert connection.get_twin()[0] == 200
        connection.disconnect()


def test_a_childs_own_token_needs_no_chain_and_is_hurt_by_none(row):
    top, _, near, _, _ = row
    connection, code = act(near, near, top)
    connection.abort()
    assert code == 0


def test_an_edge_hub_with_a_certificate(row, rest, tmp_path):
    top, low, _, far, _ = row
    mine, other = certificates.self_signed("edge hub"), certificates.self_signed("edge hub")
    rest.call(
        "PUT", f"/devices/{top.device_id}/modules/$edgeHub", headers={"If-Match": "*"}, expect=200,
        json={"deviceId": top.device_id, "moduleId": "$edgeHub", "authentication": {
            "type": "selfSigned", "x509Thumbprint": {
                "primaryThumbprint": mine.thumbprint(), "secondaryThumbprint": None}}})
    text = quote(f"{far.device_id};{low.device_id};{top.device_id}", safe="")
    for number, (certificate, expected) in enumerate(((mine, 0), (other, 5))):
        context = top.hub.tls_context()
        context.load_cert_chain(*certificate.write(tmp_path, str(number)))
        connection, code = far.try_connect(
            context=context, password="", query=f"api-version={API}&auth-chain={text}")
        connection.abort()
        assert code == expected


def test_chains_that_open_nothing(row, identities, rest):
    top, low, near, far, (actor, lower) = row
    other = edge_device(identities)
    stranger, foreign = identities.device(), edge_hub(other, rest)
    refused = [
        (actor, far, (top,)), (actor, near, (low, top)), (actor, near, ()), (actor, top, ()),
        (actor, stranger, (top,)), (actor, far, (low,)), (lower, near, (top,)),
        (lower, far, (low, top)), (foreign, near, (top,)), (foreign, near, (other,)),
        (actor, near, (top, other)), (top, near, (top,)), (far, near, (top,)),
        (actor, Identity(top.hub, "nobody", None), (top,)),
        (actor, Identity(top.hub, near.device_id, None, "none"), (near, top)),
    ]
    for number, (who, child, chain) in enumerate(refused):
        connection, code = act(who, child, *chain)
        connection.abort()
        assert code == 5, f"row {number}"
    connection, code = act(lower, far, low)
    connection.abort()
    assert code == 0


@pytest.mark.parametrize("change", [
    "child disabled", "child moved away", "edge between disabled", "edge between moved away",
    "acting edge disabled", "edge hub has new keys", "child deleted"])
def test_what_ends_a_connection_held_by_an_edge_hub(row, rest, change):
    top, low, near, far, (actor, _) = row
    held, code = act(actor, far, low, top)
    assert code == 0
    own = near.connect()

    def update(identity, **fields):
        record = rest.device(identity.device_id)
        return rest.update_device({**record, **fields})

    match change:
        case "child disabled":
            update(far, status="disabled")
        case "child moved away":
            update(far, deviceScope=None, parentScopes=[])
        case "edge between disabled":
            update(low, status="disabled")
        case "edge between moved away":
            update(low, parentScopes=[])
        case "acting edge disabled":
            update(top, status="disabled")
        case "edge hub has new keys":
            edge_hub(top, rest)
        case "child deleted":
            rest.delete_device(far.device_id)
    held.expect_closed(5)
    own.ping()
    own.abort()
    again, code = act(actor, far, low, top)
    again.abort()
    assert code == 5


def test_an_edge_hub_keeps_the_modules_of_an_edge_device_below(row, rest):
    top, low, near, _, (actor, _) = row
    base = f"/devices/{top.device_id}/modules/$edgeHub"
    chain = f"{low.device_id};{top.device_id}"

    def call(name, expect, headers=None, token=None, **body):
        return rest.call(
            "POST", f"{base}/{name}", token=token or actor.token(),
            api_version="2020-06-30-preview", headers=headers or {}, json=body, expect=expect)

    module = {"deviceId": low.device_id, "moduleId": "filter", "managedBy": "IotEdge",
              "authentication": {"type": "sas"}}
    made = call("putModuleOnBehalfOf", 200, authChain=chain, module=module).json()
    assert made["deviceId"] == low.device_id and made["moduleId"] == "filter"
    assert made["authentication"]["symmetricKey"]["primaryKey"]
    assert rest.call("GET", f"/devices/{low.device_id}/modules/filter", expect=200).json() == made
    call("putModuleOnBehalfOf", 409, authChain=chain, module=module)
    changed = call(
        "putModuleOnBehalfOf", 200, {"If-Match": "*"}, authChain=chain,
        module={**made, "managedBy": "me"}).json()
    assert changed["managedBy"] == "me"
    call("putModuleOnBehalfOf", 412, {"If-Match": '"AAAA"'}, authChain=chain, module=module)
    got = call("getModuleOnBehalfOf", 200, authChain=chain, moduleId="filter")
    assert got.json() == changed and got.headers["ETag"]
    listed = call("getModulesOnTargetDevice", 200, authChain=chain).json()
    assert [entry["moduleId"] for entry in listed] == ["$edgeAgent", "$edgeHub", "filter"]
    for refused in (f"{near.device_id};{top.device_id}", low.device_id, "nobody", f"x;{chain}"):
        call("deleteModuleOnBehalfOf", 400, authChain=refused, moduleId="filter")
    call("deleteModuleOnBehalfOf", 401, token=low.token(), authChain=chain, moduleId="filter")
    call("putModuleOnBehalfOf", 400, authChain=chain, module="filter")
    call("putModuleOnBehalfOf", 400, authChain=chain, module={"deviceId": low.device_id})
    call("putModuleOnBehalfOf", 400, authChain=chain, module={**module, "deviceId": "other"})
    call("deleteModuleOnBehalfOf", 204, authChain=chain, moduleId="filter")
    call("getModuleOnBehalfOf", 404, authChain=chain, moduleId="filter")


def told_for(child):
    names = f"%24.cdid={quote(child.device_id, safe='')}"
    return names + (f"&%24.cmid={child.module_id}" if child.module_id else "")


def test_an_edge_hub_sends_for_those_below_on_its_own_connection(row, identities, events):
    top, low, near, far, (actor, _) = row
    module = identities.module(low, "m")
    connection = actor.connect()
    own = telemetry_topic(actor.device_id, "$edgeHub")
    for number in range(20):
        for child in (near, far, module, low):
            connection.publish(own + told_for(child), json.dumps({"n": number}).encode())
    connection.publish(own, b'{"n":"own"}')
    arrived = events.wait_for(81)
    for child in (near, far, module, low):
        got = [event for event in arrived if comes_from(event, child.device_id, child.module_id)]
        if child.module_id is None:
            got = [e for e in got if "iothub-connection-module-id" not in e["annotations"]]
        assert [json_of(event)["n"] for event in got] == list(range(20))
        generation = child.record["generationId"]
        assert {event["annotations"]["iothub-connection-auth-generation-id"]
                for event in got} == {generation}
        assert not any("cdid" in name for event in got for name in event["applicationProperties"])
    event, = (e for e in arrived if comes_from(e, top.device_id, "$edgeHub"))
    assert json_of(event) == {"n": "own"}
    connection.disconnect()


@pytest.mark.parametrize("whom", ["stranger", "nobody", "own device's parent", "module nobody has"])
def test_an_edge_hub_that_names_another_is_closed(row, identities, whom):
    top, low, near, _, (actor, lower) = row
    sender = lower if whom == "own device's parent" else actor
    child = {
        "stranger": identities.device(), "nobody": Identity(top.hub, "nobody", None),
        "own device's parent": near,
        "module nobody has": Identity(top.hub, near.device_id, None, "none")}[whom]
    connection = sender.connect()
    topic = telemetry_topic(sender.device_id, "$edgeHub") + told_for(child)
    connection.send(publish_packet(topic, b"{}", identifier=1))
    connection.expect_closed(5)


def test_a_child_that_is_disabled_is_soon_not_sent_for(row, rest):
    top, _, near, _, (actor, _) = row
    connection = actor.connect()
    topic = telemetry_topic(actor.device_id, "$edgeHub") + told_for(near)
    connection.publish(topic, b"{}")
    rest.update_device({**rest.device(near.device_id), "status": "disabled"})
    time.sleep(5)
    connection.send(publish_packet(topic, b"{}", identifier=9))
    connection.expect_closed(5)


def test_who_is_no_edge_hub_speaks_for_itself(identities, events):
    device, other = identities.device(), identities.device()
    connection = device.connect()
    connection.publish(telemetry_topic(device.device_id) + told_for(other), b"{}")
    assert len(events.wait_for(1, device=device.device_id)) == 1
    connection.disconnect()
