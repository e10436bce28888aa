"""Jobs and configurations on the command line, as a person or a script meets them."""

import json

from test_cli import cli_hub, orrery  # noqa: F401 (fixtures)
from waiting import wait_until

CONTENT = '{"deviceContent":{"properties.desired.interval":5}}'


def answer(result):
    return json.loads(result.stdout)


def test_a_configuration_from_plan_to_deletion(orrery):  # noqa: F811
    orrery("device", "create", "north-1")
    orrery("twin", "update", "north-1", "--tags", '{"site":"north"}')
    words = ("intervals", CONTENT, "--target", "tags.site = 'north'", "--priority", "7")
    plan = answer(orrery("configuration", "plan", *words))
    assert plan["action"] == "create"
    assert [change["deviceId"] for change in plan["changes"]] == ["north-1"]
    assert plan["changes"][0]["desired"] == {"interval": 5}
    # Nobody is there to agree: the plan is shown all the same.
    refused = orrery("configuration", "apply", *words, status=2)
    assert "north-1" in refused.stderr and "--yes" in refused.stderr
    assert answer(orrery("configuration", "list")) == []
    made = answer(orrery("configuration", "apply", *words, "--yes"))
    assert made["priority"] == 7

    def interval():
        twin = answer(orrery("twin", "show", "north-1"))
        return twin["properties"]["desired"].get("interval")

    wait_until(lambda: interval() == 5, 10, "it is applied")
    changed = answer(orrery("configuration", "apply", "intervals", "--target", "", "--yes"))
    assert changed["targetCondition"] == "" and changed["priority"] == 7
    wait_until(lambda: interval() is None, 10, "it is taken back")
    shown = orrery("configuration", "show", "intervals", output="table")
    assert "properties.desired.interval" in shown.stdout
    orrery("configuration", "delete", "intervals", "--etag", "MQ==", "--yes", status=5)
    orrery("configuration", "delete", "intervals", "--yes")
    orrery("configuration", "show", "intervals", status=3)


def test_a_bad_condition_is_told_with_its_place(orrery):  # noqa: F811
    failed = orrery(
        "configuration", "apply", "bad", CONTENT, "--target", "tags.a = = 1", "--yes", status=1)
    assert "column 10" in failed.stderr
    failed = orrery("job", "create", "bad", "--where", "tags.a =", "--tags", "{}", "--yes",
                    status=1)
    assert "column" in failed.stderr


def test_a_job_from_plan_to_its_devices(orrery):  # noqa: F811
    orrery("device", "create", "job-1")
    words = ("greet", "--where", "deviceId = 'job-1'", "--method", "hello")
    plan = answer(orrery("job", "plan", *words))
    assert plan["changes"] == [{"deviceId": "job-1", "connectionState": "Disconnected"}]
    orrery("job", "create", *words, status=2)
    orrery("job", "show", "greet", status=3)
    made = answer(orrery("job", "create", *words, "--yes"))
    assert made["type"] == "scheduleDeviceMethod"
    wait_until(
        lambda: answer(orrery("job", "show", "greet"))["status"] == "completed", 10, "it ends")
    rows = answer(orrery("job", "show", "greet", "--failed"))
    assert [row["deviceId"] for row in rows] == ["job-1"]
    assert "job-1" in orrery("job", "show", "greet", "--devices", output="table").stdout
    orrery("job", "cancel", "greet", "--yes", status=1)
    later = answer(orrery(
        "job", "create", "later", "--where", "*", "--tags", '{"a":1}', "--start", "1h", "--yes"))
    assert later["status"] == "scheduled"
    assert answer(orrery("job", "cancel", "later", "--yes"))["status"] == "cancelled"
    assert [job["jobId"] for job in answer(orrery("job", "list", "--status", "cancelled"))] == [
        "later"]


