"""The stock service client over HTTPS: identities, bulk, statistics (contract 7.3, 7.4, 7.10)."""

import base64

import pytest
from azure.iot.hub.models import ExportImportDevice
from msrest.exceptions import HttpOperationError

import certificates
import sas
from conftest import stock_registry
from rest import check_common_headers, check_error

THUMBPRINT, OTHER = "A" * 40, "b" * 64


def status_of(call, *arguments, **options):
    """The HTTP status that the stock client reports."""
    with pytest.raises(HttpOperationError) as caught:
        call(*arguments, **options)
    return caught.value.response.status_code


@pytest.fixture
def name(identities):
    """A device id that the fixture deletes if the test made it."""
    chosen = identities.name()
    identities._made.append(chosen)
    return chosen


def test_sas_device_life(registry, name):
    keys = sas.new_key(), sas.new_key()
    made = registry.create_device_with_sas(name, *keys, "enabled", status_reason="new")
    assert (made.device_id, made.status, made.status_reason) == (name, "enabled", "new")
    assert (made.authentication.symmetric_key.primary_key,
            made.authentication.symmetric_key.secondary_key) == keys
    assert made.authentication.type == "sas" and made.connection_state == "Disconnected"
    assert made.capabilities.iot_edge is False and made.cloud_to_device_message_count == 0
    got = registry.get_device(name)
    assert got.etag == made.etag and got.generation_id == made.generation_id
    new = sas.new_key(), sas.new_key()
    updated = registry.update_device_with_sas(name, got.etag, *new, "disabled", status_reason="off")
    assert updated.etag != got.etag and updated.status == "disabled"
    assert updated.generation_id == got.generation_id
    assert updated.authentication.symmetric_key.primary_key == new[0]
    assert updated.status_updated_time > got.status_updated_time
    assert status_of(registry.delete_device, name, got.etag) == 412
    registry.delete_device(name, updated.etag)
    assert status_of(registry.get_device, name) == 404


def test_keys_are_made_when_none_are_given(registry, name):
    made = registry.create_device_with_sas(name, None, None, "enabled")
    keys = made.authentication.symmetric_key
    assert len(keys.primary_key) == len(keys.secondary_key) == 44
    assert keys.primary_key != keys.secondary_key


def test_x509_device_life(registry, name):
    made = registry.create_device_with_x509(name, THUMBPRINT, OTHER, "enabled")
    assert made.authentication.type == "selfSigned"
    assert made.authentication.x509_thumbprint.primary_thumbprint == THUMBPRINT
    assert made.authentication.x509_thumbprint.secondary_thumbprint == OTHER
    assert made.authentication.symmetric_key.primary_key is None
    updated = registry.update_device_with_x509(name, made.etag, OTHER, THUMBPRINT, "enabled")
    assert updated.authentication.x509_thumbprint.primary_thumbprint == OTHER
    registry.delete_device(name)


def test_authority_device_life(registry, name):
    made = registry.create_device_with_certificate_authority(name, "enabled")
    assert made.authentication.type == "certificateAuthority"
    updated = registry.update_device_with_certificate_authority(name, made.etag, "disabled")
    assert updated.status == "disabled"
    registry.delete_device(name)


def test_modules_of_every_kind(registry, device):
    owner, keys = device.device_id, (sas.new_key(), sas.new_key())
    made = registry.create_module_with_sas(owner, "m-sas", "me", *keys)
    assert (made.module_id, made.device_id, made.managed_by) == ("m-sas", owner, "me")
    registry.create_module_with_x509(owner, "m-x509", None, THUMBPRINT, THUMBPRINT)
    registry.create_module_with_certificate_authority(owner, "m-ca", None)
    assert {module.module_id for module in registry.get_modules(owner)} == {
        "m-sas", "m-x509", "m-ca"}
    updated = registry.update_module_with_sas(owner, "m-sas", "you", made.etag, *keys)
    assert updated.managed_by == "you" and updated.etag != made.etag
    assert status_of(registry.update_module_with_sas, owner, "m-sas", "x", made.etag, *keys) == 412
    registry.update_module_with_x509(owner, "m-x509", None, None, OTHER, OTHER)
    registry.update_module_with_certificate_authority(owner, "m-ca", None, None)
    got = registry.get_module(owner, "m-x509")
    assert got.authentication.x509_thumbprint.primary_thumbprint == OTHER
    registry.delete_module(owner, "m-sas")
    assert status_of(registry.get_module, owner, "m-sas") == 404
    assert status_of(registry.create_module_with_sas, owner, "m-ca", None, *keys) == 409


