"""Certificates of the edge that an EST server issues (RFC 7030): the device's own, and the edge CA."""

import base64
import datetime
import http.server
import itertools
import os
import re
import ssl
import stat
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import certificates
from conftest import NETWORK
from test_edge_keys import chain_of, device, dps, edges, enroll, handshake, settled  # noqa: F401
from edge_process import manual
from webhook import server_certificate

ADDRESSES = itertools.count(204)
PASSWORD = "est-secret-edge-9Kw"


def name_of(certificate):
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return found[0].value if found else None


class EstServer:
    """Enrolls by signing requests, packed by OpenSSL; answers the certificate alone."""

    def __init__(self, directory):
        self.directory, self.address = directory, f"{NETWORK}.{next(ADDRESSES)}"
        self.root = certificates.authority("EST root")
        self.line = self.root.issue("EST line", ca=True)
        self.certificate, self.key = self.line.write(directory, "line")
        (directory / "root.pem").write_text(self.root.pem)
        self.life = datetime.timedelta(days=30)
        # Calls with the name of the certificate that was shown, and of the request.
        self.calls, self.away, self.accepts = [], False, lambda headers, peer: True
        # Whether somebody approves requests; and these, as they came.
        self.approves, self.requests = True, []
        self.change = None
        self._server, self._thread, self.port = None, None, 0
        self.start()

    def start(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                assert self.path == "/.well-known/est/cacerts"
                self.answer(200, server.pack(server.root.pem + server.line.pem))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer = self.connection.getpeercert(binary_form=True)
                peer = name_of(x509.load_der_x509_certificate(peer)) if peer else None
                csr = x509.load_der_x509_csr(base64.b64decode(body))
                server.calls.append((self.path.rsplit("/", 1)[1], peer, name_of(csr)))
                if server.away:
                    self.answer(503, b"")
                elif not server.accepts(self.headers, peer):
                    self.answer(401, b"")
                elif not server.approves:
                    server.requests.append(body)
                    self.answer(202, b"", ("Retry-After", "1"))
                else:
                    server.requests.append(body)
                    self.answer(200, server.pack(server.issue(csr)))

            def answer(self, status, content, *headers):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
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
                pass

        self._server = Server((self.address, self.port), Handler)
        self.port = self._server.server_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown = server_certificate(self.root, self.address)
        context.load_cert_chain(*shown.write(self.directory, "server"))
        context.load_verify_locations(cadata=self.root.pem)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def issue(self, csr):
        """A certificate as the request asks for it, PEM."""
        assert csr.is_signature_valid
        name = (self.change or {}).get("name") or name_of(csr)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self.line.certificate.subject).public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(certificates.now() - certificates.DAY)
            .not_valid_after(certificates.now() + self.life))
        for extension in csr.extensions:
            if not (self.change or {}).get("bare"):
                builder = builder.add_extension(extension.value, extension.critical)
        made = builder.sign(self.line.key, hashes.SHA256())
        return made.public_bytes(Encoding.PEM).decode()

    def pack(self, pem):
        packed = subprocess.run(
            ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER"],
            input=pem.encode(), capture_output=True, check=True).stdout
        return base64.encodebytes(packed)

    def by_password(self):
        expected = "Basic " + base64.b64encode(f"gate:{PASSWORD}".encode()).decode()
        self.accepts = lambda headers, peer: headers["Authorization"] == expected

    def settings(self, auth=f'username = "gate"\npassword = "{PASSWORD}"'):
        return f'''
[cert_issuance.est]
trusted_certs = ["file://{self.directory}/root.pem"]
[cert_issuance.est.auth]
{auth}
[cert_issuance.est.urls]
default = "https://{self.address}:{self.port}/.well-known/est"
'''


@pytest.fixture
def est(tmp_path):
    (tmp_path / "est").mkdir()
    server = EstServer(tmp_path / "est")
    yield server
    server.stop()


def server_chain(edge):
    return edge.ask(
        edge.socket("$edgeHub"), "POST", "/modules/%24edgeHub/genid/0/certificate/server",
        {"commonName": "gate.example", "expiration": "2030-01-01T00:00:00Z"})


def kept(edge, name):
    path = edge.data / "keys" / name
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    return chain_of(path.read_text())


def identity_cert(device_id, renew=""):
    return f'identity_cert = {{ method = "est", common_name = "{device_id}"{renew} }}'


def by_authority(hub, identities, est):
    """A device that the hub knows by the EST server's root."""
    name = est.address.replace(".", "-")
    certificates.register_authority(hub.rest(), f"est-{name}", est.root)
    device = identities.device(  # noqa: F811
        capabilities={"iotEdge": True}, authentication={"type": "certificateAuthority"})
    return device, f'''[provisioning]
source = "manual"
iothub_hostname = "{hub.host}"
device_id = "{device.device_id}"
[provisioning.authentication]
method = "x509"
'''


