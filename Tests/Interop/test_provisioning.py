"""The provisioning service under the stock client and over raw REST (contract 6)."""

import base64
import hashlib
import hmac
import itertools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from azure.iot.device import IoTHubDeviceClient, ProvisioningDeviceClient, X509, exceptions

import certificates
import sas
from waiting import wait_until

NUMBERS = itertools.count(1)
VERSION = "2019-03-31"


def call(owner, method, path, expect, **options):
    response = owner.call(method, path, api_version=VERSION, **options)
    assert response.status_code == expect, response.text
    return response


def name(prefix):
    return f"{prefix}-{next(NUMBERS)}"


def enroll(owner, path, attestation, **fields):
    body = {"attestation": attestation, **fields}
    return call(owner, "PUT", path, 200, json=body).json()


def keys(owner, path):
    """The enrollment's two keys, which the enrollment itself does not show."""
    found = call(owner, "POST", path + "/attestationmechanism", 200).json()["symmetricKey"]
    for key in found.values():
        owner._note_secret(key)
    return found["primaryKey"], found["secondaryKey"]


def derived(group_key, registration_id):
    digest = hmac.new(base64.b64decode(group_key), registration_id.encode(), hashlib.sha256)
    return base64.b64encode(digest.digest()).decode()


def client(hub, registration_id, credential, websockets=False):
    """The stock provisioning client, by key or by certificate."""
    common = dict(
        provisioning_host=hub.address, registration_id=registration_id,
        id_scope=hub.ready["idScope"], server_verification_cert=hub.ca_pem,
        websockets=websockets)
    if isinstance(credential, str):
        return ProvisioningDeviceClient.create_from_symmetric_key(
            symmetric_key=credential, **common)
    return ProvisioningDeviceClient.create_from_x509_certificate(x509=credential, **common)


def register(hub, registration_id, credential, **options):
    result = client(hub, registration_id, credential, **options).register()
    assert result.status == "assigned"
    return result.registration_state


def connects(hub, state, credential):
    """The device opens its hub with what it registered with."""
    common = dict(hostname=state.assigned_hub, device_id=state.device_id,
                  server_verification_cert=hub.ca_pem)
    if isinstance(credential, str):
        device = IoTHubDeviceClient.create_from_symmetric_key(symmetric_key=credential, **common)
    else:
        device = IoTHubDeviceClient.create_from_x509_certificate(x509=credential, **common)
    try:
        device.connect()
        assert device.connected
        return device.get_twin()
    finally:
        device.shutdown()


@pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "websocket"])
def test_individual_key(hub, owner, websockets):
    device = name("single")
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "symmetricKey"}, registrationId=device, deviceId=f"{device}.d",
           initialTwin={"tags": {"site": 1}, "properties": {"desired": {"rate": 5}}})
    for key in keys(owner, path):
        state = register(hub, device, key, websockets=websockets)
        assert state.assigned_hub == hub.host
        assert state.device_id == f"{device}.d"
        assert state.sub_status == "initialAssignment"
        assert connects(hub, state, key)["desired"]["rate"] == 5
    assert hub.rest().twin(f"{device}.d")["tags"] == {"site": 1}
    shown = call(owner, "GET", path, 200).json()
    assert "symmetricKey" not in shown["attestation"]
    assert shown["registrationState"]["status"] == "assigned"


def test_payload_nested_as_deep_as_it_may_be(hub, owner):
    device = name("deep")
    enroll(owner, f"/enrollments/{device}", {"type": "symmetricKey"}, registrationId=device)
    payload = []
    for _ in range(62):
        payload = [payload]
    stock = client(hub, device, keys(owner, f"/enrollments/{device}")[0])
    stock.provisioning_payload = payload
    assert stock.register().status == "assigned"


def test_derived_group_key(hub, owner):
    group, device = name("group"), name("member")
    enroll(owner, f"/enrollmentGroups/{group}", {"type": "symmetricKey"})
    for key in keys(owner, f"/enrollmentGroups/{group}"):
        own = derived(key, device)
        owner._note_secret(own)
        state = register(hub, device, own)
        assert state.device_id == device
        connects(hub, state, own)
    page = call(owner, "POST", f"/registrations/{group}/query", 200).json()
    assert [row["registrationId"] for row in page] == [device]


