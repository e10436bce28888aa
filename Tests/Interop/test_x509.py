"""Devices that prove themselves by certificate (contract 2.2)."""

import itertools
import socket
import ssl

import pytest
from azure.iot.device import exceptions

import certificates
import sas
from events import json_of
from mqtt_wire import MQTTConnection
from rest import check_error

NAMES = itertools.count(1)


def thumbprints(primary, secondary=None):
    return {"type": "selfSigned", "x509Thumbprint": {
        "primaryThumbprint": primary, "secondaryThumbprint": secondary or primary}}


def stock_refuses(stock, device, files):
    client = stock.make(device, certificate=files, connection_retry=False)
    with pytest.raises(exceptions.CredentialError):
        client.connect()


def raw_code(device, files):
    """The CONNACK code of a raw connection that presents the certificate files."""
    context = device.hub.tls_context()
    context.load_cert_chain(*files)
    connection, code = device.try_connect(context=context, password="")
    connection.abort()
    return code


@pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "websocket"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_self_signed_by_thumbprint(stock, identities, events, tmp_path, kind, digest, websockets):
    certificate = certificates.self_signed("anything", kind)
    device = identities.device(authentication=thumbprints(certificate.thumbprint(digest)))
    client = stock.connect(
        device, certificate=certificate.write(tmp_path, "device"), websockets=websockets)
    client.send_message('{"a":1}')
    event, = events.wait_for(1, device=device.device_id)
    assert json_of(event) == {"a": 1}
    assert '"type":"x509"' in event["annotations"]["iothub-connection-auth-method"].replace(" ", "")


def test_secondary_thumbprint_and_lower_case(identities, tmp_path):
    first, second = certificates.self_signed("a"), certificates.self_signed("b")
    device = identities.device(
        authentication=thumbprints(first.thumbprint().lower(), second.thumbprint("sha256")))
    for number, certificate in enumerate((first, second)):
        assert raw_code(device, certificate.write(tmp_path, str(number))) == 0


def test_another_certificate_with_the_same_name_is_refused(stock, identities, tmp_path):
    registered, other = certificates.self_signed("same"), certificates.self_signed("same")
    device = identities.device(authentication=thumbprints(registered.thumbprint()))
    stock_refuses(stock, device, other.write(tmp_path, "other"))


def test_expired_self_signed_is_refused(identities, tmp_path):
    old = certificates.self_signed(
        "d", start=certificates.now() - 3 * certificates.DAY,
        end=certificates.now() - certificates.DAY)
    device = identities.device(authentication=thumbprints(old.thumbprint()))
    assert raw_code(device, old.write(tmp_path, "old")) == 5


def test_no_certificate_for_an_x509_device(identities):
    certificate = certificates.self_signed("d")
    device = identities.device(authentication=thumbprints(certificate.thumbprint()))
    for password in ("", sas.token(device.resource, sas.new_key())):
        connection, code = device.try_connect(password=password)
        connection.abort()
        assert code == 5


def test_a_certificate_does_not_help_a_sas_device(identities, device, tmp_path):
    files = certificates.self_signed(device.device_id).write(tmp_path, "d")
    assert raw_code(device, files) == 5


def test_a_certificate_does_not_hurt_a_sas_device(device, tmp_path):
    context = device.hub.tls_context()
    context.load_cert_chain(*certificates.self_signed("x").write(tmp_path, "d"))
    device.connect(context=context).disconnect()


@pytest.mark.parametrize("bad", ["", "xyz", "AB:CD", "a" * 39, "g" * 40, "a" * 65, "a b" * 20])
def test_bad_thumbprints_are_refused_at_registration(rest, bad):
    device_id = f"bad-thumbprint-{next(NAMES)}"
    answer = rest.call("PUT", f"/devices/{device_id}", json={
        "deviceId": device_id, "authentication": thumbprints(bad or ":")})
    check_error(answer, 400)


# Certificate authorities


@pytest.fixture(scope="module")
def root(hub):
    """A registered and verified authority."""
    authority = certificates.authority("Interop root")
    result = certificates.register_authority(hub.rest(), "interop-root", authority)
    assert result["properties"]["isVerified"] is True
    return authority


@pytest.fixture
def ca_device(identities, root):
    return identities.device(authentication={"type": "certificateAuthority"})


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("depth", [0, 1, 2], ids=["direct", "one-between", "two-between"])
def test_leaf_of_a_registered_authority(stock, ca_device, root, events, tmp_path, depth, kind):
    issuer = root
    for level in range(depth):
        issuer = issuer.issue(f"intermediate {level}", kind, ca=True)
    leaf = issuer.issue(ca_device.device_id, kind)
    client = stock.connect(ca_device, certificate=leaf.write(tmp_path, "leaf"))
    client.send_message("{}")
    event, = events.wait_for(1, device=ca_device.device_id)
    assert '"type":"x509"' in event["annotations"]["iothub-connection-auth-method"].replace(" ", "")


