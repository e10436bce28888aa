"""The edge's keys process against a real hub: identities, keys, certificates, offline, hostile input."""

import base64
import datetime
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import time
from urllib.parse import quote

import pytest
import requests
from cryptography import x509

import certificates
import conftest
import edge_process
from chips import SoftwareTPM
from edge_process import Edge, manual
from identities import Identity


@pytest.fixture
def edges(tmp_path):
    """Makes edges; stops them."""
    made = []

    def make(hub, settings, **options):
        edge = Edge(tmp_path / f"edge-{len(made)}", hub, settings, **options)
        made.append(edge)
        return edge

    yield make
    try:
        for edge in made:
            edge.stop()
    finally:
        for edge in made:
            edge.clean_up()


@pytest.fixture
def device(identities):
    return identities.device(capabilities={"iotEdge": True})


@pytest.fixture
def edge(edges, hub, device):
    edge = edges(hub, manual(hub, device)).start()
    settled(edge)
    return edge


def settled(edge, modules=("$edgeAgent", "$edgeHub")):
    """Both system modules have their keys at the hub."""
    def known(module):
        return edge.ask(edge.socket(module), "GET", "/identity")[1].get("generationId", "0") != "0"
    edge.wait_for(lambda: all(known(module) for module in modules))


def keys_at_hub(rest, device, module_id):
    record = rest.call(
        "GET", f"/devices/{device.device_id}/modules/{quote(module_id, safe='')}", expect=200,
    ).json()
    return record, record["authentication"]["symmetricKey"]["primaryKey"]


def test_module_keys_are_made_on_the_device(edge, hub, device, rest):
    made = edge.module("m1")
    assert made["moduleId"] == "m1" and made["managedBy"] == "IotEdge"
    record, key = keys_at_hub(rest, device, "m1")
    assert record["generationId"] == made["generationId"]
    assert record["managedBy"] == "IotEdge"
    status, answer = edge.sign("m1", made["generationId"])
    digest = hmac.new(base64.b64decode(key), b"data", hashlib.sha256).digest()
    assert (status, answer) == (200, {"digest": base64.b64encode(digest).decode()})
    for module in ("$edgeAgent", "$edgeHub"):
        _, key = keys_at_hub(rest, device, module)
        identity = Identity(hub, device.device_id, key, module)
        identity.connect().disconnect()


def test_stock_module_client_is_made_from_the_edge_environment(
        edge, hub, device, rest, monkeypatch, stock):
    """The stock client signs and fetches the trust bundle over its socket when it is made; the hub
    takes what it signed."""
    from azure.iot.device import IoTHubModuleClient

    record = edge.module("m1")
    for name, value in {
        "IOTEDGE_MODULEID": "m1", "IOTEDGE_DEVICEID": device.device_id,
        "IOTEDGE_IOTHUBHOSTNAME": hub.host, "IOTEDGE_GATEWAYHOSTNAME": hub.host,
        "IOTEDGE_APIVERSION": "2020-07-07",
        "IOTEDGE_MODULEGENERATIONID": record["generationId"],
        "IOTEDGE_WORKLOADURI": f"unix://{edge.socket('m1')}",
    }.items():
        monkeypatch.setenv(name, value)
    # The hub stands in for the local hub, so its authority has to be in the bundle.
    edge.stop()
    edge.configure(
        hub, manual(hub, device),
        top=f'hostname = "gate.example"\ntrust_bundle_cert = "{hub.ca_path}"\n')
    edge.start()
    client = stock.watch(IoTHubModuleClient.create_from_edge_environment())
    client.connect()
    client.send_message("over the edge's key")
    assert client.get_twin()["desired"]["$version"] >= 1


