"""The brokers that a session compares: how each is started, made ready and stopped.

Every product is started afresh for every run. Only processes started here are ever ended.
"""

import base64
import ctypes
import hashlib
import hmac
import http.client
import json
import os
import resource
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
API_VERSION = "2021-04-12"
PARTITIONS = 4  # of the hub's event stream


def pinning(core, is_realtime):
    return [*(["chrt", "-r", "1"] if is_realtime else []), "taskset", "-c", core]


def may_be_realtime():
    try:
        return subprocess.run(["chrt", "-r", "1", "true"], capture_output=True,
                              timeout=5).returncode == 0
    except OSError:
        return False


class Unavailable(Exception):
    """The product can't take part in this scenario; the words say why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def prepare_child():
    """In the child: dies with the harness, and may open as many files as allowed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_certificate(folder):
    """An EC P-256 certificate for 127.0.0.1 that is its own trust anchor; returns its paths."""
    certificate, key = folder / "server.pem", folder / "server.key"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=30)
        key.chmod(0o600)
    return certificate, key


class Product:
    """One broker. A subclass says how to start it and what it can't do."""

    name = ""
    host = "127.0.0.1"
    ready_within = 20   # seconds
    server_name = None  # what the certificate must name, where that is not `host`

    def __init__(self, options, folder, pinning):
        self.options = options
        self.folder = folder
        self.pinning = pinning  # the words that put a command on the broker's core
        self.process = None
        self.port = self.tls_port = 0
        self.authority = None   # PEM file for TLS clients
        self.id_file = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, scenario):
        """Starts the broker for one run and returns when it accepts connections."""
        raise NotImplementedError

    def reader_command(self):
        """The command of an outside live reader, or None where readers subscribe over MQTT.

        It writes every message's payload to its standard output, behind its length as a
        big-endian 32-bit number.
        """
        return None

    def spawn(self, command, environment=None):
        self.output = open(self.folder / "output", "w+b")
        self.process = subprocess.Popen(
            [*self.pinning, *map(str, command)], stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=subprocess.STDOUT, cwd=self.folder, preexec_fn=prepare_child,
            env={**os.environ, **(environment or {})})

    def said(self):
        """What the broker has written so far."""
        return (self.folder / "output").read_text(errors="replace")

    def wait_for(self, is_ready, what, pause=0.02):
        until = time.monotonic() + self.ready_within
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at its start:\n{self.said()[-2000:]}")
            found = is_ready()
            if found:
                return found
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name}: no {what} in {self.ready_within} s:\n"
                                   f"{self.said()[-2000:]}")
            time.sleep(pause)

    def wait_for_port(self, port):
        def accepts():
            try:
                with socket.create_connection((self.host, port), timeout=1):
                    return True
            except OSError:
                return False
        self.wait_for(accepts, f"listener on port {port}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.output.close()


class Floor(Product):
    name = "floor"

    def start(self, scenario):
        if scenario.tls:
            raise Unavailable("the floor is plain TCP")
        if scenario.needs_sessions:
            raise Unavailable("the floor keeps no sessions")
        self.port = free_port()
        self.spawn([HERE / "bin" / "floor", self.port])
        self.wait_for_port(self.port)


class Mosquitto(Product):
    name = "mosquitto"

    def start(self, scenario):
        self.port, self.tls_port = free_port(), free_port()
        self.authority, key = make_certificate(self.folder)
        # All limits above what any scenario needs, so that limits are not what is compared.
        configuration = f"""
            {"user root" if os.geteuid() == 0 else ""}
            allow_anonymous true
            persistence false
            set_tcp_nodelay true
            max_inflight_messages 65535
            max_queued_messages 0
            max_queued_bytes 0
            max_connections -1
            log_dest none
            listener {self.port} 127.0.0.1
            listener {self.tls_port} 127.0.0.1
            certfile {self.authority}
            keyfile {key}
            """
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(line.strip() for line in configuration.splitlines()) + "\n")
        self.spawn([self.options.mosquitto, "-c", path])
        self.wait_for_port(self.tls_port)
        self.wait_for_port(self.port)


