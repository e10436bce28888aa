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
