"""Leaf devices that prove themselves to a local hub by certificate (edge contract 5.2)."""

import datetime
import socket
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests
from azure.iot.device import Message, exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from proton import Message as AMQPMessage
from proton import SSLDomain
from proton.utils import BlockingConnection

import certificates
import conftest
from events import EventStream, json_of
from local_hub import Below
from test_amqp_devices import path
from test_local_hub import Site, site  # noqa: F401
from test_x509 import thumbprints, wrong_leaf
from waiting import wait_until
from websocket_wire import Upgrade

BY_AUTHORITY = {"type": "certificateAuthority"}


def leaf_below(site, authentication=BY_AUTHORITY):  # noqa: F811
    device = site.identities.device(
        deviceScope=site.edge.record["deviceScope"], authentication=authentication)
    return Below.of(device, site.hub)


@pytest.fixture
def root(site, tmp_path):  # noqa: F811
    """An authority in the edge's trust bundle; the hub above does not know it."""
    return trusted(site, tmp_path)


def trusted(site, folder):  # noqa: F811
    root = certificates.authority("Plant root")
    bundle = folder / "bundle.pem"
    other = certificates.authority("Another plant")
    bundle.write_text(f"# Both plants\n{other.pem}\n# Ours\n{root.pem}")
    site.hub.variables = {"EdgeHubDevTrustBundleFile": str(bundle)}
    return root


def dial(stock, leaf, files, **options):
    return stock.make(leaf, certificate=files, gateway_hostname=leaf.hub.address, **options)


def raw_code(leaf, files):
    context = leaf.hub.tls_context()
    context.load_cert_chain(*files)
    connection, code = leaf.try_connect(context=context, password="")
    connection.abort()
    return code


@pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "websocket"])
@pytest.mark.parametrize("depth", [0, 2], ids=["direct", "two-between"])
def test_a_certificate_of_a_trusted_authority(
        site, root, stock, events, tmp_path, depth, websockets):  # noqa: F811
    leaf, issuer = leaf_below(site), root
    for level in range(depth):
        issuer = issuer.issue(f"line {level}", ca=True)
    site.hub.start()
    files = issuer.issue(leaf.device_id).write(tmp_path, "leaf")
    client = dial(stock, leaf, files, websockets=websockets)
    client.connect()
    client.send_message(Message('{"t":1}'))
    event, = events.wait_for(1, device=leaf.device_id)
    assert json_of(event) == {"t": 1}


def test_a_thumbprint_still_counts(site, root, stock, events, tmp_path):  # noqa: F811
    own = certificates.self_signed("anything")
    leaf = leaf_below(site, thumbprints(own.thumbprint()))
    site.hub.start()
    client = dial(stock, leaf, own.write(tmp_path, "leaf"))
    client.connect()
    client.send_message(Message("{}"))
    assert events.wait_for(1, device=leaf.device_id)
    # That an authority vouches for it is not what its identity asks for.
    assert raw_code(leaf, root.issue(leaf.device_id).write(tmp_path, "other")) == 5


def test_over_amqp(site, root, events, tmp_path):  # noqa: F811
    leaf, stranger = leaf_below(site), leaf_below(site)
    site.hub.start()
    chain, key = root.issue("line", ca=True).issue(leaf.device_id).write(tmp_path, "leaf")
    tls = SSLDomain(SSLDomain.MODE_CLIENT)
    tls.set_trusted_ca_db(str(site.hub.ca_path))
    tls.set_peer_authentication(SSLDomain.VERIFY_PEER)
    tls.set_credentials(chain, key, None)
    connection = BlockingConnection(
        f"amqps://{site.hub.address}:5671", timeout=20, ssl_domain=tls, allowed_mechs="EXTERNAL")
    try:
        sender = connection.create_sender(path(leaf, "messages/events"))
        sender.send(AMQPMessage(body=b'{"a":2}', inferred=True), timeout=20)
        event, = events.wait_for(1, device=leaf.device_id)
        assert json_of(event) == {"a": 2}
        with pytest.raises(Exception):
            connection.create_sender(path(stranger, "messages/events"))
    finally:
        connection.close()


