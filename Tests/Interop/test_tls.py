"""TLS versions, names, certificate requests (contract 1.1)."""

import socket
import ssl
import subprocess

import pytest

from mqtt_wire import MQTTConnection

pytestmark = pytest.mark.usefixtures("unharmed")
PORTS = pytest.mark.parametrize("port", ["mqtt_port", "https_port"])


def first_answer(hub, port, version):
    """The first bytes a hub answers to a ClientHello of exactly one old version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    assert hello[0] == 22, "this OpenSSL made no ClientHello, so nothing would be tested"
    with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
        plain.sendall(hello)
        try:
            return plain.recv(16)
        except ConnectionResetError:
            return b""


@PORTS
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1],
                         ids=["1.0", "1.1"])
def test_old_versions_are_refused(hub, port, version):
    answer = first_answer(hub, port, version)
    # 21 is an alert, 70 says protocol_version; a bare close would do as well.
    assert answer == b"" or (answer[0] == 21 and answer[6:7] == b"\x46"), answer


@PORTS
@pytest.mark.parametrize("version, name", [
    (ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_both_new_versions_are_accepted(hub, port, version, name):
    context = hub.tls_context(version, version)
    with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
        with context.wrap_socket(plain, server_hostname=hub.host) as stream:
            assert stream.version() == name


@PORTS
@pytest.mark.parametrize("cipher", ["ECDHE+AESGCM", "ECDHE+AES128+AESGCM", "ECDHE+AES256+AESGCM"])
def test_cipher_suites_for_1_2(hub, port, cipher):
    context = hub.tls_context(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(cipher)
    with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
        with context.wrap_socket(plain, server_hostname=hub.host) as stream:
            assert "GCM" in stream.cipher()[0]


@PORTS
@pytest.mark.parametrize("cipher", ["NULL", "aNULL", "kRSA+AES"])
def test_weak_suites_are_refused(hub, port, cipher):
    context = hub.tls_context(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(cipher + ":@SECLEVEL=0")
    with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname=hub.host)


@PORTS
def test_the_certificate_covers_every_name_it_was_given(hub, port):
    for name in (hub.host, "localhost"):
        with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
            hub.tls_context().wrap_socket(plain, server_hostname=name).close()
    with socket.create_connection((hub.host, getattr(hub, port)), 5) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            hub.tls_context().wrap_socket(plain, server_hostname="other.example")


@PORTS
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_certificate_is_requested_from_anybody(hub, port, version):
    """The request names no authorities, and no certificate is needed."""
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"{hub.host}:{getattr(hub, port)}", version,
         "-CAfile", hub.ca_path, "-verify_return_error", "-trace"],
        input=b"", capture_output=True, timeout=10, check=False)
    output = result.stdout.decode(errors="replace")
    requested = "CertificateRequest" in output
    assert requested, "the handshake has no CertificateRequest"
    assert output.count("No client certificate CA names sent") == 1


def test_plain_text_on_a_tls_port_is_closed(hub, device):
    for port in (hub.mqtt_port, hub.https_port):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1000), b"\x10\x0c\x00\x04MQTT"):
            with socket.create_connection((hub.host, port), 5) as plain:
                plain.sendall(data)
                plain.settimeout(5)
                try:
                    answer = plain.recv(4096)
                except ConnectionResetError:
                    continue
                assert not answer.startswith(b"HTTP"), "REST was served in clear text"


def test_clear_text_ports_stay_closed(hub):
    for port in (1883, 5672, 80):
        with pytest.raises(OSError):
            socket.create_connection((hub.host, port), 1).close()


def test_a_handshake_given_up_half_way(hub, device):
    context = hub.tls_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = context.wrap_bio(incoming, outgoing, server_hostname=hub.host)
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    hello = outgoing.read()
    for cut in (1, 5, 6, 50, len(hello) - 1, len(hello)):
        with socket.create_connection((hub.host, hub.mqtt_port), 5) as plain:
            plain.sendall(hello[:cut])
    MQTTConnection.open(hub).abort()


def test_damaged_handshakes(hub):
    context = hub.tls_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=hub.host).do_handshake()
    hello = outgoing.read()
    for position in range(0, len(hello), 11):
        damaged = bytearray(hello)
        damaged[position] ^= 0xFF
        with socket.create_connection((hub.host, hub.mqtt_port), 5) as plain:
            plain.settimeout(0.2)
            plain.sendall(damaged)
            try:
                plain.recv(100)
            except OSError:
                pass
    assert hub.is_alive()