class Orrery(Product):
    """The hub with its log on: a PUBACK stands for a message on stable storage."""

    name = "orrery"
    has_log = True
    https_port = amqp_port = 0

    def command(self):
        """How the hub is started: its data on a real disk, listeners on loopback, one loop."""
        return [
            self.options.orrery, "hub", "--data", self.folder / "data", "--quiet",
            "--host", self.host, "--names", f"{self.host},localhost",
            "--ready-file", self.ready_file,
            # Any at first, and those ports again when it is started again.
            "--set", f"listen.mqtt_port={self.tls_port}",
            "--set", f"listen.https_port={self.https_port}",
            "--set", f"listen.amqp_port={self.amqp_port}",
            "--set", "listen.admin_port=0", "--set", f"listen.plain_mqtt_port={self.port}",
            "--set", f"log.partitions={PARTITIONS}",
            "--set", "listen.loops=1",
            "--set", f"log.enabled={'true' if self.has_log else 'false'}",
            *self.options.orrery_argument]

    @property
    def ready_file(self):
        return self.folder / "ready.json"

    def read_ready_file(self):
        """What the hub wrote for those who wait for it, or None until it has."""
        try:
            return json.loads(self.ready_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def start(self, scenario):
        if not scenario.for_hub:
            raise Unavailable("the hub has no topics from device to device")
        if scenario.live and not self.has_log:
            raise Unavailable("without its log the hub has nothing to read")
        self.start_hub()
        self.make_devices(scenario.devices)

    def start_hub(self, pause=0.02):
        """Starts the hub and takes over what its ready file says."""
        if not self.options.orrery:
            raise Unavailable("no --orrery PATH was given")
        self.port = free_port()
        self.ready_file.unlink(missing_ok=True)
        self.spawn(self.command())
        ready = self.wait_for(self.read_ready_file, "ready file", pause)
        self.tls_port, self.https_port = ready["mqtt"], ready["https"]
        self.amqp_port = ready["amqp"]
        self.authority = Path(ready["ca"])
        owner = ready["policies"]["iothubowner"]["connectionString"]
        self.owner = dict(part.split("=", 1) for part in owner.split(";"))
        self.host_name = self.server_name = self.owner["HostName"].split(":")[0]

    def service(self):
        """A client of the service REST API with the owner's rights."""
        return ServiceClient(self.host, self.https_port, self.authority, self.host_name,
                             self.owner)

    def reader_command(self):
        """Follows the events over AMQP and TLS; what that costs the hub is in its figures."""
        token = sas_token(self.host_name, base64.b64decode(self.owner["SharedAccessKey"]),
                          self.owner["SharedAccessKeyName"])
        path = self.folder / "reader-token"
        write_secret(path, token + "\n")
        return [HERE / "bin" / "eventreader", self.host, self.amqp_port, self.host_name,
                self.authority, path, PARTITIONS]

    def make_devices(self, count):
        """Registers devices with keys of ours and writes their credentials for the generator."""
        keys = {f"bench-{i:05}": secrets.token_bytes(32) for i in range(count)}
        register(self.service(), [
            {"id": device, "importMode": "create", "status": "enabled",
             "authentication": {"type": "sas", "symmetricKey": {
                 "primaryKey": base64.b64encode(key).decode(),
                 "secondaryKey": base64.b64encode(key[::-1]).decode()}}}
            for device, key in keys.items()])
        self.id_file = self.folder / "identities"
        write_secret(self.id_file, "".join(
            f"{device}\t{self.host_name}/{device}/?api-version={API_VERSION}\t"
            f"{sas_token(f'{self.host_name}/devices/{device}', key)}\n"
            for device, key in keys.items()))


class OrreryWithoutLog(Orrery):
    """The same hub with the log switched off: what durability costs is the difference."""

    name = "orrery-nolog"
    has_log = False


def write_secret(path, text):
    """Writes a file that only its owner may read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def register(service, records):
    """Creates identities in bulk, a hundred a call."""
    for at in range(0, len(records), 100):
        service.call("POST", "/devices", records[at:at + 100])
    service.close()


def sas_token(resource_name, key, policy=None, lifetime=24 * 3600):
    """A shared access signature: HMAC-SHA256 over the encoded resource and the expiry."""
    encoded = urllib.parse.quote(resource_name, safe="")
    expiry = int(time.time()) + lifetime
    signature = hmac.new(key, f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    quoted = urllib.parse.quote(base64.b64encode(signature).decode(), safe="")
    suffix = f"&skn={policy}" if policy else ""
    return f"SharedAccessSignature sr={encoded}&sig={quoted}&se={expiry}{suffix}"


class ServiceClient:
    """The service REST API over one kept connection."""

    def __init__(self, address, port, authority, host_name, owner):
        self.address = address
        self.host_name = host_name
        self.token = sas_token(host_name, base64.b64decode(owner["SharedAccessKey"]),
                               owner["SharedAccessKeyName"])
        self.context = ssl.create_default_context(cafile=authority)
        self.connection = http.client.HTTPSConnection(host_name, port, context=self.context,
                                                      timeout=30)
        self.connection._create_connection = self.connect  # the name may not resolve

    def connect(self, address, *rest):
        return socket.create_connection((self.address, address[1]), *rest)

    def call(self, method, path, body=None, headers=None):
        return json.loads(self.answer(method, path, body, headers)[0])

    def answer(self, method, path, body=None, headers=None):
        """The body and the headers of the answer, which has to be good."""
        separator = "&" if "?" in path else "?"
        self.connection.request(
            method, f"{path}{separator}api-version={API_VERSION}",
            None if body is None else json.dumps(body),
            {"Authorization": self.token, "Content-Type": "application/json; charset=utf-8",
             **(headers or {})})
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:500]!r}")
        return content, response.headers

    def close(self):
        self.connection.close()


PRODUCTS = {product.name: product for product in (Floor, Mosquitto, Orrery, OrreryWithoutLog)}