@pytest.mark.parametrize("case", [
    "wrong CN", "expired", "not yet valid", "expired intermediate", "issuer is no authority",
    "issuer without basicConstraints", "path too long", "unregistered authority", "self-signed",
])
def test_leaf_that_must_not_be_let_in(site, root, tmp_path, case):  # noqa: F811
    leaf = leaf_below(site)
    site.hub.start()
    assert raw_code(leaf, wrong_leaf(case, root, leaf.device_id).write(tmp_path, "bad")) == 5
    assert raw_code(leaf, root.issue(leaf.device_id).write(tmp_path, "good")) == 0


def made(issuer, name, extensions):
    """A certificate of `issuer` with these extensions."""
    key = certificates.make_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.certificate.subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(certificates.now() - certificates.DAY)
        .not_valid_after(certificates.now() + datetime.timedelta(days=1)))
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    chain = [issuer, *issuer.chain] if issuer.chain or not issuer.is_root else []
    return certificates.Certificate(builder.sign(issuer.key, hashes.SHA256()), key, chain)


def test_what_an_edge_makes_for_modules_is_no_device(site, root, tmp_path):  # noqa: F811
    """An edge CA under the devices' root: its modules may name their servers as they like."""
    leaf = leaf_below(site)
    site.hub.start()
    edge = root.issue("aziot-edge CA gate", ca=True)
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    module = x509.SubjectAlternativeName([
        x509.DNSName(f"URI: azureiot://hub/devices/gate/modules/{leaf.device_id}")])
    for number, (extensions, code) in enumerate((
            ([server], 5), ([client, module], 5), ([client], 0), ([], 0))):
        certificate = made(edge, leaf.device_id, extensions)
        assert raw_code(leaf, certificate.write(tmp_path, str(number))) == code, number


def test_without_a_trust_bundle_no_authority_counts(
        site, hub, rest, stock, tmp_path):  # noqa: F811
    """Not even one that the hub above knows."""
    root = certificates.authority("Known above")
    certificates.register_authority(rest, "leaf-above", root)
    leaf = leaf_below(site)
    files = root.issue(leaf.device_id).write(tmp_path, "leaf")
    site.hub.start()
    client = dial(stock, leaf, files, connection_retry=False)
    with pytest.raises(exceptions.CredentialError):
        client.connect()


def test_who_is_disabled_is_cut_off(site, root, rest, tmp_path):  # noqa: F811
    leaf = leaf_below(site)
    site.hub.variables["DeviceScopeCacheRefreshRateSecs"] = "1"
    site.hub.start()
    files = root.issue(leaf.device_id).write(tmp_path, "leaf")
    assert raw_code(leaf, files) == 0
    rest.update_device({**rest.device(leaf.device_id), "status": "disabled"})
    wait_until(lambda: raw_code(leaf, files) == 5, 20, "refused")


def test_offline_and_after_a_restart(hub_factory, tmp_path, request):
    above = hub_factory(data=tmp_path / "above")
    identities = conftest.make_identities(request, above)
    stock = conftest.StockClients()
    site = Site(above, identities, tmp_path)  # noqa: F811
    root = trusted(site, tmp_path)
    leaf = leaf_below(site)
    files = root.issue("line", ca=True).issue(leaf.device_id).write(tmp_path, "leaf")
    site.configure(up="FROM /messages/* INTO $upstream")
    site.hub.start()
    site.hub.wait_for_log("configuration in force")
    # Once, so that the edge has heard of it.
    assert raw_code(leaf, files) == 0
    above.stop()
    site.hub.kill()
    site.hub.start()
    client = dial(stock, leaf, files)
    client.connect()
    client.send_message(Message('{"offline":true}'))
    client.shutdown()
    late = root.issue(
        leaf.device_id, start=certificates.now() - 2 * certificates.DAY,
        end=certificates.now() - certificates.DAY)
    assert raw_code(leaf, late.write(tmp_path, "late")) == 5
    seen = len(site.hub.log())
    above.start()
    site.hub.wait_for_log("connected upstream", seen, 90)
    stream = EventStream(above.rest("service"), "earliest")
    event, = stream.wait_for(1, 20, device=leaf.device_id)
    assert json_of(event) == {"offline": True}
    site.hub.stop()


