"""File upload: the stock device client asks, the stock storage client uploads (contract 5, 8.2)."""

import base64
import datetime
import hashlib
import io
import json
import os
import time
from datetime import timedelta
from urllib.parse import quote

import pytest
import requests
import uamqp
from azure.core.exceptions import (
    ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock, BlobClient, ContainerClient, ContentSettings, generate_blob_sas,
)

import sas
from conftest import make_identities
from http_wire import HTTPConnection
from mqtt_wire import Closed
from waiting import wait_until

MIB = 1 << 20


@pytest.fixture(scope="module")
def small_hub(hub_factory):
    """A hub whose files may take 9 MiB."""
    return hub_factory({"files.quota_bytes": 9 * MIB})


@pytest.fixture
def small_identities(request, small_hub):
    return make_identities(request, small_hub)


@pytest.fixture(scope="module")
def file_hub(hub_factory, tmp_path_factory):
    """A hub that keeps its data, for kill -9 and a look at its folder."""
    return hub_factory(data=tmp_path_factory.mktemp("files") / "data")


@pytest.fixture
def file_identities(request, file_hub):
    return make_identities(request, file_hub)


def url_of(hub, info):
    """The URL as the device SDK's own sample composes it."""
    hub.note_secret(info["sasToken"].partition("sig=")[2].partition("&")[0])
    return "https://{}/{}/{}{}".format(
        info["hostName"], info["containerName"], info["blobName"], info["sasToken"])


def blob_of(hub, info, **options):
    """The stock storage client; it says at once what it is told, and does not try again."""
    return BlobClient.from_blob_url(url_of(hub, info), retry_total=0, **options)


def sign(hub, letters, name=None, container="uploads", seconds=600):
    """A URL from the hub's own call for operators."""
    body = {"containerName": container, "permissions": letters, "expirySeconds": seconds}
    if name is not None:
        body["blobName"] = name
    url = hub.rest().call("POST", "/files/signatures", json=body, expect=200).json()["url"]
    hub.note_secret(url.split("sig=")[1].split("&")[0])
    return url


