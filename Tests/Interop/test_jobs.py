"""Scheduled jobs through the stock job manager, with stock devices (contract 7.9)."""

import datetime

import pytest
from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest, Twin, TwinProperties
from azure.iot.device import MethodResponse
from msrest.exceptions import DeserializationError, HttpOperationError

from conftest import make_identities
from rest import check_error
from waiting import wait_until


@pytest.fixture(scope="session")
def fleet_hub(hub_factory):
    """A hub of its own: jobs and configurations for all devices must not meet other tests."""
    return hub_factory()


@pytest.fixture
def identities(request, fleet_hub):
    return make_identities(request, fleet_hub)


@pytest.fixture
def rest(fleet_hub):
    return fleet_hub.rest("service")


@pytest.fixture
def jobs(fleet_hub):
    return IoTHubJobManager.from_connection_string(fleet_hub.connection_string("service"))


@pytest.fixture
def tagged(identities, fleet_hub, request):
    """Devices that the condition of this test alone selects, and that condition."""
    name = request.node.name.replace("[", "-").replace("]", "")
    devices = [identities.device() for _ in range(3)]
    owner = fleet_hub.rest()
    for number, device in enumerate(devices):
        owner.patch_twin(device.device_id, {"tags": {"test": name, "number": number}})
    return devices, f"tags.test = '{name}'"


def job_id(request):
    return "".join(c for c in request.node.name.lower() if c.isalnum())[:60]


def ended(jobs, name):
    job = jobs.get_scheduled_job(name)
    return job if job.status in ("completed", "failed", "cancelled") else None


def twin_update(condition, **more):
    patch = Twin(
        etag="*", tags={"updated": True, "number": None},
        properties=TwinProperties(desired={"rate": 7}))
    return JobRequest(
        type="scheduleUpdateTwin", update_twin=patch, query_condition=condition,
        max_execution_time_in_seconds=60, **more)


def method_job(condition, connect=1, response=5):
    method = CloudToDeviceMethod(
        method_name="reboot", payload={"at": "once"}, response_timeout_in_seconds=response,
        connect_timeout_in_seconds=connect)
    return JobRequest(
        type="scheduleDeviceMethod", cloud_to_device_method=method, query_condition=condition,
        max_execution_time_in_seconds=60)


def test_a_twin_update_reaches_devices(request, stock, tagged, jobs, rest):
    devices, condition = tagged
    patches = []
    client = stock.connect(devices[0])
    client.on_twin_desired_properties_patch_received = patches.append
    client.get_twin()
    name = job_id(request)
    made = jobs.create_scheduled_job(name, twin_update(condition))
    assert made.job_id == name and made.type == "scheduleUpdateTwin"
    assert made.created_time is not None and made.max_execution_time_in_seconds == 60
    job = wait_until(lambda: ended(jobs, name), 10, "the job ends")
    assert job.status == "completed" and job.end_time is not None
    counts = job.device_job_statistics
    assert (counts.device_count, counts.succeeded_count, counts.failed_count) == (3, 3, 0)
    for device in devices:
        twin = rest.twin(device.device_id)
        assert twin["tags"]["updated"] is True and "number" not in twin["tags"]
        assert twin["properties"]["desired"]["rate"] == 7
    wait_until(lambda: patches, 5, "the device hears of it")
    assert patches[0]["rate"] == 7
    rows = rest.call(
        "POST", "/devices/query",
        json={"query": f"SELECT * FROM devices.jobs WHERE jobId = '{name}'"}, expect=200)
    assert rows.headers["x-ms-item-type"] == "DeviceJob"
    assert {row["deviceId"] for row in rows.json()} == {d.device_id for d in devices}
    assert {row["status"] for row in rows.json()} == {"completed"}


