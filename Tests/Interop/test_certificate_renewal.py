"""A hub takes a new server certificate while it runs, and renews its own in time."""

import datetime
import re
import socket
import ssl
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import certificates
from waiting import wait_until

SECONDS = 30


def served(hub, port):
    """The serial number and end of the certificate that one listener serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((hub.host, port), 5) as plain:
        with context.wrap_socket(plain) as stream:
            leaf = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
    return leaf.serial_number, leaf.not_valid_after_utc


def ports(hub):
    return hub.mqtt_port, hub.amqp_port, hub.https_port


def expiry_metric(hub):
    page = requests.get(hub.ready["admin"] + "/metrics", timeout=5).text
    name = "orrery_tls_certificate_expiry_timestamp_seconds"
    return float(re.search(rf"^{name} (\S+)$", page, re.MULTILINE)[1])


def test_an_operators_certificate_is_exchanged_while_the_hub_runs(hub_factory, tmp_path):
    root = certificates.authority("Operator root")
    old = root.issue("localhost")
    new = root.issue("localhost", end=certificates.now() + 60 * certificates.DAY)
    certificate, key = (Path(path) for path in old.write(tmp_path, "server"))
    # Not started by the factory, which would trust the hub's own authority: there is none.
    hub = hub_factory({"tls.certificate": certificate, "tls.private_key": key}, start=False)
    hub.start()
    serial = old.certificate.serial_number
    assert [served(hub, port)[0] for port in ports(hub)] == [serial] * 3
    assert expiry_metric(hub) == old.certificate.not_valid_after_utc.timestamp()

    # An old connection stays through the exchange.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    stays = context.wrap_socket(socket.create_connection((hub.host, hub.https_port), 5))

    # Half of the exchange: the pair does not fit, the old certificate serves, the log says so once.
    new_certificate, new_key = (Path(path) for path in new.write(tmp_path, "next"))
    certificate.write_bytes(new_certificate.read_bytes())
    message = "the certificate was not taken, the old one stays"
    found = wait_until(
        lambda: [line for line in hub.log_records() if line.get("message") == message],
        SECONDS, "a line about the pair that does not fit")
    assert str(key) in str(found[0])
    assert served(hub, hub.https_port)[0] == serial

    key.write_bytes(new_key.read_bytes())
    wait_until(lambda: served(hub, hub.https_port)[0] == new.certificate.serial_number,
               SECONDS, "the new certificate")
    assert [served(hub, port)[0] for port in ports(hub)] == [new.certificate.serial_number] * 3
    assert expiry_metric(hub) == new.certificate.not_valid_after_utc.timestamp()
    assert len([line for line in hub.log_records() if line.get("message") == message]) == 1

    stays.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
    assert stays.recv(15) == b"HTTP/1.1 200 OK"
    stays.close()


def test_the_hubs_own_certificate_is_renewed_before_it_ends(hub_factory, tmp_path):
    hub = hub_factory(data=tmp_path / "hub")
    tls = tmp_path / "hub" / "tls"
    root = certificates.Certificate(
        x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes()),
        load_pem_private_key((tls / "ca.key").read_bytes(), None))
    anchor = (tls / "ca.pem").read_bytes()
    old = served(hub, hub.mqtt_port)
    # What the hub finds a year later: its certificate ends in ten days.
    root.issue(hub.host, end=certificates.now() + 10 * certificates.DAY).write(tls, "server")
    wait_until(lambda: served(hub, hub.mqtt_port)[0] != old[0], SECONDS, "a new certificate")
    serial, end = served(hub, hub.mqtt_port)
    assert end > certificates.now() + datetime.timedelta(days=300)
    assert (tls / "ca.pem").read_bytes() == anchor
    # Clients trust it as they did the one before.
    with socket.create_connection((hub.host, hub.mqtt_port), 5) as plain:
        with hub.tls_context().wrap_socket(plain, server_hostname=hub.host):
            pass