def test_individual_certificate(hub, owner, tmp_path):
    device = name("leaf")
    certificate = certificates.self_signed(device)
    enroll(owner, f"/enrollments/{device}", {"type": "x509", "x509": {
        "clientCertificates": {"primary": {"certificate": certificate.pem}}}})
    credential = X509(*certificate.write(tmp_path, device))
    connects(hub, register(hub, device, credential), credential)
    other = X509(*certificates.self_signed(device).write(tmp_path, "other"))
    with pytest.raises(exceptions.CredentialError):
        client(hub, device, other).register()


def test_group_by_intermediate_with_a_new_leaf_every_day(hub, owner, tmp_path):
    group, device = name("line"), name("machine")
    root = certificates.authority("root")
    line = root.issue("line", ca=True)
    enroll(owner, f"/enrollmentGroups/{group}", {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": line.pem}}}})
    for day in range(3):
        leaf = line.issue(device)
        credential = X509(*leaf.write(tmp_path, f"day-{day}"))
        state = register(hub, device, credential)
        assert state.sub_status == "initialAssignment"
        connects(hub, state, credential)
    identity = hub.rest().device(device)
    prints = identity["authentication"]["x509Thumbprint"]
    assert prints["primaryThumbprint"] == leaf.thumbprint("sha256")
    stranger = X509(*root.issue(device).write(tmp_path, "stranger"))
    with pytest.raises(exceptions.CredentialError):
        client(hub, device, stranger).register()


def signing_request(common_name, key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return key, base64.b64encode(request.public_bytes(Encoding.DER)).decode()


def register_over_https(hub, owner, device, key, seconds=15, **body):
    """Registers by raw REST under a symmetric key, and returns the operation's end."""
    scope = hub.ready["idScope"]
    base = f"/{scope}/registrations/{device}"
    token = sas.token(f"{scope}/registrations/{device}", key, "registration")

    def ask(method, path, **options):
        return owner.call(method, path, token=token, api_version="2025-07-01-preview", **options)

    begun = ask("PUT", base + "/register", json={"registrationId": device, **body})
    assert begun.status_code == 202, begun.text
    operation = f"{base}/operations/{begun.json()['operationId']}"

    def ended():
        answer = ask("GET", operation)
        return answer.json() if answer.status_code == 200 else None

    return wait_until(ended, seconds, "the operation ends", interval=0.1)["registrationState"]


def issued_credential(folder, name, key, chain):
    """The issued chain and its key as the files that the stock client wants."""
    pem = "".join(
        x509.load_der_x509_certificate(base64.b64decode(text)).public_bytes(Encoding.PEM).decode()
        for text in chain)
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_text(pem)
    key_file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return X509(str(certificate_file), str(key_file))


def test_an_issued_certificate_every_day(hub, owner, tmp_path):
    device = name("daily")
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "symmetricKey"},
           clientCertificateIssuancePolicy={"certificateAuthorityName": "internal"})
    secret, _ = keys(owner, path)
    prints, credentials = [], []
    for day in range(3):
        # Devices whose hardware has RSA keys alone are served too.
        made = rsa.generate_private_key(65537, 2048) if day == 1 else None
        key, csr = signing_request(device, made)
        state = register_over_https(hub, owner, device, secret, csr=csr)
        assert state["status"] == "assigned", state
        chain = state["issuedCertificateChain"]
        leaf = x509.load_der_x509_certificate(base64.b64decode(chain[0]))
        authority = x509.load_der_x509_certificate(base64.b64decode(chain[1]))
        leaf.verify_directly_issued_by(authority)
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(hours=25)
        credential = issued_credential(tmp_path, f"day-{day}", key, chain)
        prints.append(leaf.fingerprint(hashes.SHA256()).hex().upper())
        credentials.append(credential)
        device_client = IoTHubDeviceClient.create_from_x509_certificate(
            x509=credential, hostname=state["assignedHub"], device_id=state["deviceId"],
            server_verification_cert=hub.ca_pem)
        try:
            device_client.connect()
            assert device_client.connected
        finally:
            device_client.shutdown()
    kept = hub.rest().device(device)["authentication"]["x509Thumbprint"]
    assert [kept["primaryThumbprint"], kept["secondaryThumbprint"]] == prints[:0:-1]
    # Later the certificate itself is what the device registers with.
    call(owner, "DELETE", path, 204)
    group = name("renewing")
    enroll(owner, f"/enrollmentGroups/{group}",
           {"type": "x509", "x509": {"caReferences": {"primary": "internal"}}})
    assert register(hub, device, credentials[-1]).device_id == device
    call(owner, "DELETE", f"/enrollmentGroups/{group}", 204)


def test_signing_requests_that_are_refused(hub, owner):
    device = name("refused-csr")
    path = f"/enrollments/{device}"
    policy = {"certificateAuthorityName": "internal"}
    enroll(owner, path, {"type": "symmetricKey"}, clientCertificateIssuancePolicy=policy)
    secret, _ = keys(owner, path)
    for csr in [signing_request("other")[1], base64.b64encode(b"junk").decode(),
                signing_request(device, ec.generate_private_key(ec.SECP256K1()))[1]]:
        state = register_over_https(hub, owner, device, secret, csr=csr)
        assert state["status"] == "failed" and state["errorCode"] == 400004
        assert "csr" in state["errorMessage"]
    unknown = {"attestation": {"type": "symmetricKey"},
               "clientCertificateIssuancePolicy": {"certificateAuthorityName": "elsewhere"}}
    refused = call(owner, "PUT", f"/enrollments/{name('unknown')}", 400, json=unknown)
    assert "internal" in refused.json()["message"]
    plain = name("plain")
    enroll(owner, f"/enrollments/{plain}", {"type": "symmetricKey"})
    key, _ = keys(owner, f"/enrollments/{plain}")
    state = register_over_https(hub, owner, plain, key, csr=signing_request(plain)[1])
    assert state["status"] == "failed" and state["errorCode"] == 400004


def test_an_identity_made_by_hand_survives_a_refused_registration(hub_factory):
    hub = hub_factory({"quota.modules_per_device": "1"})
    owner = hub.rest("provisioningserviceowner")
    device = name("by-hand")
    made = hub.rest().create_device(device)
    # An edge device needs room for two modules, so the hub refuses to make one of it.
    enroll(owner, f"/enrollments/{device}", {"type": "symmetricKey"},
           capabilities={"iotEdge": True})
    key, _ = keys(owner, f"/enrollments/{device}")
    state = register_over_https(hub, owner, device, key)
    assert state["status"] == "failed"
    left = hub.rest().device(device)
    assert left["generationId"] == made["generationId"]
    assert left["authentication"] == made["authentication"]


def test_refusals_of_the_stock_client(hub, owner):
    device = name("refused")
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "symmetricKey"}, provisioningStatus="disabled")
    key, _ = keys(owner, path)
    for registration_id, credential in [(device, key), (device, sas.new_key()), ("nobody", key)]:
        with pytest.raises(exceptions.CredentialError):
            client(hub, registration_id, credential).register()


