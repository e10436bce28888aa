"""Several hubs behind one provisioning service, and webhooks that choose among them (contract 6.7)."""

import http.server
import itertools
import json
import ssl
import threading
import time
from pathlib import Path

import pytest

import certificates
from conftest import NETWORK
from test_provisioning import call, client, connects, enroll, keys, register, register_over_https
from webhook import server_certificate

NUMBERS = itertools.count(1)


class Allocator:
    """A webhook whose answer a test sets: a status and a body, or a function of the request."""

    def __init__(self, address, directory, root):
        self.requests, self.answer = [], (200, {})
        allocator = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                allocator.requests.append(body)
                answer = allocator.answer
                status, content = answer(body) if callable(answer) else answer
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # A caller that hangs up is what some tests are about.

        self._server = Server((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*server_certificate(root, address).write(directory, "allocator"))
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{address}:{self._server.server_port}/allocate?code=secret-of-the-url"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def other(hub_factory, tmp_path_factory):
    """The hub that is linked."""
    return hub_factory(data=tmp_path_factory.mktemp("other") / "data")


@pytest.fixture(scope="module")
def allocator(tmp_path_factory):
    directory = tmp_path_factory.mktemp("allocator")
    root = certificates.authority("webhooks")
    (directory / "root.pem").write_text(root.pem)
    allocator = Allocator(f"{NETWORK}.240", directory, root)
    allocator.root_path = directory / "root.pem"
    yield allocator
    allocator.close()


@pytest.fixture(scope="module")
def service(hub_factory, other, allocator, tmp_path_factory):
    """The hub whose provisioning service assigns to both."""
    directory = tmp_path_factory.mktemp("links")
    links, trust = directory / "hubs.json", directory / "ca.pem"
    links.write_text(json.dumps([
        {"connectionString": other.connection_string("iothubowner"), "latencyMilliseconds": 2}]))
    trust.write_text(other.ca_pem + "\n" + allocator.root_path.read_text())
    return hub_factory({"provisioning.linked_hubs": links, "provisioning.ca": trust})


@pytest.fixture(scope="module")
def owner(service):
    return service.rest("provisioningserviceowner")


def named(prefix):
    return f"{prefix}-{next(NUMBERS)}"


def make(owner, device, **fields):
    """An individual enrollment by key, and the key."""
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "symmetricKey"}, **fields)
    return keys(owner, path)[0]


def change(owner, device, **fields):
    call(owner, "PUT", f"/enrollments/{device}", 200, headers={"If-Match": "*"},
         json={"attestation": {"type": "symmetricKey"}, **fields})


def is_known(hub, device):
    return hub.rest().call("GET", f"/devices/{device}").status_code == 200


def test_assignment_to_another_hub(service, other, owner):
    device = named("far")
    key = make(owner, device, allocationPolicy="static", iotHubs=[other.host],
               initialTwin={"tags": {"site": 1}, "properties": {"desired": {"rate": 5}}})
    for _ in range(2):
        state = register(service, device, key)
        assert state.assigned_hub == other.host and state.sub_status == "initialAssignment"
        assert connects(other, state, key)["desired"]["rate"] == 5
    assert other.rest().twin(device)["tags"] == {"site": 1}
    assert not is_known(service, device)


def test_the_nearest_hub(service, other, owner):
    device = named("near")
    key = make(owner, device, allocationPolicy="geoLatency")
    assert register(service, device, key).assigned_hub == other.host


def test_hashed_allocation_uses_both(service, other, owner):
    hosts = set()
    for _ in range(12):
        device = named("hashed")
        hosts.add(register_over_https(service, owner, device, make(owner, device))["assignedHub"])
    assert hosts == {service.host, other.host}


@pytest.mark.parametrize("migrates", [True, False], ids=["migrate", "reset"])
def test_moving(service, other, owner, migrates):
    device = named("mover")
    common = dict(allocationPolicy="static", initialTwin={"tags": {"new": True}},
                  reprovisionPolicy={"updateHubAssignment": True, "migrateDeviceData": migrates})
    key = make(owner, device, iotHubs=[service.host], **common)
    register(service, device, key)
    for hub, old in [(other, service), (service, other)]:
        old.rest().call("PATCH", f"/twins/{device}", expect=200, json={
            "tags": {"at": old.host}, "properties": {"desired": {"rate": 7}}})
        change(owner, device, iotHubs=[hub.host], **common)
        state = register(service, device, key)
        assert state.assigned_hub == hub.host
        assert state.sub_status == ("deviceDataMigrated" if migrates else "deviceDataReset")
        assert not is_known(old, device)
        connects(hub, state, key)
        tags = hub.rest().twin(device)["tags"]
        assert tags == ({"new": True, "at": old.host} if migrates else {"new": True})


def test_who_is_disabled_stays_disabled_where_it_moves(service, other, owner):
    device = named("stolen")
    key = make(owner, device, allocationPolicy="static", iotHubs=[service.host])
    register(service, device, key)
    for hub, old in [(other, service), (service, other)]:
        record = old.rest().device(device)
        record.update(status="disabled", statusReason="stolen")
        old.rest().call("PUT", f"/devices/{device}", json=record, headers={"If-Match": "*"},
                        expect=200)
        change(owner, device, allocationPolicy="static", iotHubs=[hub.host])
        register(service, device, key)
        moved = hub.rest().device(device)
        assert (moved["status"], moved["statusReason"]) == ("disabled", "stolen")


