"""Certificates that an outside authority issues over EST (RFC 7030), whatever it answers."""

import base64
import http.server
import itertools
import json
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import certificates
from conftest import NETWORK
from test_provisioning import (
    enroll, issued_credential, keys, register_over_https, signing_request)
from test_start import failed_start
from webhook import server_certificate

NUMBERS = itertools.count(1)
PASSWORD = "est-secret-7Fq"


class EstServer:
    """Enrolls by signing requests; `answer` may change what it says: (status, body), or None to hang."""

    def __init__(self, address, directory):
        self.root = certificates.authority("EST root")
        self.line = self.root.issue("EST line", ca=True)
        self.requests, self.answer = [], self.good
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer = self.connection.getpeercert(binary_form=True)
                server.requests.append((self.path, dict(self.headers), peer))
                csr = x509.load_der_x509_csr(base64.b64decode(body))
                said = server.answer(csr)
                if said is None:
                    time.sleep(4)
                    said = 503, b""
                status, content = said
                self.send_response(status)
                self.send_header("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
                self.send_header("Content-Transfer-Encoding", "base64")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                # A client that hangs up is what some tests are about.
                pass

        self._server = Server((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*server_certificate(self.root, address).write(directory, "est"))
        context.load_verify_locations(cadata=self.root.pem)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{address}:{self._server.server_port}/.well-known/est/devices"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def certificate(self, csr, name=None, key=None):
        subject = x509.Name([x509.NameAttribute(
            x509.NameOID.COMMON_NAME,
            name or csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)])
        return (
            x509.CertificateBuilder().subject_name(subject)
            .issuer_name(self.line.certificate.subject)
            .public_key(key or csr.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(certificates.now() - certificates.DAY)
            .not_valid_after(certificates.now() + certificates.DAY)
            .sign(self.line.key, hashes.SHA256()))

    def message(self, *chain):
        # In lines, as most authorities write it.
        return base64.encodebytes(pkcs7.serialize_certificates(list(chain), Encoding.DER))

    def good(self, csr):
        # The order says nothing.
        return 200, self.message(
            self.root.certificate, self.line.certificate, self.certificate(csr))


@pytest.fixture(scope="module")
def est(tmp_path_factory):
    server = EstServer(f"{NETWORK}.201", tmp_path_factory.mktemp("est"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def issuing(hub_factory, est, tmp_path_factory):
    """A hub with two names for the authority: by password, and by certificate."""
    folder = tmp_path_factory.mktemp("authorities")
    (folder / "root.pem").write_text(est.root.pem)
    (folder / "password").write_text(PASSWORD + "\n")
    certificate, key = est.root.issue("the hub").write(folder, "hub")
    common = {"kind": "est", "url": est.url, "ca": str(folder / "root.pem"), "timeout_seconds": 1}
    (folder / "authorities.json").write_text(json.dumps([
        common | {"name": "by-password", "user": "hub",
                  "password_file": str(folder / "password")},
        common | {"name": "by-certificate", "certificate": certificate, "key": key},
        common | {"name": "away", "url": f"https://{NETWORK}.202:9/est", "user": "hub",
                  "password_file": str(folder / "password")},
    ]))
    hub = hub_factory({"provisioning.certificate_authorities": str(folder / "authorities.json")})
    hub.note_secret(PASSWORD)
    return hub


def enrolled(hub, authority):
    """A device whose certificates that authority issues, and its key."""
    device = f"est-{next(NUMBERS)}"
    owner = hub.rest("provisioningserviceowner")
    enroll(owner, f"/enrollments/{device}", {"type": "symmetricKey"}, registrationId=device,
           clientCertificateIssuancePolicy={"certificateAuthorityName": authority})
    return owner, device, keys(owner, f"/enrollments/{device}")[0]


@pytest.mark.parametrize("authority", ["by-password", "by-certificate"])
def test_issues(issuing, est, tmp_path, authority):
    owner, device, secret = enrolled(issuing, authority)
    key, csr = signing_request(device)
    state = register_over_https(issuing, owner, device, secret, csr=csr)
    assert state["status"] == "assigned", state
    chain = [base64.b64decode(text) for text in state["issuedCertificateChain"]]
    assert chain[1:] == [est.line.der, est.root.der]
    path, headers, peer = est.requests[-1]
    assert path == "/.well-known/est/devices/simpleenroll"
    assert headers["Content-Type"] == "application/pkcs10"
    if authority == "by-password":
        expected = base64.b64encode(f"hub:{PASSWORD}".encode()).decode()
        assert headers["Authorization"] == f"Basic {expected}" and peer is None
    else:
        assert "Authorization" not in headers and peer is not None
    credential = issued_credential(tmp_path, device, key, state["issuedCertificateChain"])
    identity = issuing.rest().device(device)["authentication"]
    assert identity["type"] == "selfSigned"
    leaf = x509.load_der_x509_certificate(chain[0])
    prints = identity["x509Thumbprint"]
    assert prints["primaryThumbprint"] == leaf.fingerprint(hashes.SHA256()).hex().upper()
    assert credential


@pytest.mark.parametrize("said, words", [
    (lambda est, csr: (401, b"who?"), "refuses this service"),
    (lambda est, csr: (400, b""), "refuses the signing request"),
    (lambda est, csr: (200, b""), "no certificates"),
    (lambda est, csr: (200, b"\x30\x80" * 5000), "no certificates"),
    (lambda est, csr: (200, base64.b64encode(est.line.der)), "no certificates"),
    (lambda est, csr: (200, est.message(*[est.root.issue(f"c{i}").certificate
                                          for i in range(11)])), "no certificates"),
    (lambda est, csr: (200, est.message(est.certificate(csr, key=est.line.key.public_key()))),
     "device's key"),
    (lambda est, csr: (200, est.message(est.certificate(csr, name="other"))), "another name"),
], ids=["401", "400", "empty", "deep", "no-message", "too-many", "other-key", "other-name"])
def test_wrong_answers(issuing, est, said, words):
    owner, device, secret = enrolled(issuing, "by-password")
    est.answer = lambda csr: said(est, csr)
    try:
        state = register_over_https(issuing, owner, device, secret, csr=signing_request(device)[1])
    finally:
        est.answer = est.good
    assert state["status"] == "failed" and words in state["errorMessage"], state
    assert "by-password" in state["errorMessage"]
    with pytest.raises(Exception):
        issuing.rest().device(device)


def test_an_authority_that_hangs_is_asked_again(issuing, est):
    owner, device, secret = enrolled(issuing, "by-certificate")
    count = itertools.count(1)
    est.answer = lambda csr: [None, (503, b""), est.good(csr)][min(next(count), 3) - 1]
    try:
        state = register_over_https(issuing, owner, device, secret, csr=signing_request(device)[1])
    finally:
        est.answer = est.good
    assert state["status"] == "assigned", state


def test_settings_that_cannot_be_used(est, tmp_path):
    good = {"name": "a", "kind": "est", "url": est.url, "user": "u", "password_file": "/dev/null"}
    for number, (elements, words) in enumerate([
        ({}, "no JSON array"),
        ([good | {"url": "http://ca.example"}], "url of https://"),
        ([good | {"kind": "scep"}], "kind est"),
        ([good | {"timeout_seconds": 0}], "timeout_seconds"),
        ([good | {"password_file": str(tmp_path / "gone")}], "gone"),
        ([good | {"certificate": "/x"}], "go together"),
        ([good, good], "is taken"),
        ([good | {"name": "internal"}], "is taken"),
        ([{key: good[key] for key in ("name", "kind", "url")}], "who the hub is"),
    ]):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(elements))
        said = failed_start(
            tmp_path / f"data-{number}", "--set", f"provisioning.certificate_authorities={path}")
        assert words in said, said
