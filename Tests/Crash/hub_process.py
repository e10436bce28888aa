"""A hub that is killed and started again on the same data and the same ports."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass

import requests

import hub as interop_hub
import loopback
import sas
from hub import Hub
from mqtt_wire import MQTTConnection, username
from rest import Rest

READY_SECONDS = 30
# Segments this small begin anew several times a second under load, so that kills hit that too.
SEGMENT_BYTES = 1 << 20


def free_port(host, first=20000):
    """A port below those that the system gives to clients, so that it stays free over restarts."""
    for port in range(first + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port on {host}")


@dataclass(frozen=True)
class Target:
    """What a client needs to know; the same in every life of the hub."""

    host: str
    mqtt: int
    plain: int
    https: int
    ca_path: str
    owner_key: str

    def rest(self):
        """The service interface with all rights, on a connection of its own."""
        base = f"https://{self.host}:{self.https}"
        return Rest(base, self.host, self.ca_path, "iothubowner", self.owner_key, lambda _: None)

    def open(self, tls, context=None, timeout=10):
        """A link to the MQTT listener, nothing said yet."""
        address = (self.host, self.mqtt) if tls else ("127.0.0.1", self.plain)
        stream = socket.create_connection(address, timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = context or ssl.create_default_context(cafile=self.ca_path)
            try:
                stream = context.wrap_socket(stream, server_hostname=self.host)
            except BaseException:
                stream.close()
                raise
        return MQTTConnection(stream, timeout)

    def connect(self, device_id, key, tls=False, context=None, timeout=10):
        """Connects with a lasting session; returns the connection and the CONNACK code."""
        connection = self.open(tls, context, timeout)
        try:
            token = sas.token(f"{self.host}/devices/{device_id}", key)
            code = connection.connect(device_id, username(self.host, device_id), token)
        except BaseException:
            connection.abort()
            raise
        return connection, code


class CrashHub(Hub):
    """`orrery hub` with ports that stay the same, which may be killed while it starts."""

    def __init__(self, directory, data, settings=None):
        address = f"127.0.78.{1 + os.getpid() % 250}"
        ports = {}
        for name, host in (
            ("mqtt", address), ("amqp", address), ("https", address), ("admin", address),
            ("plain_mqtt", "127.0.0.1"),
        ):
            ports[name] = free_port(host, 20000 + 100 * len(ports))
        super().__init__(address, directory, data, {
            "logging.format": "json",
            "log.segment_bytes": SEGMENT_BYTES,
            "listen.admin_host": address,
            **{f"listen.{name}_port": port for name, port in ports.items()},
            **(settings or {}),
        })
        self.ports = ports
        self.lives, self.slowest_start = 0, 0.0

    def command(self):
        words = [str(interop_hub.binary()), "hub", "--quiet", "--host", self.address]
        words += ["--names", f"{self.address},localhost", "--ready-file", str(self.ready_path)]
        words += ["--data", str(self.data)]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        return words

    def spawn(self):
        """Starts the process and does not wait for anything."""
        self.ready_path.unlink(missing_ok=True)
        with open(self.output_path, "ab") as output, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=log,
                preexec_fn=loopback.die_with_parent,
            )
        self.lives += 1

    def start(self):
        begun = time.monotonic()
        self.spawn()
        while not (self.ready_path.exists() and self.ready_path.stat().st_size):
            self.expect_alive("while starting")
            if time.monotonic() - begun > READY_SECONDS:
                self.kill()
                raise AssertionError(f"not ready in {READY_SECONDS} s:\n{self.log_tail(20)}")
            time.sleep(0.005)
        self.ready = interop_hub.json.loads(self.ready_path.read_text())
        self.seconds_to_ready = time.monotonic() - begun
        self.slowest_start = max(self.slowest_start, self.seconds_to_ready)
        return self

    def expect_alive(self, when):
        """A hub ends when it is told to, never by itself."""
        code = self.process.poll()
        if code is not None:
            name = signal.Signals(-code).name if code < 0 else f"status {code}"
            raise AssertionError(f"the hub ended by itself {when} ({name}):\n{self.log_tail(8)}")

    def kill(self):
        """kill -9 of the one process that was started here."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def target(self):
        return Target(
            self.host, self.mqtt_port, self.ready["plainMqtt"], self.https_port, self.ca_path,
            self.policy_key(),
        )

    def admin(self, path):
        """Status and text of a page for operators."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                f"http://{self.address}:{self.ports['admin']}{path}", timeout=10
            )
        return answer.status_code, answer.text

    def metric(self, name):
        """The value of a metric without labels."""
        for line in self.admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def findings(self):
        """What recovery of the message log reported, in all lives."""
        return [
            record for record in self.log_records()
            if record.get("message") == "recovery of the message log"
        ]

    def copy_data(self, to):
        """The data as it lies on the disk; the hub must not run."""
        assert self.process is None or self.process.poll() is not None
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.data, to)
