"""Endpoints that are removed get what was sent to them before, also when the hub is killed meanwhile."""

import json

from identities import Identity
from waiting import wait_until

COLD = {"storageContainers": [{"name": "cold", "containerName": "archive", "encoding": "JSON"}]}
ROUTES = [{"name": "all", "source": "DeviceMessages", "endpointNames": ["cold"]}]


def filed(data):
    """What is in the files, in the order of their names."""
    lines = []
    for path in sorted((data / "storage").rglob("*.json")):
        lines += [json.loads(line)["Body"] for line in path.read_text().splitlines()]
    return lines


def test_what_was_acknowledged_is_delivered_after_removal_and_kill(hub_factory, tmp_path):
    data = tmp_path / "data"
    hub = hub_factory(data=data)
    rest = hub.rest()
    rest.create_device("d")
    key = rest.device("d")["authentication"]["symmetricKey"]["primaryKey"]
    topic = "devices/d/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8"
    sent = []
    # Twice under one name: each time it is another endpoint.
    for life in range(2):
        rest = hub.rest()
        rest.call("PUT", "/routing", json={"endpoints": COLD, "routes": ROUTES}, expect=200)
        connection, code = Identity(hub, "d", key).try_connect()
        assert code == 0
        for number in range(50):
            body = f"{life}-{number}"
            connection.publish(topic, json.dumps(body).encode(), qos=1)
            sent.append(body)
        removed = rest.call("PUT", "/routing", json={}, expect=200).json()
        draining = removed["drainingEndpoints"]["storageContainers"]
        assert [one["name"] for one in draining] == ["cold"] * len(draining)
        hub.kill()
        hub.start()
    rest = hub.rest()
    wait_until(
        lambda: "drainingEndpoints" not in rest.call("GET", "/routing", expect=200).json(),
        20, "the endpoints have drained",
    )
    found = filed(data)
    # At least once: the hub was killed in the midst of it.
    assert sorted(set(found)) == sorted(sent)
    assert rest.call("GET", "/routing/endpointsHealth", expect=200).json() == {"value": []}
    assert not list(data.glob("routing-*.json"))