def test_the_device_and_its_edge_ca_by_password(edges, hub, identities, est):  # noqa: F811
    est.by_password()
    device, provisioning = by_authority(hub, identities, est)  # noqa: F811
    edge = edges(hub, provisioning + identity_cert(device.device_id) + est.settings()
                 + '[edge_ca]\nmethod = "est"\ncommon_name = "Gate CA"\n').start()
    settled(edge)
    assert edge.module("m1")["moduleId"] == "m1"
    assert sorted(est.calls) == [
        ("simpleenroll", None, "Gate CA"), ("simpleenroll", None, device.device_id)]
    assert [name_of(link) for link in kept(edge, "identity.pem")] == [
        device.device_id, "EST line", "EST root"]
    status, answer = server_chain(edge)
    assert status == 201
    assert [name_of(link) for link in chain_of(answer["certificate"])] == [
        "gate.example", "Gate CA", "EST line"]
    assert "PRIVATE" not in answer["certificate"]
    bundle = edge.ask(edge.socket("$edgeHub"), "GET", "/trust-bundle")[1]["certificate"]
    assert bundle.strip() == est.root.pem.strip()
    handshake(answer, bundle, edge.directory)
    chain = edge.directory / "chain.pem"
    chain.write_text(answer["certificate"])
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", f"{est.directory}/root.pem", "-untrusted", chain,
         "-verify_hostname", "gate.example", chain], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr
    assert PASSWORD not in edge.log
    # What is kept needs no server at the next start.
    edge.stop()
    est.stop()
    edge.start()
    settled(edge)
    assert server_chain(edge)[0] == 201


def test_a_bootstrap_certificate_counts_once(edges, hub, identities, est, tmp_path):  # noqa: F811
    """The next certificates are asked for by showing the one before."""
    first, key = est.root.issue("from the factory").write(tmp_path, "first")
    device, provisioning = by_authority(hub, identities, est)  # noqa: F811
    est.life = datetime.timedelta(seconds=100)
    est.accepts = lambda headers, peer: peer in ("from the factory", device.device_id)
    edge = edges(hub, provisioning
                 + identity_cert(device.device_id, ', auto_renew = { threshold = "5%" }')
                 + est.settings(f'bootstrap_identity_cert = "file://{first}"\n'
                                f'bootstrap_identity_pk = "file://{key}"')).start()
    settled(edge)
    before = kept(edge, "identity.pem")[0]
    edge.wait_for(lambda: len(est.calls) > 1, 30)
    assert est.calls[:2] == [
        ("simpleenroll", "from the factory", device.device_id),
        ("simplereenroll", device.device_id, device.device_id)]
    edge.wait_for(lambda: kept(edge, "identity.pem")[0] != before, 10)
    after = kept(edge, "identity.pem")[0]
    assert after.public_key() != before.public_key()
    # The connection to the hub shows the new one: nothing was started again.
    edge.wait_for(lambda: edge.identities("PUT", "m1", managedBy="IotEdge")[0] == 200)


def test_a_renewed_certificate_is_told_to_the_provisioning_service(
        edges, hub, owner, est):  # noqa: F811
    enroll(owner, "/enrollmentGroups/edges-by-est", {
        "enrollmentGroupId": "edges-by-est", "capabilities": {"iotEdge": True},
        "attestation": {"type": "x509", "x509": {"signingCertificates": {
            "primary": {"certificate": est.line.pem}}}}})
    est.by_password()
    est.life = datetime.timedelta(seconds=100)
    edge = edges(hub, dps(hub, 'method = "x509"\nregistration_id = "gate-by-est"\n' + identity_cert(
        "gate-by-est", ', auto_renew = { threshold = "5%", rotate_key = false }'))
        + est.settings()).start()
    settled(edge)
    first = kept(edge, "identity.pem")[0]

    def known():
        record = hub.rest().device("gate-by-est")["authentication"]["x509Thumbprint"]
        return record["primaryThumbprint"]

    thumbprint = known()
    assert thumbprint in (first.fingerprint(hashes.SHA1()).hex().upper(),
                          first.fingerprint(hashes.SHA256()).hex().upper())
    edge.wait_for(lambda: known() != thumbprint, 40)
    # The life of the next ones is long enough to look at one.
    est.life = datetime.timedelta(days=1)
    edge.wait_for(lambda: edge.identities("PUT", "m1", managedBy="IotEdge")[0] == 200, 30)
    assert kept(edge, "identity.pem")[0].public_key() == first.public_key()


