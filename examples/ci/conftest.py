"""A hub and a device as pytest fixtures: copy this file next to your tests.

The stock SDKs dial 8883 and 443, so the account needs the right to bind 443: run as root, set
`net.ipv4.ip_unprivileged_port_start=443`, or run pytest through `with-hub`, whose hub is then used.
"""

import json
import os
import subprocess
import time
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """A hub for this run: `host`, `connection_string` of the owner, and `ca`, a PEM file."""
    if "HUB_CONNECTION_STRING" in os.environ:
        yield SimpleNamespace(
            host=os.environ["HUB_HOST"],
            connection_string=os.environ["HUB_CONNECTION_STRING"],
            ca=os.environ["SSL_CERT_FILE"],
        )
        return
    folder = tmp_path_factory.mktemp("hub")
    ready, address = folder / "ready.json", os.environ.get("HUB_ADDRESS", "127.0.0.3")
    command = [program(), "hub", "--ephemeral", "--quiet", "--host", address]
    command += ["--names", f"{address},localhost", "--ready-file", str(ready)]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stderr=log)
    deadline = time.monotonic() + 10
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("the hub did not start:\n" + (folder / "log").read_text(), pytrace=False)
        time.sleep(0.02)
    told = json.loads(ready.read_text())
    # The stock service client takes what to trust from here alone.
    os.environ["REQUESTS_CA_BUNDLE"] = told["ca"]
    yield SimpleNamespace(
        host=told["host"],
        connection_string=told["policies"]["iothubowner"]["connectionString"],
        ca=told["ca"],
    )
    process.terminate()
    process.wait(15)


@pytest.fixture
def registry(hub):
    """The stock service client."""
    from azure.iot.hub import IoTHubRegistryManager

    return IoTHubRegistryManager.from_connection_string(hub.connection_string)


@pytest.fixture
def device(hub, registry, request):
    """A fresh device: `id` and `connection_string`."""
    name = request.node.name.replace("[", "-").replace("]", "")
    made = registry.create_device_with_sas(name, "", "", "enabled")
    key = made.authentication.symmetric_key.primary_key
    yield SimpleNamespace(
        id=name, connection_string=f"HostName={hub.host};DeviceId={name};SharedAccessKey={key}"
    )
    registry.delete_device(name)


@pytest.fixture
def events(hub):
    """Reads what a device has sent: `events("thermostat-1", 3)` waits for three events."""

    def read(device_id, count, seconds=10):
        command = [program(), "monitor", "events", "--from", "earliest", "--device", device_id]
        command += ["--count", str(count), "--timeout", f"{seconds}s", "--output", "json"]
        environment = os.environ | {
            "ORRERY_CONNECTION_STRING": hub.connection_string, "ORRERY_CA": hub.ca,
        }
        told = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr
        return [json.loads(line) for line in told.stdout.splitlines()]

    return read


def program():
    """The hub's program: `ORRERY_BIN`, or `orrery` on the path."""
    return os.environ.get("ORRERY_BIN", "orrery")
