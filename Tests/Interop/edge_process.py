"""The edge's processes under test: settings, start, stop, and the sockets that they serve."""

import http.client
import json
import os
import signal
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import loopback

VERSION = "2022-08-03"
READY_SECONDS = 10


def binary():
    """The edge's executable: `ORRERY_EDGE_BIN`, or the release or debug build of this checkout."""
    if chosen := os.environ.get("ORRERY_EDGE_BIN"):
        return Path(chosen)
    root = Path(__file__).resolve().parents[2]
    builds = [root / ".build" / kind / "orrery-edge" for kind in ("release", "debug")]
    return next((path for path in builds if path.exists()), builds[0])


def manual(hub, device):
    """Settings of an edge device with a connection string."""
    return (
        '[provisioning]\nsource = "manual"\n'
        f'connection_string = "{device.connection_string}"\n'
    )


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Edge:
    """`orrery-edge` with data and sockets in directories of its own."""

    def __init__(self, directory, hub, settings, role="keys", environment=None):
        self.directory, self.role = Path(directory), role
        self.directory.mkdir(parents=True, exist_ok=True)
        # A socket's path has 107 bytes at most.
        self.data, self.run = self.directory / "data", Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
        self.settings_path = self.directory / "edge.toml"
        self.log_path = self.directory / "edge.jsonl"
        self.environment, self.process = environment or {}, None
        self.configure(hub, settings)

    def configure(self, hub, settings, top='hostname = "gate.example"\n'):
        # A hub that keeps nothing takes its authority along.
        authority = self.directory / "hub.pem"
        authority.write_text(hub.ca_pem)
        self.settings_path.write_text(
            f'{top}{settings}\n[upstream]\nca_cert = "{authority}"\n'
            "[metrics]\nkeys_port = 0\n"
            '[logging]\nformat = "json"\n'
        )
        self.settings_path.chmod(0o600)

    def command(self, role=None):
        return [
            str(binary()), role or self.role, "--config", str(self.settings_path),
            "--data", str(self.data), "--run-dir", str(self.run),
        ]

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=loopback.die_with_parent, env={**os.environ, **self.environment},
            )
        if wait:
            self.wait_for(lambda: self.ask(self.identity_socket, "GET", "/identities")[0] != 0)
            self.wait_for(lambda: self.ask(self.socket("$edgeHub"), "GET", "/identity")[0] != 0)
        return self

    def wait_for(self, condition, seconds=READY_SECONDS):
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended: {self.process.returncode}\n{self.log}"
            assert time.monotonic() < end, f"not within {seconds} s:\n{self.log}"
            time.sleep(0.02)

    def stop(self):
        """Stops by SIGTERM; a clean stop ends with 0."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(15)
        assert code == 0, f"exit status {code} after SIGTERM:\n{self.log}"

    def clean_up(self):
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # Sockets

    @property
    def identity_socket(self):
        return str(self.run / "keys" / "identity.sock")

    def socket(self, module_id):
        return str(self.run / "workload" / module_id / "s" / "workload.sock")

    def ask(self, path, method, target, body=None, version=VERSION):
        """Status and JSON of an answer; 0 where nobody listens."""
        connection = UnixConnection(path)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"{target}?api-version={version}", body=text)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None
        except (FileNotFoundError, ConnectionError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def identities(self, method="GET", module_id=None, **body):
        target = "/identities" + (f"/{quote(module_id, safe='')}" if module_id else "")
        return self.ask(self.identity_socket, method, target, body or None)

    def module(self, module_id, managed_by="IotEdge"):
        """A module with its socket; what the agent does before it starts one."""
        status, record = self.identities("PUT", module_id, managedBy=managed_by)
        assert status == 200, record
        self.wait_for(lambda: self.ask(self.socket(module_id), "GET", "/identity")[0] != 0)
        return record

    def sign(self, module_id, generation, data="ZGF0YQ=="):
        target = f"/modules/{quote(module_id, safe='')}/genid/{generation}/sign"
        body = {"keyId": "primary", "algo": "HMACSHA256", "data": data}
        return self.ask(self.socket(module_id), "POST", target, body)