@pytest.fixture
def notifications(hub, bundle):
    """A receiver of file notifications with the library inside the stock service client."""
    made = []

    def make():
        token = sas.token(hub.host, hub.policy_key("service"), policy="service")
        auth = uamqp.authentication.SASTokenAuth(
            audience=f"https://{hub.host}", uri=f"https://{hub.host}", token=token,
            expires_in=timedelta(minutes=10), expires_at=int(time.time()) + 600,
        )
        client = uamqp.ReceiveClient(
            f"amqps://{hub.host}/messages/serviceBound/filenotifications", auth=auth,
            timeout=5000, auto_complete=False,
            receive_settle_mode=uamqp.constants.ReceiverSettleMode.PeekLock,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def notified(receiver, device_id):
    """The next notification of a device; those of other tests are accepted on the way."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for message in receiver.receive_message_batch(max_batch_size=1, timeout=2_000):
            body = json.loads(b"".join(message.get_data()))
            if body["deviceId"] == device_id:
                return message, body
            message.accept()
    raise AssertionError("no notification")


def test_upload_complete_and_notification(hub, device, stock, notifications):
    client = stock.make(device)
    info = client.get_storage_info_for_blob("logs/today.txt")
    assert set(info) == {"correlationId", "hostName", "containerName", "blobName", "sasToken"}
    assert info["hostName"] == hub.host
    assert info["blobName"] == f"{device.device_id}/logs/today.txt"
    content = b"canary-7f3a " * 100
    with blob_of(hub, info) as blob:
        written = blob.upload_blob(
            content, overwrite=True, metadata={"site": "north"},
            content_settings=ContentSettings(content_type="text/plain"),
        )
        assert written["etag"] and written["last_modified"]
        properties = blob.get_blob_properties()
        assert properties.size == len(content) and properties.metadata == {"site": "north"}
        assert properties.content_settings.content_type == "text/plain"
        assert bytes(properties.content_settings.content_md5) == hashlib.md5(content).digest()
        assert blob.download_blob().readall() == content
        assert blob.download_blob(offset=7, length=5).readall() == content[7:12]
    client.notify_blob_upload_status(info["correlationId"], True, 201, "done")
    receiver = notifications()
    message, body = notified(receiver, device.device_id)
    assert message.properties.content_type == (
        b"application/vnd.microsoft.iothub.filenotification.json")
    assert len(message.delivery_tag) == 16
    assert body["blobName"] == info["blobName"] and body["blobSizeInBytes"] == len(content)
    assert body["blobUri"] == f"https://{hub.host}/uploads/{info['blobName']}"
    for name in ("lastUpdatedTime", "enqueuedTimeUtc"):
        assert datetime.datetime.fromisoformat(body[name][:19])
    message.release()
    message, again = notified(receiver, device.device_id)
    assert again == body
    message.accept()
    with pytest.raises(Exception):
        client.notify_blob_upload_status(info["correlationId"], True, 201, "again")


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_large_body_comes_in_blocks(hub, device, stock, concurrency):
    info = stock.make(device).get_storage_info_for_blob("large.bin")
    content = os.urandom(5 * MIB + 123)
    with blob_of(hub, info, max_single_put_size=MIB, max_block_size=MIB) as blob:
        blob.upload_blob(io.BytesIO(content), overwrite=True, max_concurrency=concurrency)
        committed, waiting = blob.get_block_list("all")
        assert len(committed) == 6 and not waiting
        assert blob.download_blob(max_concurrency=concurrency).readall() == content
    with blob_of(hub, info, max_single_get_size=MIB, max_chunk_get_size=MIB) as blob:
        got = blob.download_blob(validate_content=True)
        assert got.readall() == content


def test_one_large_put(hub, device, stock):
    info = stock.make(device).get_storage_info_for_blob("single.bin")
    content = os.urandom(20 * MIB)
    before = hub.resident_bytes()
    with blob_of(hub, info) as blob:
        blob.upload_blob(content, overwrite=True, validate_content=True)
        assert hub.resident_bytes() - before < 16 * MIB, "the body is kept in memory"
        assert hashlib.sha256(blob.download_blob().readall()).digest() == (
            hashlib.sha256(content).digest())


def test_empty_overwritten_and_conditional(hub, device, stock):
    info = stock.make(device).get_storage_info_for_blob("x")
    with blob_of(hub, info) as blob:
        assert not blob.exists()
        first = blob.upload_blob(b"")
        assert blob.exists() and blob.download_blob().readall() == b""
        with pytest.raises(ResourceExistsError) as refusal:
            blob.upload_blob(b"other")
        assert refusal.value.error_code == "BlobAlreadyExists"
        second = blob.upload_blob(b"second", overwrite=True)
        assert second["etag"] != first["etag"]
        from azure.core import MatchConditions
        with pytest.raises(ResourceModifiedError):
            blob.upload_blob(
                b"third", overwrite=True, etag=first["etag"],
                match_condition=MatchConditions.IfNotModified)
        assert blob.download_blob().readall() == b"second"


def test_append(hub, device, stock):
    info = stock.make(device).get_storage_info_for_blob("log.txt")
    with blob_of(hub, info) as blob:
        blob.create_append_blob()
        for number in range(3):
            answer = blob.append_block(f"line {number}\n".encode())
            assert answer["blob_append_offset"] == str(number * 7)
        assert blob.download_blob().readall() == b"line 0\nline 1\nline 2\n"
        blob.upload_blob(b"line 3\n", blob_type="AppendBlob")
        assert blob.get_blob_properties().size == 28


def test_blocks_by_hand(hub, device, stock):
    info = stock.make(device).get_storage_info_for_blob("x")
    with blob_of(hub, info) as blob:
        blob.stage_block("a", b"old")
        blob.stage_block("a", b"new ")
        blob.stage_block("b", b"b")
        with pytest.raises(ResourceNotFoundError):
            blob.download_blob()
        with pytest.raises(HttpResponseError) as refusal:
            blob.commit_block_list([BlobBlock("a"), BlobBlock("c")])
        assert refusal.value.error_code == "InvalidBlockList"
        with pytest.raises(HttpResponseError) as refusal:
            blob.commit_block_list([BlobBlock("a"), BlobBlock("a")])
        assert refusal.value.error_code == "InvalidBlockList"
        blob.commit_block_list([BlobBlock("a"), BlobBlock("b")])
        assert blob.download_blob().readall() == b"new b"


@pytest.mark.parametrize("device_id", ["d#1", "d?x=1", "d%41", "d:(1)'$@=+,*!"])
def test_odd_device_ids(hub, identities, stock, device_id):
    device = identities.device(device_id)
    client = stock.make(device)
    info = client.get_storage_info_for_blob("ü b.txt")
    with blob_of(hub, info) as blob:
        blob.upload_blob(b"x", overwrite=True)
        assert blob.download_blob().readall() == b"x"
    client.notify_blob_upload_status(info["correlationId"], True, 201, "done")
    names = [row["blobName"] for row in hub.rest().call("GET", "/files", expect=200).json()]
    assert f"{device_id}/ü b.txt" in names


@pytest.mark.parametrize("name", ["../other/x", "a/../../x", "/x", "a//b", "a/", ".", ""])
def test_path_tricks_are_refused(device, stock, name):
    with pytest.raises(Exception):
        stock.make(device).get_storage_info_for_blob(name)


def test_refused_signatures(hub, identities, stock):
    mine, other = identities.device(), identities.device()
    info = stock.make(mine).get_storage_info_for_blob("x")
    theirs = stock.make(other).get_storage_info_for_blob("x")
    with blob_of(hub, theirs) as blob:
        blob.upload_blob(b"theirs", overwrite=True)

    def refused(info, action=lambda blob: blob.upload_blob(b"forged", overwrite=True)):
        with blob_of(hub, info) as blob, pytest.raises(HttpResponseError) as refusal:
            action(blob)
        return refusal.value

    assert refused({**info, "blobName": theirs["blobName"]}).error_code == "AuthenticationFailed"
    signature = info["sasToken"].split("sig=")[1].split("&")[0]
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    tampered = {**info, "sasToken": info["sasToken"].replace(signature, flipped)}
    error = refused(tampered)
    assert isinstance(error, ClientAuthenticationError) and error.status_code == 403
    longer = {**info, "sasToken": info["sasToken"].replace("sp=rw", "sp=rwd")}
    assert refused(longer, lambda blob: blob.delete_blob()).error_code == "AuthenticationFailed"
    assert refused(info, lambda blob: blob.delete_blob()).error_code == (
        "AuthorizationPermissionMismatch")
    assert refused({**info, "sasToken": ""}).status_code == 401
    with blob_of(hub, theirs) as blob:
        assert blob.download_blob().readall() == b"theirs"


def test_what_an_operator_signs(hub, device, stock):
    name = f"{device.device_id}/x"
    with BlobClient.from_blob_url(sign(hub, "c", name), retry_total=0) as blob:
        blob.upload_blob(b"first")
        with pytest.raises(HttpResponseError) as refusal:
            blob.upload_blob(b"second", overwrite=True)
        assert refusal.value.error_code == "UnauthorizedBlobOverwrite"
        with pytest.raises(HttpResponseError) as refusal:
            blob.download_blob()
        assert refusal.value.error_code == "AuthorizationPermissionMismatch"
    with ContainerClient.from_container_url(sign(hub, "rl"), retry_total=0) as container:
        found = {blob.name: blob.size for blob in container.list_blobs(name_starts_with=name)}
        assert found == {name: 5}
        assert container.download_blob(name).readall() == b"first"
        with pytest.raises(HttpResponseError):
            container.upload_blob(name, b"x", overwrite=True)
    with BlobClient.from_blob_url(sign(hub, "d", name), retry_total=0) as blob:
        blob.delete_blob()
        with pytest.raises(ResourceNotFoundError):
            blob.delete_blob()
    service = hub.rest("service")
    for container, status in (("uploads", 200), ("exports", 401)):
        body = {"containerName": container, "permissions": "r"}
        service.call("POST", "/files/signatures", json=body, expect=status)


def test_the_services_own_tools_sign_for_the_hub(file_hub):
    key = (file_hub.data / "storage.key").read_text().strip()
    file_hub.note_secret(key)
    now = datetime.datetime.now(datetime.timezone.utc)
    options = {"account_key": key, "permission": "racwd"}

    def blob(**more):
        token = generate_blob_sas(file_hub.host, "uploads", "d1/x", **options, **more)
        file_hub.note_secret(token.split("sig=")[1].split("&")[0])
        url = f"https://{file_hub.host}/uploads/d1/x?{token}"
        return BlobClient.from_blob_url(url, retry_total=0)

    with blob(expiry=now + timedelta(minutes=5)) as good:
        good.upload_blob(b"x", overwrite=True)
    for times in (
        {"expiry": now - timedelta(seconds=5)},
        {"start": now + timedelta(hours=1), "expiry": now + timedelta(hours=2)},
    ):
        with blob(**times) as bad, pytest.raises(ClientAuthenticationError):
            bad.upload_blob(b"y", overwrite=True)
    with blob(expiry=now + timedelta(minutes=5)) as good:
        assert good.download_blob().readall() == b"x"
        good.delete_blob()


def test_over_the_quota(small_hub, small_identities, stock):
    def warnings():
        return sum("files.quota_bytes" in line["message"] for line in small_hub.log_records())

    before = warnings()
    client = stock.make(small_identities.device())
    info = client.get_storage_info_for_blob("x")
    with blob_of(small_hub, info) as blob:
        blob.upload_blob(b"kept", overwrite=True)
        with pytest.raises(HttpResponseError) as refusal:
            blob.upload_blob(bytes(12 * MIB), overwrite=True)
        assert refusal.value.status_code == 403
        assert refusal.value.error_code == "AccountQuotaExceeded"
        assert "files.quota_bytes" in refusal.value.message
        with pytest.raises(HttpResponseError):
            blob.upload_blob(bytes(12 * MIB), overwrite=True)
        assert warnings() == before + 1, "one line says it until room is made"
        assert blob.download_blob().readall() == b"kept"
        blob.upload_blob(bytes(8 * MIB), overwrite=True)
        # The first file's place is free again as soon as the hub has removed it.
        wait_until(lambda: fits(blob, b"small"), 10, "what was replaced is removed")


def fits(blob, content):
    try:
        blob.stage_block("a", content)
        return True
    except HttpResponseError:
        return False


def test_truncated_and_mangled_bodies_leave_nothing(file_hub, file_identities, stock):
    info = stock.make(file_identities.device()).get_storage_info_for_blob("x")
    target = url_of(file_hub, info).removeprefix(f"https://{info['hostName']}")
    folder = file_hub.data / "files"
    before = {path.name for path in folder.iterdir()}
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
    with HTTPConnection(file_hub) as connection:
        connection.request(
            "PUT", target, {**headers, "Content-Length": 3 * MIB}, bytes(2 * MIB), length=False)
        wait_until(
            lambda: {path.name for path in folder.iterdir()} - before, 5, "the body arrives")
    wait_until(
        lambda: {path.name for path in folder.iterdir()} == before, 10,
        "what came of the broken body is removed")
    with HTTPConnection(file_hub) as connection:
        wrong = base64.b64encode(bytes(16)).decode()
        connection.request("PUT", target, {**headers, "Content-MD5": wrong}, b"x")
        answer = connection.answer()
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
        connection.request("GET", target)
        assert connection.answer().status_code == 404
    assert {path.name for path in folder.iterdir()} == before


def test_acknowledged_files_survive_kill_9(file_hub, file_identities, stock):
    client = stock.make(file_identities.device())
    info, waiting = (client.get_storage_info_for_blob(name) for name in ("x", "y"))
    content = os.urandom(MIB)
    with blob_of(file_hub, info) as blob:
        blob.upload_blob(content, overwrite=True)
    with blob_of(file_hub, waiting) as blob:
        blob.stage_block("a", content)
    client.notify_blob_upload_status(info["correlationId"], True, 201, "done")
    file_hub.kill()
    file_hub.start()
    with blob_of(file_hub, info) as blob:
        assert blob.download_blob().readall() == content
    with blob_of(file_hub, waiting) as blob:
        blob.commit_block_list([BlobBlock("a")])
        assert blob.download_blob().readall() == content
    service = file_hub.rest("service")
    told = service.call("GET", "/messages/serviceBound/filenotifications", expect=200)
    assert told.json()["blobName"] == info["blobName"]


def test_the_limit_of_open_uploads(hub, device, stock):
    client = stock.make(device)
    infos = [client.get_storage_info_for_blob(str(number)) for number in range(10)]
    path = f"/devices/{quote(device.device_id, safe='')}/files"
    answer = hub.rest().call("POST", path, json={"blobName": "x"}, token=device.token())
    assert answer.status_code == 403
    assert answer.headers["iothub-errorcode"] == "DeviceMaximumActiveFileUploadLimitExceeded"
    client.notify_blob_upload_status(infos[0]["correlationId"], False, 500, "gave up")
    client.get_storage_info_for_blob("x")


def test_a_hanging_upload_is_ended(strict_hub, strict_identities, stock):
    info = stock.make(strict_identities.device()).get_storage_info_for_blob("x")
    target = url_of(strict_hub, info).removeprefix(f"https://{info['hostName']}")
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": 1000}
    with HTTPConnection(strict_hub, timeout=15) as connection:
        connection.request("PUT", target, headers, b"x", length=False)
        try:
            assert connection.answer().status_code >= 400
        except Closed:
            pass


def test_requests_without_the_sdk(hub, device, stock):
    info = stock.make(device).get_storage_info_for_blob("x.txt")
    url = url_of(hub, info)
    answer = requests.put(
        url, data=b"plain", headers={"x-ms-blob-type": "BlockBlob"}, verify=hub.ca_path, timeout=5)
    assert answer.status_code == 201
    answer = requests.get(url, headers={"Range": "bytes=1-3"}, verify=hub.ca_path, timeout=5)
    assert (answer.status_code, answer.content) == (206, b"lai")
    assert answer.headers["Content-Range"] == "bytes 1-3/5"
    answer = requests.post(url, verify=hub.ca_path, timeout=5)
    assert answer.status_code == 405 and "<Code>UnsupportedHttpVerb</Code>" in answer.text


def test_export_and_import_jobs_of_the_stock_client(hub, registry, identities):
    from azure.iot.hub.protocol.models import JobProperties

    device = identities.device()
    jobs = registry.protocol.jobs

    def ended(job):
        def look():
            now = jobs.get_import_export_job(job.job_id)
            return now if now.status in ("completed", "failed") else None
        return wait_until(look, 20, "the job ends")

    uri = sign(hub, "rwl", container="exports")
    job = jobs.create_import_export_job(JobProperties(
        type="export", output_blob_container_uri=uri, exclude_keys_in_export=False))
    done = ended(job)
    assert (done.status, done.progress) == ("completed", 100), done.failure_reason
    assert done.start_time_utc and done.end_time_utc
    with ContainerClient.from_container_url(uri, retry_total=0) as container:
        text = container.download_blob("devices.txt").readall().decode()
    lines = {line["id"]: line for line in map(json.loads, text.splitlines())}
    assert lines[device.device_id]["authentication"]["symmetricKey"]["primaryKey"] == device.key
    for line in lines.values():
        for key in line["authentication"].get("symmetricKey", {}).values():
            hub.note_secret(key)
    line = {**lines[device.device_id], "id": identities.name(), "importMode": "create"}
    line.pop("eTag", None), line.pop("deviceScope", None)
    with ContainerClient.from_container_url(uri, retry_total=0) as container:
        body = json.dumps(line) + "\n" + json.dumps(line) + "\n"
        container.upload_blob("new.txt", body, overwrite=True)
    job = jobs.create_import_export_job(JobProperties(
        type="import", input_blob_container_uri=uri, input_blob_name="new.txt",
        output_blob_container_uri=uri))
    assert ended(job).status == "completed"
    assert registry.get_device(line["id"]).device_id == line["id"]
    registry.delete_device(line["id"])
    with ContainerClient.from_container_url(uri, retry_total=0) as container:
        errors = container.download_blob("importErrors.log").readall().decode()
    assert "DeviceAlreadyExists" in errors and line["id"] in errors
    assert job.job_id in [one.job_id for one in jobs.get_import_export_jobs()]
    with pytest.raises(Exception):
        jobs.cancel_import_export_job(job.job_id)