def test_module_by_authority(stock, identities, ca_device, root, tmp_path):
    module = identities.module(
        ca_device, "m1", authentication={"type": "certificateAuthority"})
    leaf = root.issue(f"{ca_device.device_id}/m1")
    assert stock.connect(module, certificate=leaf.write(tmp_path, "leaf")).connected


def wrong_leaf(case, root, device_id):
    """Leaves that each break one rule."""
    yesterday = certificates.now() - certificates.DAY
    if case == "wrong CN":
        return root.issue(device_id + "x")
    if case == "CN in another case":
        return root.issue(device_id.upper())
    if case == "expired":
        return root.issue(device_id, start=yesterday - certificates.DAY, end=yesterday)
    if case == "not yet valid":
        return root.issue(device_id, start=certificates.now() + certificates.DAY)
    if case == "expired intermediate":
        middle = root.issue("m", ca=True, start=yesterday - certificates.DAY, end=yesterday)
        return middle.issue(device_id)
    if case == "issuer is no authority":
        return root.issue("leaf").issue(device_id)
    if case == "issuer without basicConstraints":
        return root.issue("leaf", with_ca_extension=False).issue(device_id)
    if case == "path too long":
        return root.issue("m1", ca=True, path_length=0).issue("m2", ca=True).issue(device_id)
    if case == "unregistered authority":
        return certificates.authority("Interop root").issue(device_id)
    if case == "self-signed":
        return certificates.self_signed(device_id)
    raise ValueError(case)


@pytest.mark.parametrize("case", [
    "wrong CN", "CN in another case", "expired", "not yet valid", "expired intermediate",
    "issuer is no authority", "issuer without basicConstraints", "path too long",
    "unregistered authority", "self-signed",
])
def test_leaf_that_must_not_be_let_in(ca_device, root, tmp_path, case):
    leaf = wrong_leaf(case, root, ca_device.device_id)
    assert raw_code(ca_device, leaf.write(tmp_path, "leaf")) == 5


def test_missing_intermediate_is_refused(ca_device, root, tmp_path):
    leaf = root.issue("middle", ca=True).issue(ca_device.device_id)
    assert raw_code(ca_device, leaf.write(tmp_path, "leaf", with_chain=False)) == 5
    assert raw_code(ca_device, leaf.write(tmp_path, "leaf")) == 0


# Resumed sessions: TLS does not present the certificate again

VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])


class Resumer:
    """A device with a certificate that resumes its TLS session."""

    def __init__(self, device, files, version):
        self.device, self.session = device, None
        self.context = device.hub.tls_context(version, version)
        self.context.load_cert_chain(*files)

    def open(self, port):
        plain = socket.create_connection((self.device.hub.host, port), 5)
        stream = self.context.wrap_socket(
            plain, server_hostname=self.device.hub.host, session=self.session)
        assert stream.session_reused == (self.session is not None), "the hub resumed no session"
        return stream

    def connect(self):
        """The CONNACK code over MQTT; remembers the session for the next time."""
        connection = MQTTConnection(self.open(self.device.hub.mqtt_port))
        try:
            code = connection.connect(self.device.client_id, self.device.username(), None)
            if self.session is None:
                self.session = connection.stream.session
                assert self.session.has_ticket
            return code
        finally:
            connection.abort()

    def receive(self):
        """The status of a request over HTTPS."""
        with self.open(self.device.hub.https_port) as stream:
            path = f"/devices/{self.device.device_id}/messages/deviceBound?api-version=2021-04-12"
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.device.hub.host}\r\n\r\n".encode())
            return int(stream.recv(64).split()[1])


@VERSIONS
@pytest.mark.parametrize("depth", [None, 0, 2], ids=["self-signed", "authority", "two-between"])
def test_a_resumed_session_keeps_its_certificate(identities, root, tmp_path, version, depth):
    name = identities.name()
    if depth is None:
        certificate = certificates.self_signed(name)
        device = identities.device(name, authentication=thumbprints(certificate.thumbprint()))
    else:
        issuer = root
        for level in range(depth):
            issuer = issuer.issue(f"resumed {level}", ca=True)
        certificate = issuer.issue(name)
        device = identities.device(name, authentication={"type": "certificateAuthority"})
    client = Resumer(device, certificate.write(tmp_path, "device"), version)
    assert client.connect() == 0
    assert client.connect() == 0
    assert client.receive() == 204


