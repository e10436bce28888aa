"""An edge device of a hub, with modules and leaf devices below it, and its processes."""

import base64
import json
import os
import re
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from products import (
    API_VERSION, HERE, free_port, prepare_child, register, sas_token, write_secret)

TICKS = os.sysconf("SC_CLK_TCK")
NAME = "gateway"


def identity_line(host, client, key):
    """What the generator needs of a client: identifier, user name, token."""
    resource = "/".join([host, "devices", *client.split("/modules/")[0].split("/")[:1],
                         *(["modules", client.split("/")[1]] if "/" in client else [])])
    return (f"{client}\t{host}/{client}/?api-version={API_VERSION}\t"
            f"{sas_token(resource, key)}\n")


class Below:
    """What is registered at the hub for one edge: itself, leaf devices and modules."""

    def __init__(self, hub, leaves=0, modules=(), routes=None):
        self.host = hub.host_name
        service = hub.service()
        edge = service.call("PUT", f"/devices/{NAME}", {
            "deviceId": NAME, "capabilities": {"iotEdge": True}, "authentication": {"type": "sas"}})
        self.edge_key = edge["authentication"]["symmetricKey"]["primaryKey"]
        module = service.call(
            "PUT", f"/devices/{NAME}/modules/$edgeHub", {
                "deviceId": NAME, "moduleId": "$edgeHub", "authentication": {"type": "sas"}},
            {"If-Match": "*"})
        self.hub_key = module["authentication"]["symmetricKey"]["primaryKey"]
        self.keys = {}
        for name in modules:
            made = service.call("PUT", f"/devices/{NAME}/modules/{name}", {
                "deviceId": NAME, "moduleId": name, "authentication": {"type": "sas"}})
            key = made["authentication"]["symmetricKey"]["primaryKey"]
            self.keys[f"{NAME}/{name}"] = base64.b64decode(key)
        if routes is not None:
            service.call("PATCH", f"/twins/{NAME}/modules/$edgeHub", {"properties": {"desired": {
                "schemaVersion": "1.0", "routes": routes,
                "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}})
        made = {f"leaf-{i:04}": secrets.token_bytes(32) for i in range(leaves)}
        self.keys.update(made)
        register(service, [
            {"id": name, "importMode": "create", "status": "enabled",
             "deviceScope": edge["deviceScope"],
             "authentication": {"type": "sas", "symmetricKey": {
                 "primaryKey": base64.b64encode(secret).decode(),
                 "secondaryKey": base64.b64encode(secret[::-1]).decode()}}}
            for name, secret in made.items()])

    def write_identities(self, path):
        write_secret(path, "".join(
            identity_line(self.host, client, key) for client, key in self.keys.items()))
        return path


class Processes:
    """Processes of an edge that are started together, and what they take."""

    def __init__(self, folder, command, environment=None):
        self.folder, self.command, self.environment = folder, list(map(str, command)), environment
        self.log_path = folder / "edge.log"
        self.process = None

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=prepare_child, env={**os.environ, **(self.environment or {})})

    def said(self):
        return self.log_path.read_text(errors="replace")

    def wait(self, is_done, what, seconds=20, pause=0.02):
        until = time.monotonic() + seconds
        while not is_done():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the edge: no {what}:\n{self.said()[-2000:]}")
            time.sleep(pause)

    def identifiers(self):
        """The process that was started and its children, by role."""
        found = [self.process.pid]
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
        return {self.role(pid): pid for pid in found}

    @staticmethod
    def role(pid):
        """The subcommand, which follows the program; `taskset` and the like have become it."""
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1].decode()

    def memory(self):
        """Resident set, proportional set and what no file holds, in kB: of each role, and of all.

        The resident set counts a page of a shared file in every process that maps it; the
        proportional set counts it once.
        """
        figures = {}
        for role, pid in self.identifiers().items():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            figures[role] = {
                name: int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1])
                for name, field in (("rss", "Rss"), ("pss", "Pss"), ("anonymous", "Anonymous"))}
        figures["all"] = {name: sum(each[name] for each in figures.values())
                          for name in ("rss", "pss", "anonymous")}
        return figures

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