# Behind a proxy that ends the devices' TLS


def upgrade(site, certificate, token):  # noqa: F811
    """MQTT over a WebSocket, as the proxy asks for it."""
    place = SimpleNamespace(
        host=site.hub.address, https_port=443, tls_context=site.hub.tls_context)
    extra = f"x-ms-edge-clientcert: {quote(certificate.pem, safe='')}\r\n"
    if token:
        extra += f"Authorization: {token}\r\n"
    return Upgrade(place, extra=extra).mqtt()


def code_through(site, leaf, certificate, token):  # noqa: F811
    connection = upgrade(site, certificate, token)
    try:
        return connection.connect(leaf.client_id, leaf.username(), None)
    finally:
        connection.abort()


def test_a_certificate_that_the_proxy_passes_on(site, root, tmp_path):  # noqa: F811
    own = certificates.self_signed("anything")
    signed, pinned = leaf_below(site), leaf_below(site, thumbprints(own.thumbprint()))
    proxy, other = site.module("front"), site.module("other")
    stranger = Below.of(site.identities.module(site.identities.device(), "front"), site.hub)
    site.hub.variables["ApiProxyModuleId"] = "front"
    site.hub.start()
    proxy.connect().disconnect()
    good = root.issue(signed.device_id)
    assert code_through(site, signed, good, proxy.token()) == 0
    assert code_through(site, pinned, own, proxy.token()) == 0
    # Anybody can write the header.
    for token in (None, other.token(), stranger.token(), proxy.token(key=other.key), "nonsense"):
        assert code_through(site, signed, good, token) == 5
    for certificate in (own, root.issue("another"), root.issue(pinned.device_id)):
        assert code_through(site, signed, certificate, proxy.token()) == 5


def test_the_daemon_of_an_edge_below_through_the_proxy(site, root, tmp_path):  # noqa: F811
    own = certificates.self_signed("low")
    low = site.identities.device(
        capabilities={"iotEdge": True}, parentScopes=[site.edge.record["deviceScope"]],
        authentication=thumbprints(own.thumbprint()))
    proxy = site.module("IoTEdgeAPIProxy")
    site.hub.start()
    proxy.connect().disconnect()

    def status(token, header=quote(own.pem, safe="")):
        headers = {"x-ms-edge-clientcert": header, "Authorization": token}
        return requests.get(
            f"https://{site.hub.address}/devices/{low.device_id}/modules",
            params={"api-version": "2021-04-12"}, headers=headers, timeout=10,
            verify=str(site.hub.ca_path)).status_code

    assert status(proxy.token()) == 200
    assert status(site.own.token()) == 401
    for header in ("", "%zz", quote(certificates.self_signed("x").pem, safe=""), "a" * 40_000):
        assert status(proxy.token(), header) == 401


def test_listeners_that_are_turned_off(site, root, tmp_path):  # noqa: F811
    leaf = site.leaf()
    site.hub.variables |= {"MqttSettings__Enabled": "false"}
    site.hub.start()
    with pytest.raises(OSError):
        socket.create_connection((site.hub.address, 8883), 2)
    socket.create_connection((site.hub.address, 443), 2).close()
    site.hub.stop()
    site.hub.variables |= {"MqttSettings__Enabled": "true", "HttpSettings__Enabled": "false"}
    site.hub.start()
    with pytest.raises(OSError):
        socket.create_connection((site.hub.address, 443), 2)
    leaf.connect().disconnect()
