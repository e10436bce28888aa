"""An edge's local hub under test, run as developer tools run one: keys by the environment."""

import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import loopback
from hub import binary
from identities import Identity
from mqtt_wire import MQTTConnection

READY_SECONDS = 5
STOP_SECONDS = 10


def edge_binary():
    """The edge's executable, beside the hub's."""
    return binary().with_name("orrery-edge")


class LocalHub:
    """`orrery-edge hub` on the standard ports of one loopback address."""

    def __init__(self, above, edge_hub, address, directory):
        self.above, self.edge_hub, self.address = above, edge_hub, address
        self.variables = {}
        # Words before the command: where it is run.
        self.wrapper = []
        self.data = Path(directory)
        self.log_path = self.data.with_suffix(".jsonl")
        self.process = None

    def start(self):
        environment = {
            **os.environ, "IotHubConnectionString": self.edge_hub.connection_string,
            "EdgeDeviceHostName": self.address, "RuntimeLogLevel": "debug",
            "EdgeHubUpstreamCACertificateFile": str(self.above.ca_path), **self.variables}
        seen = len(self.log())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(edge_binary()), "hub", "--data", str(self.data),
                 "--host", self.address],
                stdin=subprocess.DEVNULL, stderr=log, env=environment,
                preexec_fn=loopback.die_with_parent)
        self.wait_for_log("local hub ready", seen, READY_SECONDS)
        return self

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        assert code == 0, f"exit status {code} after SIGTERM:\n{self.log()[-3000:]}"

    def kill(self):
        """kill -9: nothing is flushed, nothing is said."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, text, seen=0, seconds=20):
        """Returns once the log has `text` behind its first `seen` characters."""
        end = time.monotonic() + seconds
        while text not in self.log()[seen:]:
            assert self.process.poll() is None, f"the local hub ended:\n{self.log()[-3000:]}"
            assert time.monotonic() < end, f"no '{text}':\n{self.log()[-3000:]}"
            time.sleep(0.02)

    # What an `Identity` asks of its hub

    @property
    def host(self):
        return self.above.host

    @property
    def ca_path(self):
        return self.data / "certificates" / "ca.pem"

    @property
    def ca_pem(self):
        return self.ca_path.read_text()

    def note_secret(self, text):
        self.above.note_secret(text)

    def tls_context(self):
        """Trusts it alone."""
        return ssl.create_default_context(cafile=self.ca_path)

    def open(self, context=None):
        """A raw MQTT connection to it, nothing said yet."""
        context = context or self.tls_context()
        plain = socket.create_connection((self.address, 8883), 5)
        return MQTTConnection(context.wrap_socket(plain, server_hostname=self.address))


class Below(Identity):
    """An identity that connects through the local hub, with a connection string of its own."""

    @classmethod
    def of(cls, identity, local_hub):
        return cls(local_hub, identity.device_id, identity.key, identity.module_id, identity.record)

    @property
    def connection_string(self):
        return f"{super().connection_string};GatewayHostName={self.hub.address}"

    def open(self, context=None):
        return self.hub.open(context)
