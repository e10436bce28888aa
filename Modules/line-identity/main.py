"""Identity translation: machines that speak lines over TCP, each a device of its own.

The file MACHINES says which device a machine is, and has that device's key:

    {"press-7": {"deviceId": "press-7", "key": "<base64>"}}

The devices are children of the edge device, so that they work without the hub above too.
"""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from azure.iot.device import IoTHubDeviceClient  # noqa: E402
from azure.iot.device.exceptions import ClientError  # noqa: E402

from translation.hub import Delivery, Surroundings, message  # noqa: E402
from translation.server import LineServer, Refused  # noqa: E402


class DeviceSink:
    """A connection to the local hub for each machine, with the credential of its device."""

    def __init__(self, path, surroundings):
        self._path, self._surroundings = path, surroundings
        self._open, self._lock = {}, threading.Lock()

    def open(self, machine):
        # Read each time, so that a machine can be added while the module runs.
        try:
            entry = json.loads(Path(self._path).read_text(encoding="utf-8")).get(machine)
            device, key = (entry["deviceId"], entry["key"]) if entry else (None, None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            logging.error("%s cannot be used: %s", self._path, type(problem).__name__)
            raise Refused("the list of machines cannot be read") from None
        if not device:
            raise Refused(f"{machine} is not in the list of machines")
        with self._lock:
            # The hub would end the older of two connections of one device.
            if machine in self._open:
                raise Refused(f"{machine} is connected already")
            self._open[machine] = None
        try:
            return Channel(self, machine, self._connect(device, key))
        except BaseException:
            self.closed(machine)
            raise

    def _connect(self, device, key):
        try:
            client = IoTHubDeviceClient.create_from_connection_string(
                self._surroundings.connection_string(device, key),
                server_verification_cert=self._surroundings.authority, connection_retry_interval=1)
        except (ValueError, TypeError):
            # Its message may have the key in it.
            raise Refused(f"the entry of {device} in the list of machines is wrong") from None
        try:
            client.connect()
        except ClientError as problem:
            client.shutdown()
            logging.warning("%s cannot connect: %s", device, type(problem).__name__)
            raise Refused("the hub does not let its device in; is it a child of the edge?") from None
        return client

    def closed(self, machine):
        with self._lock:
            self._open.pop(machine, None)


class Channel:
    def __init__(self, sink, machine, client):
        self._sink, self._machine = sink, machine
        self._delivery = Delivery(client, client.send_message)

    def send(self, reading):
        self._delivery.send(message(self._machine, reading))

    def close(self):
        self._delivery.close()
        self._sink.closed(self._machine)


def main():
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.ERROR)
    sink = DeviceSink(os.environ.get("MACHINES", "machines.json"), Surroundings())
    address = (os.environ.get("LINE_HOST", "0.0.0.0"), int(os.environ.get("LINE_PORT", "4001")))
    server = LineServer(address, sink)
    stop = threading.Thread(target=server.shutdown, daemon=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.start() if not stop.ident else None)
    logging.info("ready on %s:%d", *server.server_address)
    server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