def test_edge_devices_and_what_a_deployment_would_do(orrery):  # noqa: F811
    """Health as the agents report it, the tree below, and the blast radius of a manifest."""
    for gate in ("gate-1", "gate-2"):
        orrery("device", "create", gate, "--edge")
        orrery("twin", "update", gate, "--tags", '{"line":7}')
    orrery("device", "create", "mid", "--edge", "--parent", "gate-1")
    for leaf, parent in (("leaf-1", "gate-1"), ("leaf-2", "mid"), ("leaf-3", "gate-2")):
        orrery("device", "create", leaf, "--parent", parent)
    orrery("device", "create", "lone")
    listed = {edge["deviceId"]: edge for edge in answer(orrery("edge", "list"))}
    assert set(listed) >= {"gate-1", "gate-2", "mid"} and not {"leaf-1", "lone"} & set(listed)
    assert listed["gate-1"]["childCount"] == 2 and listed["mid"]["parent"] == "gate-1"
    assert listed["gate-1"]["agent"]["connectionState"] == "Disconnected"
    assert not listed["gate-1"]["deployment"]["isApplied"]
    shown = answer(orrery("edge", "show", "gate-1"))
    assert [(child["deviceId"], child["parent"]) for child in shown["children"]] == [
        ("leaf-1", "gate-1"), ("mid", "gate-1"), ("leaf-2", "mid")]
    assert "  leaf-2" in orrery("edge", "show", "gate-1", output="table").stdout
    orrery("edge", "show", "lone", status=1)
    orrery("edge", "show", "nobody", status=3)

    def manifest(**images):
        modules = {name: {"type": "docker", "status": "running", "restartPolicy": "always",
                          "settings": {"image": image}} for name, image in images.items()}
        return json.dumps({"modulesContent": {
            "$edgeAgent": {"properties.desired": {
                "schemaVersion": "1.1", "modules": modules,
                "runtime": {"type": "docker", "settings": {}},
                "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "a"}}}}},
            "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {}}}}})

    def preview(name, content, *words):
        return answer(orrery("deployment", "preview", name, content, *words))

    first = preview("base", manifest(a="a:1", b="b:1"), "--target", "tags.line = 7")
    assert first["totals"] == {
        "targeted": 2, "changed": 2, "disconnected": 2, "devicesBelow": 3, "starts": 6,
        "restarts": 0, "stops": 0, "refused": 0}
    assert [edge["result"] for edge in first["edges"]] == ["wins", "wins"]
    assert first["edges"][0]["childCount"] == 2 and first["edges"][0]["isConnected"] is False
    assert "a" not in answer(orrery("twin", "show", "gate-1"))["properties"]["desired"]
    orrery("configuration", "apply", "base", manifest(a="a:1", b="b:1"), "--target",
           "tags.line = 7", "--priority", "5", "--yes")

    def modules():
        found = answer(orrery("edge", "show", "gate-1"))["modules"]
        return {module["name"]: module["desiredStatus"] for module in found}
    wait_until(lambda: modules() == {"edgeAgent": "running", "a": "running", "b": "running"}, 10,
               "it is applied")
    assert answer(orrery("edge", "show", "gate-1"))["unwellModuleCount"] == 3
    over = preview("over", manifest(a="a:2", c="c:1"), "--target", "deviceId = 'gate-1'",
                   "--priority", "9")
    edge, = over["edges"]
    assert (edge["result"], edge["overrules"]) == ("wins", ["base"])
    assert (edge["starts"], edge["restarts"], edge["stops"]) == (["c"], ["a"], ["b"])
    under = preview("under", manifest(a="a:2"), "--target", "tags.line = 7", "--priority", "1")
    assert [edge["result"] for edge in under["edges"]] == ["loses", "loses"]
    assert under["totals"]["restarts"] == under["totals"]["stops"] == 0
    table = orrery("deployment", "preview", "over", manifest(a="a:2"), "--target", "*",
                   "--priority", "9", output="table").stdout
    assert "overrules base" in table and "stop b" in table
    orrery("deployment", "preview", "x", CONTENT, "--target", "*", status=2)
    orrery("configuration", "delete", "base", "--yes")