class Gateway(Processes):
    """The local hub alone, as a process that is pinned where `words` say."""

    def __init__(self, options, hub, folder, words, below):
        self.below = below
        self.port, self.metrics_port = free_port(), free_port()
        super().__init__(
            folder,
            [*words, options.orrery_edge, "hub", "--data", folder / "edge", "--host", "127.0.0.1",
             "--mqtt-port", self.port, "--amqp-port", 0, "--https-port", 0,
             "--metrics-port", self.metrics_port,
             "--upstream-mqtt-port", hub.tls_port, "--upstream-https-port", hub.https_port],
            {"EdgeDeviceHostName": "127.0.0.1,localhost",
             "EdgeHubUpstreamCACertificateFile": str(hub.authority),
             "IotHubConnectionString": (
                 f"HostName={hub.host_name};DeviceId={NAME};ModuleId=$edgeHub;"
                 f"SharedAccessKey={below.hub_key}")})
        self.id_file = below.write_identities(folder / "identities")
        self.authority = folder / "edge" / "certificates" / "ca.pem"

    def start(self, settle=12):
        self.spawn()
        for text in ("local hub ready", "connected upstream"):
            self.wait(lambda: text in self.said(), text)
        # Who is below and the routes are asked for beside; and threads that only the start needed
        # end by then, which the generator could not count.
        time.sleep(settle)

    def processor_seconds(self):
        """User and system time of all threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def resident_kb(self):
        return self.memory()["all"]["rss"]

    def queue_length(self, endpoint="iothub"):
        """Messages that wait for the hub above, or for a module's input."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as page:
            lines = page.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines
                   if line.startswith("edgehub_queue_length{") and f'endpoint="{endpoint}"' in line)

    def client(self, name, **more):
        return Client(self.port, self.authority, self.below.host, name, self.below.keys[name],
                      **more)


class Runtime(Processes):
    """The whole runtime: supervisor, keys, agent and local hub, without modules."""

    def __init__(self, options, hub, folder, below):
        # A socket's path has 107 bytes at most.
        self.sockets = Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
        self.port = free_port()
        settings = folder / "edge.toml"
        write_secret(settings, f"""hostname = "127.0.0.1"
[provisioning]
source = "manual"
connection_string = "HostName={hub.host_name};DeviceId={NAME};SharedAccessKey={below.edge_key}"
[upstream]
ca_cert = "{hub.authority}"
mqtt_port = {hub.tls_port}
https_port = {hub.https_port}
[hub]
host = "127.0.0.1"
mqtt_port = {self.port}
amqp_port = {free_port()}
https_port = {free_port()}
[metrics]
hub_port = {free_port()}
agent_port = {free_port()}
keys_port = {free_port()}
""")
        super().__init__(folder, [
            options.orrery_edge, "run", "--config", settings, "--data", folder / "runtime",
            "--run-dir", self.sockets])
        self.id_file = below.write_identities(folder / "identities")
        self.authority = folder / "root.pem"

    def start(self):
        self.spawn()
        self.wait(lambda: "local hub ready" in self.said(), "local hub", 60)
        kept = json.loads((self.folder / "runtime" / "keys" / "root.json").read_text())
        self.authority.write_text(kept["certificate"])


class Client:
    """The least MQTT client: QoS 1, TLS, blocking; what was acknowledged is its business."""

    def __init__(self, port, authority, host, name, key, timeout=10):
        self.name, self.identifier = name, 0
        context = ssl.create_default_context(cafile=authority)
        self.socket = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout), server_hostname="127.0.0.1")
        _, user, password = identity_line(host, name, key).rstrip("\n").split("\t")
        body = self.text("MQTT") + b"\x04\xc2" + struct.pack(">H", 60)
        self.send(0x10, body + self.text(name) + self.text(user) + self.text(password))
        kind, answer = self.receive()
        if kind != 0x20 or answer[1] != 0:
            raise OSError(f"CONNACK {kind:#x} {answer!r}")

    @staticmethod
    def text(value):
        return struct.pack(">H", len(value.encode())) + value.encode()

    def send(self, kind, body):
        length, count = b"", len(body)
        while True:
            count, digit = divmod(count, 128)
            length += bytes([digit | (128 if count else 0)])
            if not count:
                break
        self.socket.sendall(bytes([kind]) + length + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def receive(self):
        kind, length, shift = self.exactly(1)[0], 0, 0
        while True:
            digit = self.exactly(1)[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                return kind, self.exactly(length)

    def publish(self, payload):
        """Publishes telemetry, and returns when it is acknowledged."""
        self.identifier = self.identifier % 65535 + 1
        number = struct.pack(">H", self.identifier)
        self.send(0x32, self.text(f"devices/{self.name}/messages/events/") + number + payload)
        kind, answer = self.receive()
        if kind != 0x40 or answer != number:
            raise OSError(f"no PUBACK: {kind:#x}")

    def close(self):
        self.socket.close()