def test_what_the_other_hub_refuses(service, other, owner):
    device = named("full")
    kept = other.rest().create_device(device)
    modules = [other.rest().create_module(device, f"m{number}") for number in range(50)]
    assert len(modules) == 50
    # An edge device needs room for two more modules.
    key = make(owner, device, allocationPolicy="static", iotHubs=[other.host],
               capabilities={"iotEdge": True})
    state = register_over_https(service, owner, device, key)
    assert state["status"] == "failed" and other.host in state["errorMessage"]
    assert other.rest().device(device)["generationId"] == kept["generationId"]
    assert other.rest().device(device)["authentication"] == kept["authentication"]


def test_a_hub_that_is_not_linked(owner):
    body = {"attestation": {"type": "symmetricKey"}, "iotHubs": ["elsewhere.example"]}
    refused = call(owner, "PUT", f"/enrollments/{named('x')}", 400, json=body)
    assert "elsewhere.example" in refused.json()["message"]


# Webhooks


def custom(allocator, **fields):
    return dict(allocationPolicy="custom", customAllocationDefinition={
        "webhookUrl": allocator.url, "apiVersion": "2019-03-31"}, **fields)


def test_a_webhook_chooses(service, other, owner, allocator):
    device = named("custom")
    key = make(owner, device, **custom(allocator))
    allocator.answer = (200, {
        "iotHubHostName": other.host, "payload": {"welcome": device},
        "initialTwin": {"tags": {"by": "webhook"}, "properties": {"desired": {"rate": 9}}}})
    stock = client(service, device, key)
    stock.provisioning_payload = {"model": "pump"}
    state = stock.register().registration_state
    assert state.assigned_hub == other.host
    assert json.loads(state.response_payload) == {"welcome": device}
    assert connects(other, state, key)["desired"]["rate"] == 9
    assert other.rest().twin(device)["tags"] == {"by": "webhook"}
    asked = allocator.requests[-1]
    assert asked["individualEnrollment"]["registrationId"] == device
    assert "symmetricKey" not in asked["individualEnrollment"]["attestation"]
    assert asked["deviceRuntimeContext"] == {
        "registrationId": device, "symmetricKey": {}, "payload": {"model": "pump"}}
    assert set(asked["linkedHubs"]) == {service.host, other.host}


@pytest.mark.parametrize("answer, code, cause", [
    ((401, {}), 400209, "401"),
    ((404, {}), 400207, "404"),
    ((503, {}), 400207, "503"),
    ((200, b"<html>"), 400207, "answer"),
    ((200, {"iotHubHostName": 1}), 400207, "iotHubHostName"),
    ((200, {"initialTwin": {"tags": {"a.b": 1}}}), 400207, "tags.a.b"),
    ((200, {"payload": "x" * 20_000}), 400207, "payload"),
    ((200, b" " * (2 << 20)), 400207, "longer"),
    ((200, {}), 400208, "no linked hub"),
    ((200, {"iotHubHostName": "elsewhere.example"}), 400208, "no linked hub"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_answers_of_a_webhook_that_are_none(service, owner, allocator, answer, code, cause):
    device = named("bad")
    key = make(owner, device, **custom(allocator))
    allocator.answer = answer
    state = register_over_https(service, owner, device, key)
    assert state["status"] == "failed" and state["errorCode"] == code, state
    assert cause in state["errorMessage"]
    assert "secret-of-the-url" not in state["errorMessage"]
    # Once it answers, the device gets its hub.
    allocator.answer = (200, {"iotHubHostName": service.host})
    assert register_over_https(service, owner, device, key)["status"] == "assigned"


def test_a_webhook_that_hangs(service, owner, allocator):
    """Others go on meanwhile, and in the end it has failed."""
    device, quick = named("hung"), named("quick")
    key = make(owner, device, **custom(allocator))
    release = threading.Event()

    def hang(_):
        release.wait(40)
        return 500, {}

    allocator.answer = hang
    results = []
    thread = threading.Thread(target=lambda: results.append(
        register_over_https(service, owner.another(), device, key, seconds=30)))
    thread.start()
    begun = time.monotonic()
    assert register_over_https(service, owner, quick, make(owner, quick))["status"] == "assigned"
    assert time.monotonic() - begun < 5
    thread.join(40)
    release.set()
    assert results[0]["errorCode"] == 400207 and "within 5 seconds" in results[0]["errorMessage"]


def test_secrets_are_not_logged(service, other):
    text = Path(service.log_path).read_text()
    assert "secret-of-the-url" not in text
    assert other.policy_key("iothubowner") not in text


# Last: the other hub is away for a while.


def test_a_hub_that_is_away(service, other, owner):
    device = named("waiting")
    key = make(owner, device, allocationPolicy="static", iotHubs=[service.host])
    register(service, device, key)
    other.kill()
    change(owner, device, allocationPolicy="static", iotHubs=[other.host])
    state = register_over_https(service, owner, device, key, seconds=40)
    assert state["status"] == "failed" and state["assignedHub"] == service.host
    assert service.rest().device(device)["status"] == "enabled"
    other.start()
    assert register(service, device, key).assigned_hub == other.host