def test_https(hub, owner):
    device = name("https")
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "symmetricKey"})
    key, _ = keys(owner, path)
    scope = hub.ready["idScope"]
    base = f"/{scope}/registrations/{device}"
    token = sas.token(f"{scope}/registrations/{device}", key, "registration")
    assert call(owner, "POST", base, 404, json={}, token=token).json()["errorCode"] == 404202
    body = {"registrationId": device}
    begun = call(owner, "PUT", base + "/register", 202, json=body, token=token)
    assert begun.headers["Retry-After"] == "3"
    assert begun.json()["status"] == "assigning"
    operation = f"{base}/operations/{begun.json()['operationId']}"

    def ended():
        answer = owner.call("GET", operation, token=token, api_version=VERSION)
        if answer.status_code == 200:
            return answer.json()
        assert answer.status_code == 202 and answer.headers["Retry-After"] == "3"
        return None

    result = wait_until(ended, 5, "the operation ends", interval=0.1)
    assert result["status"] == result["registrationState"]["status"] == "assigned"
    assert result["registrationState"]["assignedHub"] == hub.host
    again = call(owner, "POST", base, 200, json=body, token=token).json()
    assert again["deviceId"] == device
    wrong = sas.token(f"{scope}/registrations/{device}", sas.new_key(), "registration")
    refused = call(owner, "PUT", base + "/register", 401, json=body, token=wrong)
    assert refused.json()["errorCode"] == 401002
    assert refused.headers["x-ms-error-code"] == "401002"
    assert set(refused.json()) == {"errorCode", "trackingId", "message", "info", "timestampUtc"}
    call(owner, "PUT", base + "/register", 401, json=body, token=False)
    call(owner, "GET", f"{base}/operations/4.none", 404, token=token)