def test_create_only_and_update_only(rest, registry, device):
    path = f"/devices/{device.device_id}"
    body = {"deviceId": device.device_id, "etag": device.record["etag"]}
    check_error(rest.call("PUT", path, json=body), 409, "DeviceAlreadyExists", shape=1)
    stale = rest.call("PUT", path, json=body, headers={"If-Match": '"c3RhbGU="'})
    check_error(stale, 412, "PreconditionFailed", shape=1)
    missing = rest.call("PUT", "/devices/not-there", json={"deviceId": "not-there"},
                        headers={"If-Match": "*"})
    check_error(missing, 404, "DeviceNotFound", shape=1)
    assert status_of(registry.update_device_with_certificate_authority,
                     "not-there", None, "enabled") == 404


def test_etag_header_and_forms(rest, device):
    answer = rest.call("GET", f"/devices/{device.device_id}", expect=200)
    check_common_headers(answer.headers)
    assert answer.headers["Content-Type"].replace(" ", "").lower() == (
        "application/json;charset=utf-8")
    etag = answer.json()["etag"]
    assert answer.headers["ETag"] == f'"{etag}"' and '"' not in etag
    for form in ('"{}"', "{}", 'W/"{}"', "*"):
        record = rest.device(device.device_id)
        rest.call("PUT", f"/devices/{device.device_id}", json=record, expect=200,
                  headers={"If-Match": form.format(record["etag"])})


def test_delete_needs_if_match(rest, device):
    path = f"/devices/{device.device_id}"
    check_error(rest.call("DELETE", path), 412, "PreconditionFailed")
    check_error(rest.call("DELETE", "/devices/not-there", headers={"If-Match": "*"}), 404,
                "DeviceNotFound")


def test_update_without_authentication_mints_new_keys(rest, device):
    body = {"deviceId": device.device_id, "status": "enabled"}
    made = rest.call("PUT", f"/devices/{device.device_id}", json=body, expect=200,
                     headers={"If-Match": "*"}).json()
    assert made["authentication"]["symmetricKey"]["primaryKey"] != device.key


def same_key(size=32):
    """The same at each start: rows are named by what they hold, and workers have to agree."""
    return base64.b64encode(bytes(range(size))).decode()


