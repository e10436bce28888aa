"""The suite's own tools, checked without a hub: a judge that errs proves nothing."""

import base64
import hashlib
import json
import subprocess
import time

import pytest
from azure.iot.device.common.pipeline.pipeline_exceptions import PipelineNotRunning
from azure.iot.hub.sastoken import SasToken

import certificates
import mqtt_wire
import rest
import sas
import websocket_wire
from conftest import StockClients
from hub import BODY_CANARY, Hub


def test_our_token_equals_the_stock_service_clients():
    key = sas.new_key()
    theirs = str(SasToken("hub.local", key, "service", ttl=1000))
    expiry = int(theirs.split("&se=")[1].split("&")[0])
    ours = sas.token("hub.local", key, "service", expiry=expiry)
    fields = [dict(part.split("=", 1) for part in text.split(" ")[1].split("&"))
              for text in (theirs, ours)]
    assert fields[0]["se"] == fields[1]["se"] and fields[0]["skn"] == fields[1]["skn"]
    assert sas.sign("hub.local", key, expiry) == base64.b64encode(
        base64.b64decode(sas.sign("hub.local", key, expiry))).decode()
    assert fields[0]["sig"].replace("/", "%2F") == fields[1]["sig"]


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_chains_that_openssl_accepts_and_refuses(tmp_path, kind):
    root = certificates.authority("root", kind)
    middle = root.issue("middle", kind, ca=True, path_length=0)
    leaf = middle.issue("device-1", kind)
    expired = root.issue("device-1", kind, start=certificates.now() - 3 * certificates.DAY,
                         end=certificates.now() - certificates.DAY)
    (tmp_path / "root.pem").write_text(root.pem)
    (tmp_path / "middle.pem").write_text(middle.pem)
    for certificate, good in ((leaf, True), (expired, False)):
        (tmp_path / "leaf.pem").write_text(certificate.pem)
        result = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "root.pem",
             "-untrusted", tmp_path / "middle.pem", tmp_path / "leaf.pem"],
            capture_output=True, text=True, check=False)
        assert (result.returncode == 0) == good, result.stdout + result.stderr


def test_written_chain_is_leaf_then_intermediates_without_root(tmp_path):
    root = certificates.authority("root")
    leaf = root.issue("middle", ca=True).issue("device-1")
    path, _ = leaf.write(tmp_path, "leaf")
    text = (tmp_path / "leaf.pem").read_text()
    assert path.endswith("leaf.pem") and text.count("BEGIN CERTIFICATE") == 2
    assert text.startswith(leaf.pem) and root.pem not in text


def test_thumbprint_is_the_digest_of_the_der_form():
    certificate = certificates.self_signed("d")
    assert certificate.thumbprint() == hashlib.sha1(certificate.der).hexdigest().upper()
    assert len(certificate.thumbprint("sha256")) == 64


@pytest.mark.parametrize("length, expected", [
    (0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"),
    (268435455, "ffffff7f"),
])
def test_remaining_length(length, expected):
    assert mqtt_wire.remaining_length(length).hex() == expected


def test_packets_are_those_of_the_standard():
    # MQTT 3.1.1 figure 3.6 names the variable header; the payload is ours.
    assert mqtt_wire.connect_packet("c", keep_alive=10, clean=True).hex() == (
        "100d00044d5154540402000a000163")
    assert mqtt_wire.publish_packet("a/b", b"x", identifier=10).hex() == "32080003612f62000a78"
    assert mqtt_wire.subscribe_packet(10, ("a", 1)).hex() == "8206000a00016101"


def test_packets_are_taken_whole_from_a_split_stream():
    class Stream:
        chunks = [b"\x32", b"\x08\x00\x03a/b", b"\x00\x0ax\xd0", b"\x00", b""]

        def settimeout(self, _):
            pass

        def recv(self, _):
            return self.chunks.pop(0)

    connection = mqtt_wire.MQTTConnection(Stream())
    got = connection.read().publish()
    assert (got.topic, got.payload, got.qos, got.identifier) == ("a/b", b"x", 1, 10)
    assert connection.read().kind == mqtt_wire.PINGRESP
    with pytest.raises(mqtt_wire.Closed):
        connection.read()


def test_websocket_frames_and_accept_value():
    masked = websocket_wire.frame(b"Hello", websocket_wire.TEXT)
    assert masked[:2] == b"\x81\x85" and len(masked) == 11
    assert websocket_wire.frame(b"Hello", websocket_wire.TEXT, masked=False) == b"\x81\x05Hello"
    upgrade = websocket_wire.Upgrade.__new__(websocket_wire.Upgrade)
    upgrade.key = "dGhlIHNhbXBsZSBub25jZQ=="
    assert upgrade.expected_accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3


def test_error_shapes_are_told_apart():
    second = {"errorCode": 404103, "message": "m", "trackingId": "t", "timestampUtc": "now"}
    first = {"Message": "ErrorCode:DeviceNotFound;x",
             "ExceptionMessage": "Tracking ID:ab-G:0-TimeStamp:now"}
    third = {"Message": json.dumps(second), "ExceptionMessage": ""}
    shapes = [rest.error_shape(json.dumps(body)) for body in (first, second, third)]
    assert shapes == [1, 2, 3]
    for bad in ({}, {"Message": "x", "ExceptionMessage": ""}, [], {"errorCode": "1"}):
        assert rest.error_shape(json.dumps(bad)) is None
    assert rest.error_shape("<html>") is None


@pytest.mark.parametrize("line, kind", [
    ('{"m":"KEY"}', "key"), ('{"m":"%s"}' % BODY_CANARY, "body"), ("plain text", "JSON"),
    ('{"m":"SharedAccessSignature sr=x"}', "token"), ("[]", "object"),
])
def test_log_check_finds_what_must_not_be_there(tmp_path, line, kind):
    hub = Hub("127.0.77.240", tmp_path)
    secret = "ab+/cdefghij=="
    hub.note_secret(secret)
    hub.log_path.write_text('{"m":"fine"}\n')
    hub.check_log()
    for form in (secret, "ab%2B%2Fcdefghij%3D%3D", "ab+\\/cdefghij=="):
        hub.log_path.write_text('{"m":"fine"}\n' + line.replace("KEY", form) + "\n")
        with pytest.raises(AssertionError, match=kind):
            hub.check_log()


def test_token_expiry_is_absolute():
    assert abs(int(sas.token("r", sas.new_key(), ttl=60).split("&se=")[1]) - time.time() - 60) < 2


class OneClient:
    """A client whose pipeline may have ended by itself."""

    def __init__(self, is_running):
        self.is_running = is_running

    def shutdown(self):
        if not self.is_running:
            raise PipelineNotRunning("Pipeline is not running")
        self.is_running = False


def test_a_pipeline_that_ended_by_itself_fails_the_test():
    clients = StockClients()
    living, dead = clients.watch(OneClient(True)), clients.watch(OneClient(False))
    with pytest.raises(AssertionError, match="1 client pipelines ended by themselves"):
        clients.shut_down()
    assert not living.is_running and not dead.is_running


def test_a_client_that_the_test_shut_down_is_let_be():
    clients = StockClients()
    clients.watch(OneClient(True)).shutdown()
    clients.shut_down()
