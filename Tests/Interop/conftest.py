"""One ephemeral hub for most tests, special ones where a test must bend the rules."""

import fcntl
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent))

import hub as hub_module  # noqa: E402
import loopback  # noqa: E402
from control import ControlDevice  # noqa: E402
from events import EventStream  # noqa: E402
from hub import Hub  # noqa: E402
from identities import Identity  # noqa: E402
from rest import segment  # noqa: E402

HUBS = []
# Two runs on one machine need two networks, and so do the workers of one run.
BASE = os.environ.get("ORRERY_INTEROP_NETWORK", "127.0.77")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NETWORK = BASE if WORKER == 0 else f"127.{WORKER}.{BASE.rsplit('.', 1)[1]}"


def pytest_configure(config):
    """Without the right to use port 443 the run starts over inside a network namespace."""
    if os.environ.get(loopback.ENTERED):
        loopback.bring_loopback_up()
    if config.option.collectonly or loopback.can_bind_standard_ports():
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    reason = loopback.enter_namespace([str(word) for word in config.invocation_params.args])
    pytest.exit(f"cannot use the standard ports: {reason}", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the hubs said."""
    report = (yield).get_result()
    if not report.failed:
        return
    for hub in HUBS:
        if hub.process is not None and (hub.is_alive() or hub.process.returncode not in (0, -9)):
            title = f"log of the hub on {hub.address} (all of it: {hub.log_path})"
            report.sections.append((title, hub.log_tail()))


# Hubs


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """One PEM file with every hub's CA, where the stock service client looks for it."""
    path = tmp_path_factory.mktemp("trust") / "bundle.pem"
    path.write_text("")
    os.environ["REQUESTS_CA_BUNDLE"] = str(path)
    # The AMQP half of the service client asks OpenSSL.
    os.environ["SSL_CERT_FILE"] = str(path)
    return path


@pytest.fixture(scope="session")
def hub_factory(tmp_path_factory, bundle):
    """Makes hubs on addresses of their own; stops them and reads their logs at the end."""
    if not hub_module.binary().exists():
        pytest.fail(f"no hub at {hub_module.binary()}: build it or set ORRERY_BIN", pytrace=False)
    numbers = itertools.count(1)

    def make(settings=None, data=None, start=True, arguments=()):
        number = next(numbers)
        directory = tmp_path_factory.mktemp(f"hub-{number}")
        hub = Hub(f"{NETWORK}.{number}", directory, data, settings, arguments)
        HUBS.append(hub)
        if start:
            hub.start()
            trust(bundle, hub)
        return hub

    yield make
    problems = []
    for hub in HUBS:
        try:
            hub.stop()
            if hub.log_path.exists():
                hub.check_log()
        except AssertionError as problem:
            problems.append(f"{hub.address}: {problem}")
            hub.kill()
    assert not problems, "\n".join(problems)


def trust(bundle, hub):
    """Adds a hub's CA to the bundle."""
    with open(bundle, "a") as file:
        file.write(hub.ca_pem.rstrip() + "\n")


@pytest.fixture(scope="session")
def hub(hub_factory):
    """The hub that most tests share."""
    return hub_factory()


@pytest.fixture(scope="session")
def strict_hub(hub_factory):
    """No clock skew, short time limits, few deliveries: what the defaults make slow to see."""
    return hub_factory(
        {
            "sas.skew_seconds": 0,
            "limit.connect_seconds": 3,
            "quota.c2d_default_ttl_seconds": 60,
            "quota.c2d_max_delivery_count": 2,
        }
    )


@pytest.fixture(autouse=True)
def hub_still_runs(request):
    """No test may end the hub it ran against."""
    yield
    for name in ("hub", "strict_hub"):
        if name in request.fixturenames:
            assert request.getfixturevalue(name).is_alive(), f"{name} ended during this test"


# Service side


@pytest.fixture(scope="session")
def rest(hub):
    """The raw REST interface under the policy `iothubowner`."""
    return hub.rest()


@pytest.fixture(scope="session")
def owner(hub):
    """Raw REST under the provisioning service's policy."""
    return hub.rest("provisioningserviceowner")


@pytest.fixture
def engine_turn():
    """The socket of the container engine, None without one; it is one test's alone, because an edge
    takes all modules of an engine for its own. To be asked for before what runs an edge."""
    path = os.environ.get("EDGE_TEST_DOCKER_SOCKET")
    if path is None:
        yield None
        return
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
        if left := containers(path):
            docker(path, "rm", "-f", *left)


@pytest.fixture
def engine(engine_turn):
    """The socket of the container engine; without one the test is left out."""
    if engine_turn is None:
        pytest.skip("no container engine")
    return engine_turn


def containers(engine):
    """The containers of modules, by ID."""
    return docker(
        engine, "ps", "-aq", "--filter",
        "label=net.azure-devices.edge.owner=Microsoft.Azure.Devices.Edge.Agent").split()


def docker(engine, *words):
    """What the engine's own command says."""
    done = subprocess.run(
        ["docker", "--host", f"unix://{engine}", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def registry(hub):
    """The stock service client's registry manager."""
    return stock_registry(hub)


def stock_registry(hub, policy="iothubowner"):
    """A stock registry manager for any hub. Its AMQP half stays unconnected until it is used."""
    from azure.iot.hub import IoTHubRegistryManager

    return IoTHubRegistryManager.from_connection_string(hub.connection_string(policy))


@pytest.fixture
def events(hub):
    """The events from now on."""
    return EventStream(hub.rest("service"))


# Identities


class Identities:
    """Creates identities with speaking, unique names and deletes them again."""

    _numbers = itertools.count(1)

    def __init__(self, hub, label):
        self.hub, self.rest = hub, hub.rest()
        # With its number behind it, still no longer than a certificate's common name may be.
        self._label = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:56]
        self._made = []

    def name(self):
        return f"{self._label}-{next(self._numbers)}"

    def device(self, device_id=None, **fields):
        record = self.rest.create_device(device_id or self.name(), **fields)
        self._made.append(record["deviceId"])
        return self._identity(record)

    def module(self, device, module_id="m1", **fields):
        record = self.rest.create_module(device.device_id, module_id, **fields)
        return self._identity(record, module_id)

    def forget(self, identity):
        """For tests that delete the device themselves."""
        self._made.remove(identity.device_id)

    def _identity(self, record, module_id=None):
        key = ((record.get("authentication") or {}).get("symmetricKey") or {}).get("primaryKey")
        return Identity(self.hub, record["deviceId"], key, module_id, record)

    def clean_up(self):
        if not self.hub.is_alive():
            return
        for device_id in self._made:
            self.rest.call(
                "DELETE", f"/devices/{segment(device_id)}", headers={"If-Match": "*"},
                expect={204, 404},
            )


def make_identities(request, hub):
    identities = Identities(hub, request.node.name.removeprefix("test_"))
    request.addfinalizer(identities.clean_up)
    return identities


@pytest.fixture
def identities(request, hub):
    return make_identities(request, hub)


@pytest.fixture
def strict_identities(request, strict_hub):
    return make_identities(request, strict_hub)


@pytest.fixture
def device(identities):
    """A fresh device with symmetric keys."""
    return identities.device()


# Stock device clients


class StockClients:
    """Makes stock device and module clients and shuts them down."""

    def __init__(self):
        self._clients, self._ended = [], []

    def make(self, identity, token=None, certificate=None, aio=False, **options):
        """A client by connection string, by SAS token, or by X.509 certificate files."""
        if aio:
            from azure.iot.device import aio as clients
        else:
            from azure.iot import device as clients
        kind = clients.IoTHubModuleClient if identity.module_id else clients.IoTHubDeviceClient
        options.setdefault("server_verification_cert", identity.hub.ca_pem)
        if certificate is not None:
            from azure.iot.device import X509

            if identity.module_id:
                options["module_id"] = identity.module_id
            client = kind.create_from_x509_certificate(
                X509(*certificate), identity.hub.host, device_id=identity.device_id, **options
            )
        elif token is not None:
            client = kind.create_from_sastoken(token, **options)
        else:
            options.setdefault("connection_retry_interval", 1)
            client = kind.create_from_connection_string(identity.connection_string, **options)
        return client if aio else self.watch(client)

    def connect(self, identity, **options):
        client = self.make(identity, **options)
        client.connect()
        return client

    def watch(self, client):
        """Ends the client with the test, unless the test does; returns the client."""
        end = client.shutdown

        def shutdown():
            self._ended.append(client)
            end()

        client.shutdown = shutdown
        self._clients.append(client)
        return client

    def shut_down(self):
        """Ends what still runs; a client whose pipeline has ended by itself is a failure."""
        from azure.iot.device.common.pipeline.pipeline_exceptions import PipelineNotRunning

        died = []
        for client in self._clients:
            if any(client is ended for ended in self._ended):
                continue
            try:
                client.shutdown()
            except PipelineNotRunning:
                died.append(client)
        assert not died, f"{len(died)} client pipelines ended by themselves: {died}"


@pytest.fixture
def stock(request):
    # Whichever fixture made the identities is set up first, so that it is torn down last.
    for name in ("identities", "strict_identities"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    clients = StockClients()
    yield clients
    clients.shut_down()


# Bystanders


@pytest.fixture(scope="session")
def control(request, hub):
    """A device that works all through the hostile tests."""
    identity = Identities(hub, "control").device()
    device = ControlDevice(identity)
    yield device
    device.stop()


@pytest.fixture
def unharmed(control, hub):
    """After the test the control device's connection and the hub's health are as before."""
    yield
    control.expect_echo()
    assert health(hub).status_code == 200


def health(hub, path="/healthz"):
    """The admin listener's health answer."""
    return requests.get(hub.ready["admin"] + path, timeout=5)