def test_a_method_job_asks_devices_and_counts_the_absent(request, stock, tagged, jobs, rest):
    devices, condition = tagged
    seen = []
    for number, device in enumerate(devices[:2]):
        client = stock.connect(device)

        def answer(call, client=client, number=number):
            seen.append((call.name, call.payload))
            client.send_method_response(
                MethodResponse.create_from_method_request(call, 200 + number, {"n": number}))

        client.on_method_request_received = answer
    name = job_id(request)
    jobs.create_scheduled_job(name, method_job(condition))
    job = wait_until(lambda: ended(jobs, name), 20, "the job ends")
    assert job.status == "completed"
    counts = job.device_job_statistics
    assert (counts.device_count, counts.succeeded_count, counts.failed_count) == (3, 2, 1)
    assert seen == [("reboot", {"at": "once"})] * 2
    rows = rest.call(
        "POST", "/devices/query",
        json={"query": f"SELECT * FROM devices.jobs WHERE jobId = '{name}'"}, expect=200).json()
    answers = {
        row["deviceId"]: row.get("outcome", {}).get("deviceMethodResponse") for row in rows}
    assert answers == {
        devices[0].device_id: {"status": 200, "payload": {"n": 0}},
        devices[1].device_id: {"status": 201, "payload": {"n": 1}},
        devices[2].device_id: None,
    }


def test_a_job_waits_for_its_time_and_is_cancelled(request, tagged, jobs, rest):
    devices, condition = tagged
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    name = job_id(request)
    made = jobs.create_scheduled_job(name, twin_update(condition, start_time=later))
    assert made.status == "scheduled"
    assert abs((made.start_time - later).total_seconds()) < 0.001
    assert jobs.cancel_scheduled_job(name).status == "cancelled"
    assert jobs.get_scheduled_job(name).status == "cancelled"
    assert "updated" not in rest.twin(devices[0].device_id)["tags"]
    with pytest.raises(HttpOperationError) as refusal:
        jobs.cancel_scheduled_job(name)
    check_error(refusal.value.response, 405, "OperationNotAllowedInCurrentState")


def test_a_running_job_is_cancelled(request, tagged, jobs):
    _, condition = tagged
    name = job_id(request)
    jobs.create_scheduled_job(name, method_job(condition, connect=60, response=60))
    wait_until(
        lambda: jobs.get_scheduled_job(name).device_job_statistics.running_count == 3, 10,
        "the methods wait for their devices")
    assert jobs.cancel_scheduled_job(name).status == "cancelled"
    assert jobs.get_scheduled_job(name).device_job_statistics.running_count == 0


def test_a_job_that_takes_too_long_fails(request, tagged, jobs):
    _, condition = tagged
    job = method_job(condition, connect=60, response=60)
    job.max_execution_time_in_seconds = 1
    name = job_id(request)
    jobs.create_scheduled_job(name, job)
    result = wait_until(lambda: ended(jobs, name), 10, "the job ends")
    assert result.status == "failed" and result.failure_reason
    assert result.device_job_statistics.failed_count == 3


def test_unknown_jobs(jobs):
    unknown = jobs.get_scheduled_job("no-such-job")
    assert (unknown.type, unknown.status) == ("unknown", "unknown")
    with pytest.raises(HttpOperationError) as refusal:
        jobs.cancel_scheduled_job("no-such-job")
    check_error(refusal.value.response, 404, "JobNotFound")


def test_jobs_are_listed(request, jobs, rest):
    name = job_id(request)
    jobs.create_scheduled_job(name, twin_update("deviceId = 'nobody'"))
    wait_until(lambda: ended(jobs, name), 10, "the job ends")
    params = {"jobType": "scheduleUpdateTwin", "jobStatus": "completed"}
    answer = rest.call("GET", "/jobs/v2/query", params=params, expect=200)
    assert answer.headers["x-ms-item-type"] == "JobResponse"
    assert name in [job["jobId"] for job in answer.json()]
    # The stock client expects an object here, of which the original answers an array too.
    with pytest.raises(DeserializationError):
        jobs.query_scheduled_jobs("scheduleUpdateTwin", "completed")