@VERSIONS
def test_a_resumed_session_is_judged_by_the_registry_of_now(identities, rest, tmp_path, version):
    first, second = certificates.self_signed("a"), certificates.self_signed("b")
    device = identities.device(authentication=thumbprints(first.thumbprint()))
    client = Resumer(device, first.write(tmp_path, "device"), version)
    assert client.connect() == 0
    path = f"/devices/{device.device_id}"
    for change, code in (
        ({"status": "disabled"}, 5), ({"status": "enabled"}, 0),
        ({"authentication": thumbprints(second.thumbprint())}, 5),
    ):
        record = rest.call("GET", path, expect=200).json()
        rest.call("PUT", path, json={**record, **change}, headers={"If-Match": "*"}, expect=200)
        assert client.connect() == code
        assert client.receive() == (204 if code == 0 else 401)


@VERSIONS
def test_a_resumed_session_of_a_removed_authority(identities, rest, tmp_path, version):
    name = f"resumed-{next(NAMES)}"
    root = certificates.authority(name)
    certificates.register_authority(rest, name, root)
    device = identities.device(authentication={"type": "certificateAuthority"})
    leaf = root.issue("middle", ca=True).issue(device.device_id)
    client = Resumer(device, leaf.write(tmp_path, "leaf"), version)
    assert client.connect() == 0
    rest.call("DELETE", f"/certificates/{name}", headers={"If-Match": "*"}, expect=204)
    assert client.connect() == 5


@VERSIONS
def test_one_identitys_session_opens_no_other(identities, root, tmp_path, version):
    mine, other = (
        identities.device(authentication={"type": "certificateAuthority"}) for _ in range(2))
    client = Resumer(mine, root.issue(mine.device_id).write(tmp_path, "leaf"), version)
    assert client.connect() == 0
    client.device = other
    assert client.connect() == 5


def test_a_known_intermediate_must_still_be_presented(ca_device, root, tmp_path):
    leaf = root.issue("middle", ca=True).issue(ca_device.device_id)
    assert raw_code(ca_device, leaf.write(tmp_path, "leaf")) == 0
    assert raw_code(ca_device, leaf.write(tmp_path, "leaf", with_chain=False)) == 5


# Registration and proof of possession


@pytest.fixture
def fresh(rest):
    name = f"fresh-{next(NAMES)}"
    return name, certificates.authority(name)


def test_an_unverified_authority_vouches_for_nobody(identities, rest, fresh, tmp_path):
    name, root = fresh
    uploaded = certificates.upload_authority(rest, name, root)
    assert uploaded["properties"]["isVerified"] is False
    device = identities.device(authentication={"type": "certificateAuthority"})
    files = root.issue(device.device_id).write(tmp_path, "leaf")
    assert raw_code(device, files) == 5
    code = certificates.verification_code(rest, name, uploaded["etag"])
    rest.call("POST", f"/certificates/{name}/verify",
              json={"certificate": root.issue(code["properties"]["verificationCode"]).pem},
              headers={"If-Match": f'"{code["etag"]}"'}, expect=200)
    assert raw_code(device, files) == 0


def test_proof_with_the_wrong_code_or_the_wrong_key_fails(rest, fresh):
    name, root = fresh
    code = certificates.verification_code(
        rest, name, certificates.upload_authority(rest, name, root)["etag"])
    secret = code["properties"]["verificationCode"]
    for proof in (root.issue("not the code"), certificates.authority(name).issue(secret),
                  certificates.self_signed(secret)):
        answer = rest.call("POST", f"/certificates/{name}/verify", json={"certificate": proof.pem},
                           headers={"If-Match": f'"{code["etag"]}"'})
        check_error(answer, 400)
    listed = rest.call("GET", f"/certificates/{name}", expect=200).json()
    assert listed["properties"]["isVerified"] is False


def test_stale_etags_of_certificates_are_refused(rest, fresh):
    name, root = fresh
    certificates.upload_authority(rest, name, root)
    for path in ("generateVerificationCode", "verify"):
        answer = rest.call("POST", f"/certificates/{name}/{path}", json={"certificate": root.pem},
                           headers={"If-Match": '"c3RhbGU="'})
        check_error(answer, 412, "PreconditionFailed")


@pytest.mark.parametrize("text", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                  "-----END CERTIFICATE-----\n", "A" * 20000])
def test_what_is_no_certificate_is_refused(rest, text):
    name = f"broken-{next(NAMES)}"
    check_error(rest.call("PUT", f"/certificates/{name}", json={"certificate": text}), 400)


def test_deleting_the_authority_ends_its_devices_access(identities, rest, fresh, tmp_path):
    name, root = fresh
    certificates.register_authority(rest, name, root)
    device = identities.device(authentication={"type": "certificateAuthority"})
    files = root.issue(device.device_id).write(tmp_path, "leaf")
    assert raw_code(device, files) == 0
    rest.call("DELETE", f"/certificates/{name}", headers={"If-Match": "*"}, expect=204)
    assert raw_code(device, files) == 5