def test_identities_are_made_listed_and_deleted(edge, device, rest):
    first = edge.module("m1")
    assert edge.identities("PUT", "m1", managedBy="IotEdge") == (200, first)
    assert edge.identities("POST", moduleId="m2", managedBy="IotEdge")[0] == 200
    status, listed = edge.identities()
    assert status == 200
    names = [entry["moduleId"] for entry in listed["identities"]]
    assert names == ["$edgeAgent", "$edgeHub", "m1", "m2"]
    assert edge.identities("DELETE", "m1") == (204, None)
    assert edge.identities("GET", "m1")[0] == 404
    assert edge.identities("DELETE", "$edgeHub")[0] == 403
    assert edge.identities("PUT", "a/b", managedBy="x")[0] == 400
    edge.wait_for(lambda: edge.ask(edge.socket("m1"), "GET", "/identity")[0] == 0)
    # Made again it is another one, with other keys and a new socket.
    again = edge.module("m1")
    assert again["generationId"] != first["generationId"]
    assert edge.sign("m1", first["generationId"])[0] == 404


def test_a_module_that_others_made_is_taken_over(edge, device, rest):
    rest.create_module(device.device_id, "m1", managedBy="somebody")
    _, before = keys_at_hub(rest, device, "m1")
    made = edge.module("m1")
    record, after = keys_at_hub(rest, device, "m1")
    assert before != after and record["generationId"] == made["generationId"]
    assert record["managedBy"] == "IotEdge"


def test_offline_everything_but_new_modules_works(edges, hub_factory, tmp_path):
    """Also after kill -9 and a start without the hub."""
    hub = hub_factory()
    rest = hub.rest()
    record = rest.create_device("offline", capabilities={"iotEdge": True})
    device = Identity(hub, "offline", record["authentication"]["symmetricKey"]["primaryKey"])
    edge = edges(hub, "cloud_timeout_sec = 2\n" + manual(hub, device)).start()
    settled(edge)
    made = edge.module("m1")
    signed = edge.sign("m1", made["generationId"])
    vector = {"initializationVector": "AA=="}
    base = f"/modules/m1/genid/{made['generationId']}"
    _, sealed = edge.ask(edge.socket("m1"), "POST", base + "/encrypt",
                         {"plaintext": "c2VjcmV0", **vector})
    hub.stop()
    for _ in range(2):
        edge.wait_for(lambda: edge.sign("m1", made["generationId"])[0] == 200)
        assert edge.identities()[1]["identities"][-1] == made
        assert edge.identities("GET", "m1") == (200, made)
        assert edge.module("m1") == made
        assert edge.sign("m1", made["generationId"]) == signed
        assert edge.ask(edge.socket("m1"), "POST", base + "/decrypt",
                        {**sealed, **vector}) == (200, {"plaintext": "c2VjcmV0"})
        assert edge.identities("PUT", "m2", managedBy="IotEdge")[0] == 503
        assert edge.identities("DELETE", "m1")[0] == 503
        status, answer = edge.ask(
            edge.socket("$edgeHub"), "POST", "/modules/%24edgeHub/genid/0/certificate/server",
            {"commonName": "gate.example", "expiration": "2030-01-01T00:00:00Z"})
        assert status == 201
        edge.kill()
        edge.start()


def chain_of(pem):
    return x509.load_pem_x509_certificates(pem.encode())


