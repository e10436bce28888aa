"""The side of the hub: what a module of the stock client needs besides it."""

import http.client
import json
import logging
import os
import queue
import socket
import threading
from concurrent.futures import Future
from urllib.parse import quote, urlsplit

from azure.iot.device import Message
from azure.iot.device.exceptions import ClientError

from .server import Refused

log = logging.getLogger("translation")

SEND_SECONDS = 20
QUEUE = 512


def message(machine, reading):
    """A reading as the hub gets it; a repetition has the same ID."""
    out = Message(
        json.dumps(reading.values), message_id=f"{machine}-{reading.number}",
        content_encoding="utf-8", content_type="application/json")
    out.custom_properties["machine"] = machine
    return out


class Delivery:
    """Sends by a client of the stock library, whose calls wait for as long as the hub is away."""

    def __init__(self, client, send, workers=1):
        self._client, self._send = client, send
        self._waiting = queue.Queue(QUEUE)
        self._pending, self._lock = {}, threading.Lock()
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()

    def send(self, out):
        """Returns once the hub has acknowledged; raises `Refused` if it does not in time.

        Delivery goes on all the same. A machine that repeats its reading meanwhile waits for the same
        delivery, so that no machine has more than one under way.
        """
        with self._lock:
            future = self._pending.get(out.message_id)
            if future is None:
                future = Future()
                try:
                    self._waiting.put_nowait((out, future))
                except queue.Full:
                    raise Refused("too many readings wait for the hub; send it again") from None
                self._pending[out.message_id] = future
        try:
            future.result(SEND_SECONDS)
        except TimeoutError:
            raise Refused("the hub does not answer; send it again") from None
        except ClientError as problem:
            log.debug("not delivered: %s", problem)
            raise Refused("the hub did not take it; send it again") from None

    def _work(self):
        while True:
            out, future = self._waiting.get()
            try:
                self._send(out)
                outcome = None
            except Exception as problem:  # Whatever the library throws: the machine has to be told.
                outcome = problem if isinstance(problem, ClientError) else ClientError(repr(problem))
            with self._lock:
                self._pending.pop(out.message_id, None)
            if outcome is None:
                future.set_result(None)
            else:
                future.set_exception(outcome)

    def close(self):
        try:
            self._client.shutdown()
        except (ClientError, OSError) as problem:
            log.debug("shutdown: %s", problem)


class Surroundings:
    """Which hub, and whom to trust: from the variables that the edge gives every module, or from those
    of a module that is started by hand."""

    def __init__(self, environment=os.environ):
        if text := environment.get("EdgeHubConnectionString"):
            parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
            self.hub = parts["HostName"]
            self.gateway = parts.get("GatewayHostName", self.hub)
            with open(environment["EdgeModuleCACertificateFile"], encoding="utf-8") as file:
                self.authority = file.read()
            return
        self.hub = environment["IOTEDGE_IOTHUBHOSTNAME"]
        self.gateway = environment["IOTEDGE_GATEWAYHOSTNAME"]
        self.authority = _trust_bundle(
            environment["IOTEDGE_WORKLOADURI"], environment["IOTEDGE_APIVERSION"])

    def connection_string(self, device_id, key):
        """A leaf device's, by way of the local hub."""
        return (f"HostName={self.hub};DeviceId={device_id};SharedAccessKey={key};"
                f"GatewayHostName={self.gateway}")


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _trust_bundle(uri, version):
    parts = urlsplit(uri)
    connection = (_SocketConnection(parts.path) if parts.scheme == "unix"
                  else http.client.HTTPConnection(parts.hostname, parts.port, timeout=10))
    try:
        connection.request("GET", f"/trust-bundle?api-version={quote(version)}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"the edge gives no trust bundle: {answer.status}")
        return json.loads(answer.read())["certificate"]
    finally:
        connection.close()