def test_a_server_that_is_away_costs_nothing(edges, hub, device, est):  # noqa: F811
    est.by_password()
    est.life = datetime.timedelta(seconds=300)
    edge = edges(hub, manual(hub, device) + est.settings() + '''[edge_ca]
method = "est"
[edge_ca.auto_renew]
threshold = "2%"
retry = "1%"
''').start()
    settled(edge)
    edge.wait_for(lambda: server_chain(edge)[0] == 201)
    before = kept(edge, "edge-ca.pem")[0]
    est.away = True
    edge.wait_for(lambda: "the old one serves on" in edge.log, 40)
    # The authority's own certificate is shown first, then what the settings say.
    assert est.calls[1:3] == [
        ("simplereenroll", "aziot-edge CA gate.example", "aziot-edge CA gate.example"),
        ("simpleenroll", None, "aziot-edge CA gate.example")]
    assert server_chain(edge)[0] == 201 and kept(edge, "edge-ca.pem")[0] == before
    est.stop()
    time.sleep(1)
    assert server_chain(edge)[0] == 201
    est.away = False
    est.start()
    edge.wait_for(lambda: kept(edge, "edge-ca.pem")[0] != before, 40)
    chain = chain_of(server_chain(edge)[1]["certificate"])
    assert chain[1] == kept(edge, "edge-ca.pem")[0]


@pytest.mark.parametrize("renews", [False, True], ids=["first", "renewal"])
def test_a_request_that_waits_for_approval_is_sent_again_as_it_is(
        edges, hub, device, est, renews):  # noqa: F811
    request_of = "keys/edge-ca.pem.request"
    est.by_password()
    est.life = datetime.timedelta(seconds=300 if renews else 86_400)
    edge = edges(hub, manual(hub, device) + est.settings() + """[edge_ca]
method = "est"
[edge_ca.auto_renew]
threshold = "2%"
""")
    if renews:
        edge.start()
        edge.wait_for(lambda: server_chain(edge)[0] == 201)
        before = kept(edge, "edge-ca.pem")[0]
    est.approves, est.requests = False, []
    est.life = datetime.timedelta(days=1)
    if not renews:
        edge.start()
    request = edge.data / request_of
    edge.wait_for(lambda: request.exists(), 30)
    assert stat.S_IMODE(os.stat(request).st_mode) == 0o600

    def line(name):
        return int(re.search(rf"^{name} (\d+)$", request.read_text(), re.MULTILINE)[1])

    def time_passes():
        """The wait is over at the next start."""
        edge.stop()
        due = line("due")
        request.write_text(request.read_text().replace(f"due {due}", f"due {due - 3600}"))
        edge.start()

    # The server has said a second, and is left alone for a minute; also by another process.
    assert line("due") - line("since") == 60
    edge.stop()
    edge.start()
    time.sleep(6)
    assert len(est.requests) == 1
    if renews:
        assert server_chain(edge)[0] == 201 and kept(edge, "edge-ca.pem")[0] == before
    time_passes()
    edge.wait_for(lambda: len(est.requests) == 2 and line("due") > time.time(), 20)
    est.approves = True
    time_passes()
    edge.wait_for(lambda: not request.exists(), 20)
    assert len(est.requests) == 3 and len(set(est.requests)) == 1
    asked = x509.load_der_x509_csr(base64.b64decode(est.requests[0]))
    assert kept(edge, "edge-ca.pem")[0].public_key() == asked.public_key()
    assert server_chain(edge)[0] == 201
    assert edge.log.count("has accepted a request") == 1


@pytest.mark.parametrize("change, words", [
    ({"name": "somebody else"}, "certificate for somebody else, not for"),
    ({"bare": True}, "may not sign others"),
    ({"denied": True}, "refuses what this device shows: it answered 401"),
    ({"life": -1}, "has ended"),
], ids=["name", "no-authority", "denied", "ended"])
def test_answers_that_cannot_be_used(edges, hub, identities, est, change, words):  # noqa: F811
    device, provisioning = by_authority(hub, identities, est)  # noqa: F811
    est.change = change
    if "denied" in change:
        est.by_password()
    if "life" in change:
        est.life = datetime.timedelta(seconds=-5)
    edge = edges(hub, provisioning + identity_cert(device.device_id)
                 + est.settings('username = "gate"\npassword = "wrong-est-password"')
                 + '[edge_ca]\nmethod = "est"\n').start(wait=False)
    edge.wait_for(lambda: words in edge.log, 20)
    if "bare" not in change:
        edge.wait_for(lambda: edge.ask(edge.socket("$edgeHub"), "GET", "/identity")[0] == 503)
    edge.wait_for(lambda: "no edge CA" in edge.log)
    assert "wrong-est-password" not in edge.log
    assert edge.process.poll() is None


def test_a_server_that_is_not_trusted(edges, hub, device, est, tmp_path):  # noqa: F811
    other = certificates.authority("Another root")
    (est.directory / "root.pem").write_text(other.pem)
    edge = edges(hub, manual(hub, device) + est.settings() + '[edge_ca]\nmethod = "est"\n').start()
    edge.wait_for(lambda: "cert_issuance.est.trusted_certs" in edge.log, 20)
    assert not est.calls
    (est.directory / "root.pem").write_text(est.root.pem)
    edge.wait_for(lambda: server_chain(edge)[0] == 201, 20)