@pytest.mark.parametrize("fields", [
    {"deviceId": "another"}, {"status": "sleeping"}, {"status": 1},
    {"authentication": {"type": "none"}}, {"authentication": {"type": "magic"}},
    {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": same_key()}}},
    {"authentication": {"type": "sas", "symmetricKey": {
        "primaryKey": same_key(15), "secondaryKey": same_key(15)}}},
    {"authentication": {"type": "sas", "symmetricKey": {
        "primaryKey": same_key(65), "secondaryKey": same_key(65)}}},
    {"authentication": {"type": "sas", "symmetricKey": {
        "primaryKey": "not base64!", "secondaryKey": "not base64!"}}},
    {"authentication": []}, {"deviceScope": "ms-azure-iot-edge://nobody-1"},
    {"capabilities": {"iotEdge": "perhaps"}},
], ids=str)
def test_bad_identities_are_refused(rest, name, fields):
    answer = rest.call("PUT", f"/devices/{name}", json={"deviceId": name, **fields})
    check_error(answer, 400)
    check_error(rest.call("GET", f"/devices/{name}"), 404, "DeviceNotFound")


def test_module_errors(rest, device):
    path = f"/devices/{device.device_id}/modules"
    body = {"deviceId": device.device_id, "moduleId": "m1"}
    rest.call("PUT", f"{path}/m1", json=body, expect={200, 201})
    check_error(rest.call("PUT", f"{path}/m1", json=body), 409, "ModuleAlreadyExistsOnDevice",
                shape=2)
    check_error(rest.call("GET", f"{path}/m2"), 404, "ModuleNotFound", shape=2)
    check_error(rest.call("PUT", "/devices/not-there/modules/m1", json={
        "deviceId": "not-there", "moduleId": "m1"}), 404)
    reserved = {"deviceId": device.device_id, "moduleId": "$edgeAgent"}
    check_error(rest.call("PUT", f"{path}/$edgeAgent", json=reserved), 400)


def test_fifty_modules_and_no_more(rest, device):
    batch = [{"id": device.device_id, "moduleId": f"m{number}", "importMode": "create"}
             for number in range(50)]
    assert rest.call("POST", "/devices", json=batch, expect=200).json()["isSuccessful"]
    answer = rest.call("PUT", f"/devices/{device.device_id}/modules/m50", json={
        "deviceId": device.device_id, "moduleId": "m50"})
    check_error(answer, 413, "TooManyModulesOnDevice")


def test_edge_devices_and_their_children(registry, rest, identities):
    parent_name, child_name = identities.name(), identities.name()
    identities._made += [parent_name, child_name]
    parent = registry.create_device_with_sas(parent_name, None, None, "enabled", iot_edge=True)
    assert parent.device_scope.startswith(f"ms-azure-iot-edge://{parent_name}-")
    assert {module.module_id for module in registry.get_modules(parent_name)} == {
        "$edgeAgent", "$edgeHub"}
    child = registry.create_device_with_sas(
        child_name, None, None, "enabled", device_scope=parent.device_scope)
    assert child.device_scope == parent.device_scope
    assert child.parent_scopes == [parent.device_scope]
    updated = registry.update_device_with_sas(
        parent_name, parent.etag, sas.new_key(), sas.new_key(), "enabled", iot_edge=True)
    assert updated.device_scope == parent.device_scope


def test_bulk_add_update_remove(registry, rest, identities):
    names = [identities.name() for _ in range(5)]
    identities._made += names

    def bulk(mode, chosen=names, **fields):
        return registry.bulk_create_or_update_devices(
            [ExportImportDevice(id=name, import_mode=mode, **fields) for name in chosen])

    made = bulk("create", status="enabled", tags={"floor": 1})
    assert made.is_successful and not made.errors and not made.warnings
    assert rest.twin(names[0])["tags"] == {"floor": 1}
    again = bulk("create", names[:2] + [names[0] + "-new"])
    identities._made.append(names[0] + "-new")
    assert not again.is_successful
    assert {error.device_id for error in again.errors} == set(names[:2])
    assert {str(error.error_code) for error in again.errors} == {"DeviceAlreadyExists"}
    assert rest.device(names[0] + "-new"), "the good element of a failed call is applied"
    assert bulk("update", status="disabled").is_successful
    assert rest.device(names[3])["status"] == "disabled"
    stale = bulk("updateIfMatchETag", names[:1], e_tag="c3RhbGU=", status="enabled")
    assert [str(error.error_code) for error in stale.errors] == ["PreconditionFailed"]
    assert bulk("updateTwin", tags={"floor": 2}).is_successful
    assert rest.twin(names[4])["tags"] == {"floor": 2}
    assert bulk("delete").is_successful
    check_error(rest.call("GET", f"/devices/{names[0]}"), 404, "DeviceNotFound")


def test_bulk_refusals(rest, identities):
    twice = [{"id": "same", "importMode": "create"}] * 2
    answer = rest.call("POST", "/devices", json=twice)
    assert answer.status_code == 400 and "DeviceDefinedMultipleTimes" in (
        answer.text + answer.headers.get("iothub-errorcode", ""))
    check_error(rest.call("GET", "/devices/same"), 404)
    many = [{"id": f"{identities.name()}-x", "importMode": "create"} for _ in range(101)]
    assert rest.call("POST", "/devices", json=many).status_code in (400, 413)
    for bad in ({}, "x", [1], [{}], [{"id": "a b", "importMode": "create"}],
                [{"id": "ok", "importMode": "explode"}]):
        assert rest.call("POST", "/devices", json=bad).status_code == 400, bad


def test_listing_and_statistics(registry, rest, identities):
    before = registry.get_device_registry_statistics()
    made = [identities.device(), identities.device(status="disabled")]
    after = registry.get_device_registry_statistics()
    assert after.total_device_count == before.total_device_count + 2
    assert after.enabled_device_count == before.enabled_device_count + 1
    assert after.disabled_device_count == before.disabled_device_count + 1
    listed = {device.device_id for device in registry.get_devices()}
    assert {device.device_id for device in made} <= listed
    assert len(registry.get_devices(1)) == 1
    for top in ("0", "-1", "1001", "1000"):
        assert len(rest.call("GET", "/devices", params={"top": top}, expect=200).json()) == (
            len(listed))
    connected = registry.get_service_statistics().connected_device_count
    with made[0].connect():
        assert registry.get_service_statistics().connected_device_count == connected + 1


def test_trailing_slash_variants(rest):
    rest.call("GET", "/devices/", params={"top": 1}, expect=200)


def test_a_read_only_policy_through_the_stock_client(hub, name):
    readonly = stock_registry(hub, "registryRead")
    readonly.get_devices(1)
    assert status_of(readonly.create_device_with_certificate_authority, name, "enabled") == 401


def test_registered_certificates_are_listed_without_secrets(rest):
    root = certificates.authority("listed")
    certificates.upload_authority(rest, "listed", root)
    listed = rest.call("GET", "/certificates", expect=200).json()
    rows = listed["value"] if isinstance(listed, dict) else listed
    assert "listed" in {row["name"] for row in rows}
    rest.call("DELETE", "/certificates/listed", headers={"If-Match": "*"}, expect=204)
    check_error(rest.call("GET", "/certificates/listed"), 404)