@pytest.mark.parametrize("name, change, status, code, hint", [
    ("a" * 65, {}, 400, "ArgumentInvalid", "64"),
    ("Capital", {}, 400, "ArgumentInvalid", "lower-case"),
    ("job", {"query_condition": "tags.a = = 1"}, 400, "ArgumentInvalid", "column"),
    ("job", {"query_condition": None}, 400, "ArgumentNull", "queryCondition"),
    ("job", {"type": "export"}, 400, "ArgumentInvalid", "type"),
    ("job", {"update_twin": None}, 400, "ArgumentNull", "updateTwin"),
    ("job", {"update_twin": Twin(tags={"a.b": 1})}, 400, "ArgumentInvalid", "a.b"),
    ("job", {"job_id": "other"}, 400, "ArgumentInvalid", "jobId"),
    ("job", {"max_execution_time_in_seconds": 0}, 400, "ArgumentInvalid", "maxExecution"),
    ("job", {"start_time": datetime.datetime(2100, 1, 1)}, 400, "ArgumentInvalid", "startTime"),
])
def test_refusals(jobs, name, change, status, code, hint):
    job = twin_update("deviceId = 'nobody'")
    for field, value in change.items():
        setattr(job, field, value)
    with pytest.raises(HttpOperationError) as refusal:
        jobs.create_scheduled_job(name, job)
    check_error(refusal.value.response, status, code, shape=1)
    assert hint in refusal.value.response.text


def test_an_id_is_taken_once(request, jobs):
    name = job_id(request)
    jobs.create_scheduled_job(name, twin_update("deviceId = 'nobody'"))
    with pytest.raises(HttpOperationError) as refusal:
        jobs.create_scheduled_job(name, twin_update("deviceId = 'nobody'"))
    check_error(refusal.value.response, 409, "JobAlreadyExists")


def test_the_eleventh_job_is_refused(request, tagged, jobs):
    _, condition = tagged
    names = [f"{job_id(request)}-{number}" for number in range(11)]
    for name in names[:10]:
        jobs.create_scheduled_job(name, method_job(condition, connect=60, response=60))
    with pytest.raises(HttpOperationError) as refusal:
        jobs.create_scheduled_job(names[10], twin_update(condition))
    check_error(refusal.value.response, 429, "ThrottlingMaxActiveJobCountExceeded")
    for name in names[:10]:
        jobs.cancel_scheduled_job(name)
    jobs.create_scheduled_job(names[10], twin_update(condition))
    wait_until(lambda: ended(jobs, names[10]), 10, "the job ends")


@pytest.mark.parametrize("stop", ["stop", "kill"])
def test_jobs_go_on_after_a_restart(stop, hub_factory, tmp_path, request):
    hub = hub_factory(data=tmp_path / "data")
    owner = hub.rest()
    names = [f"device-{number}" for number in range(5)]
    for name in names:
        owner.create_device(name)
    jobs = IoTHubJobManager.from_connection_string(hub.connection_string())
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    jobs.create_scheduled_job("later", twin_update("*", start_time=later))
    jobs.create_scheduled_job("methods", method_job("*", connect=4))
    wait_until(
        lambda: jobs.get_scheduled_job("methods").device_job_statistics.running_count == 5, 10,
        "the methods wait for their devices")
    getattr(hub, stop)()
    hub.start()
    jobs = IoTHubJobManager.from_connection_string(hub.connection_string())
    for name in ("later", "methods"):
        job = wait_until(lambda name=name: ended(jobs, name), 20, f"{name} ends")
        assert job.status == "completed", name
    assert jobs.get_scheduled_job("methods").device_job_statistics.failed_count == 5
    assert jobs.get_scheduled_job("later").device_job_statistics.succeeded_count == 5
    assert hub.rest().twin("device-3")["properties"]["desired"]["rate"] == 7