def test_enrollments_over_rest(hub, owner):
    ids = [name("managed") for _ in range(3)]
    path = f"/enrollments/{ids[0]}"
    made = enroll(owner, path, {"type": "symmetricKey"})
    body = {"attestation": {"type": "symmetricKey"}, "provisioningStatus": "disabled"}
    assert call(owner, "PUT", path, 409, json=body).json()["errorCode"] == 409201
    before = keys(owner, path)
    call(owner, "PUT", path, 200, json=body, headers={"If-Match": made["etag"]})
    assert keys(owner, path) == before
    stale = call(owner, "PUT", path, 412, json=body, headers={"If-Match": made["etag"]})
    assert stale.json()["errorCode"] == 412000
    elements = [{"registrationId": i, "attestation": {"type": "symmetricKey"}} for i in ids]
    bulk = call(owner, "POST", "/enrollments", 200, json={"mode": "create", "enrollments": elements})
    assert bulk.json()["isSuccessful"] is False
    assert [error["registrationId"] for error in bulk.json()["errors"]] == ids[:1]
    found, headers = [], {"x-ms-max-item-count": "2"}
    while True:
        page = call(owner, "POST", "/enrollments/query", 200, headers=headers,
                    json={"query": "SELECT * FROM enrollments"})
        assert len(page.json()) <= 2
        found += [row["registrationId"] for row in page.json()]
        if "x-ms-continuation" not in page.headers:
            break
        headers["x-ms-continuation"] = page.headers["x-ms-continuation"]
    assert found == sorted(found) and set(ids) <= set(found)
    call(owner, "DELETE", path, 204)
    assert call(owner, "GET", path, 404).json()["errorCode"] == 404201
    # The hub's own policies do not reach into enrollments, nor this one into the hub.
    assert hub.rest().call("GET", path, api_version=VERSION).status_code == 401
    assert owner.call("GET", "/devices").status_code == 401


def test_enrollments_survive_a_restart(hub_factory, tmp_path):
    hub = hub_factory(data=tmp_path / "data")
    owner = hub.rest("provisioningserviceowner")
    enroll(owner, "/enrollments/lasting", {"type": "symmetricKey"})
    key, _ = keys(owner, "/enrollments/lasting")
    first = register(hub, "lasting", key)
    scope = hub.ready["idScope"]
    hub.kill()
    hub.start()
    assert hub.ready["idScope"] == scope
    again = register(hub, "lasting", key)
    assert again.device_id == first.device_id
    connects(hub, again, key)


def test_turned_off(hub_factory):
    hub = hub_factory({"provisioning.enabled": "false"})
    assert hub.ready["idScope"] is None
    with pytest.raises(exceptions.CredentialError):
        common = dict(provisioning_host=hub.address, registration_id="r", id_scope="0ne",
                      server_verification_cert=hub.ca_pem)
        ProvisioningDeviceClient.create_from_symmetric_key(
            symmetric_key=sas.new_key(), **common).register()