def test_the_local_hub_has_one_certificate_for_all_names(edge):
    status, answer = edge.ask(
        edge.socket("$edgeHub"), "POST", "/modules/%24edgeHub/genid/0/certificate/server",
        {"commonName": "gate.example", "expiration": "2020-01-01T00:00:00Z"})
    assert status == 201 and answer["privateKey"]["type"] == "key"
    leaf, authority = chain_of(answer["certificate"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns = names.get_values_for_type(x509.DNSName)
    assert dns[0] == "gate.example" and {"edgeHub", "localhost"} <= set(dns)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert "127.0.0.1" in addresses
    assert authority.subject.rfc4514_string().startswith("CN=aziot-edge CA ")
    life = leaf.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    assert 89 <= life.days <= 90
    bundle = edge.ask(edge.socket("$edgeHub"), "GET", "/trust-bundle")[1]["certificate"]
    handshake(answer, bundle, edge.directory)


def handshake(answer, bundle, directory):
    """A TLS 1.2 client that trusts the bundle alone takes the certificate."""
    chain, key = directory / "server.pem", directory / "server.key"
    chain.write_text(answer["certificate"])
    key.write_text(answer["privateKey"]["bytes"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.load_verify_locations(cadata=bundle)
    for name in ("gate.example", "localhost", "127.0.0.1"):
        down, up = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(down, up, server_hostname=name)
        other = server.wrap_bio(up, down, server_side=True)
        done = set()
        while len(done) < 2:
            for side in (one, other):
                try:
                    side.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass


def test_a_module_reaches_its_own_keys_alone(edge):
    one, other = edge.module("m1"), edge.module("m2")
    target = f"/modules/m2/genid/{other['generationId']}/sign"
    status, answer = edge.ask(edge.socket("m1"), "POST", target, {"data": "AA=="})
    assert status == 403 and "m2" in answer["message"]
    assert edge.ask(edge.socket("m1"), "GET", "/identities")[0] == 404
    mode = (edge.run / "workload" / "m1").stat().st_mode & 0o777
    assert mode & 0o007 == 0
    for path in (edge.data / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def raw(edge, module_id, content, end=False):
    """Sends bytes and reads until the other side closes or is silent for long."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(12)
        connection.connect(edge.socket(module_id))
        try:
            connection.sendall(content)
            if end:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
                if b"\r\n\r\n" in answer:
                    break
            return answer
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_hostile_bytes_cost_a_connection_alone(edge):
    record = edge.module("m1")
    path = f"/modules/m1/genid/{record['generationId']}/sign?api-version=2018-06-28".encode()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n"
    rows = [
        (b"\x00" * 1000, b""),
        (b"nonsense\r\n\r\n", b""),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", b""),
        (head + b"Content-Length: -1\r\n\r\n", b""),
        (head + b"Content-Length: 99999999999999999999\r\n\r\n", b""),
        (head + b"Content-Length: 3000000\r\n\r\n" + b"a" * 3_000_000, b"413"),
        (head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", b""),
        (head + b"Content-Length: 2\r\n\r\n\xff\xfe", b"400"),
        (head + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000, b"400"),
        (b"GET /%zz?api-version=2018-06-28 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /modules/%2e%2e/x?api-version=2018-06-28 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
    ]
    for content, status in rows:
        answer = raw(edge, "m1", content, end=not status)
        assert status in answer[:40], (content[:60], answer[:200])
        assert not answer.startswith(b"HTTP/1.1 2"), content[:60]
    assert edge.sign("m1", record["generationId"])[0] == 200
    assert edge.process.poll() is None


def test_silent_and_many_connections_do_not_block_others(edge):
    """What trickles in is given up; a flood on one socket is no matter of another."""
    record = edge.module("m1")
    path = f"/modules/m1/genid/{record['generationId']}/sign?api-version=2018-06-28"
    held = []
    for _ in range(60):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(15)
        connection.connect(edge.socket("m1"))
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{".encode())
        held.append(connection)
    begun = time.monotonic()
    assert edge.sign("m1", record["generationId"])[0] == 200
    assert edge.sign("$edgeHub", "0")[0] == 404
    assert time.monotonic() - begun < 5
    assert held[0].recv(200).startswith(b"HTTP/1.1 408")
    for connection in held:
        connection.close()


def test_x509_device(edges, hub, identities, tmp_path):
    own = certificates.build("edge-x509", certificates.make_key())
    chain, key = own.write(tmp_path, "id")
    thumbprint = {"type": "selfSigned", "x509Thumbprint": {
        "primaryThumbprint": own.thumbprint(), "secondaryThumbprint": own.thumbprint()}}
    device = identities.device(capabilities={"iotEdge": True}, authentication=thumbprint)
    edge = edges(hub, f'''[provisioning]
source = "manual"
iothub_hostname = "{hub.host}"
device_id = "{device.device_id}"
[provisioning.authentication]
method = "x509"
identity_cert = "file://{chain}"
identity_pk = "file://{key}"
''').start()
    settled(edge)
    assert edge.module("m1")["moduleId"] == "m1"


def dps(hub, attestation):
    return f'''[provisioning]
source = "dps"
global_endpoint = "https://{hub.address}/"
id_scope = "{hub.ready['idScope']}"
[provisioning.attestation]
{attestation}
'''


def enroll(owner, path, body, etag=False):
    return owner.call("PUT", path, api_version="2019-03-31", json=body, expect=200,
                      headers={"If-Match": "*"} if etag else None)


def test_provisioning_by_key_and_a_start_without_the_service(edges, hub_factory):
    hub = hub_factory()
    owner = hub.rest("provisioningserviceowner")
    path = "/enrollments/edge-key"
    enroll(owner, path, {"registrationId": "edge-key", "deviceId": "edge-by-key",
                         "attestation": {"type": "symmetricKey"},
                         "capabilities": {"iotEdge": True}})
    found = owner.call("POST", path + "/attestationmechanism", api_version="2019-03-31",
                       expect=200).json()["symmetricKey"]["primaryKey"]
    edge = edges(hub, "cloud_timeout_sec = 2\n" + dps(hub, f'''method = "symmetric_key"
registration_id = "edge-key"
symmetric_key = {{ value = "{found}" }}''')).start()
    settled(edge)
    made = edge.module("m1")
    identity = edge.ask(edge.socket("m1"), "GET", "/identity")[1]
    assert identity["deviceId"] == "edge-by-key" and identity["hubHostName"] == hub.host
    hub.stop()
    edge.kill()
    edge.start()
    edge.wait_for(lambda: edge.sign("m1", made["generationId"])[0] == 200)
    assert found not in edge.log


def test_provisioning_by_a_chip(edges, hub, owner, tmp_path):
    """With swtpm in a chip's place: the key for the hub signs in it, also after a restart."""
    if not SoftwareTPM.is_installed():
        pytest.skip("needs swtpm and tpm2-tools")
    tpm = SoftwareTPM(tmp_path, f"{conftest.NETWORK}.242")
    try:
        endorsement = base64.b64encode(tpm.public[0]).decode()
        # As a chip is at first: the edge makes both keys, and the first one comes out as before.
        for handle in ("0x81010001", "0x81000001"):
            tpm._run("tpm2_evictcontrol", "-C", "o", "-c", handle)
        enroll(owner, "/enrollments/edge-chip", {
            "registrationId": "edge-chip", "deviceId": "edge-by-chip",
            "attestation": {"type": "tpm", "tpm": {"endorsementKey": endorsement}},
            "capabilities": {"iotEdge": True}})
        settings = dps(hub, 'method = "tpm"\nregistration_id = "edge-chip"') + (
            f'\n[tpm]\ntcti = "{tpm._environment["TPM2TOOLS_TCTI"]}"\n')
        edge = edges(hub, settings).start()
        settled(edge)
        assert edge.module("m1")["moduleId"] == "m1"
        identity = edge.ask(edge.socket("m1"), "GET", "/identity")[1]
        assert identity["deviceId"] == "edge-by-chip" and endorsement in edge.log
        edge.kill()
        seen = edge.log.count("registers with the TPM")
        edge.start()
        settled(edge)
        assert edge.module("m2")["moduleId"] == "m2"
        assert edge.log.count("registers with the TPM") == seen == 1
    finally:
        tpm.close()


def test_provisioning_by_certificate(edges, hub, owner, identities, tmp_path):
    own = certificates.build("edge-by-cert", certificates.make_key())
    chain, key = own.write(tmp_path, "id")
    pem = own.pem
    enroll(owner, "/enrollments/edge-by-cert", {
        "registrationId": "edge-by-cert", "capabilities": {"iotEdge": True},
        "attestation": {"type": "x509", "x509": {"clientCertificates": {
            "primary": {"certificate": pem}}}}})
    edge = edges(hub, dps(hub, f'''method = "x509"
identity_cert = "file://{chain}"
identity_pk = "file://{key}"''')).start()
    settled(edge)
    assert edge.ask(edge.socket("$edgeHub"), "GET", "/identity")[1]["deviceId"] == "edge-by-cert"


def test_another_device_ends_the_process_with_154(edges, hub, owner):
    path = "/enrollments/edge-moves"
    body = {"registrationId": "edge-moves", "deviceId": "edge-before",
            "attestation": {"type": "symmetricKey"}, "capabilities": {"iotEdge": True}}
    enroll(owner, path, body)
    mechanism = owner.call("POST", path + "/attestationmechanism", api_version="2019-03-31",
                           expect=200).json()
    edge = edges(hub, dps(hub, f'''method = "symmetric_key"
registration_id = "edge-moves"
symmetric_key = {{ value = "{mechanism["symmetricKey"]["primaryKey"]}" }}''')).start()
    settled(edge)
    # Nothing has changed: it goes on.
    assert edge.ask(edge.identity_socket, "POST", "/device/reprovision") == (204, None)
    time.sleep(1)
    assert edge.process.poll() is None
    enroll(owner, path, {**body, "deviceId": "edge-after", "attestation": mechanism}, etag=True)
    assert edge.ask(edge.identity_socket, "POST", "/device/reprovision") == (204, None)
    assert edge.process.wait(15) == 154
    edge.start()
    settled(edge)
    assert edge.ask(edge.socket("$edgeHub"), "GET", "/identity")[1]["deviceId"] == "edge-after"


def test_settings_that_cannot_be_used_end_it_with_153(edges, hub, device):
    edge = edges(hub, manual(hub, device))
    check = [str(edge_process.binary()), "config", "check", "--config", str(edge.settings_path)]
    fine = subprocess.run(check, capture_output=True, text=True, timeout=10)
    assert fine.returncode == 0, fine.stderr
    edge.configure(hub, manual(hub, device).replace("source", "sourc"))
    wrong = subprocess.run(check, capture_output=True, text=True, timeout=10)
    assert wrong.returncode == 153
    assert "unknown setting provisioning.sourc\n" in wrong.stderr
    assert "Did you mean provisioning.source?" in wrong.stderr
    for role in ("keys", "run"):
        ended = subprocess.run(edge.command(role), capture_output=True, text=True, timeout=10)
        assert ended.returncode == 153, ended.stderr
        assert device.key not in ended.stderr


def test_wrong_credentials_are_told_and_tried_again(edges, hub, device):
    stranger = Identity(hub, device.device_id, "c3RyYW5nZXJzIGtleSB0aGF0IGlzIHdyb25nIQ==")
    edge = edges(hub, manual(hub, stranger)).start()
    edge.wait_for(lambda: "a system module has no key at the hub" in edge.log)
    assert edge.identities("PUT", "m1", managedBy="IotEdge")[0] == 500
    edge.stop()
    edge.configure(hub, manual(hub, device))
    edge.start()
    settled(edge)


def test_metrics_tell_when_the_authority_ends(edges, hub, device):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    edge = edges(hub, manual(hub, device))
    text = edge.settings_path.read_text().replace("keys_port = 0", f"keys_port = {port}")
    edge.settings_path.write_text(text)
    edge.start()
    settled(edge)
    edge.wait_for(lambda: "orrery_edge_system_modules_settled 1" in requests.get(
        f"http://127.0.0.1:{port}/metrics", timeout=5).text)
    page = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    assert "orrery_edge_device_known 1" in page
    end = float(page.split("\norrery_edge_ca_expiry_timestamp_seconds ")[1].split("\n")[0])
    assert 89 * 86400 < end - time.time() <= 90 * 86400
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 404


def test_no_secret_in_log_or_arguments(edge, device, rest):
    edge.module("m1")
    _, key = keys_at_hub(rest, device, "m1")
    words = open(f"/proc/{edge.process.pid}/cmdline").read()
    for secret in (device.key, key, "SharedAccessSignature sr="):
        assert secret not in edge.log and secret not in words
    for line in edge.log.splitlines():
        json.loads(line)
