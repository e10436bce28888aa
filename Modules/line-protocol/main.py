"""Protocol translation: machines that speak lines over TCP, all as this module.

Which machine it was is in the property `machine`. Every reading goes to output `readings`.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from azure.iot.device import IoTHubModuleClient  # noqa: E402

from translation.hub import Delivery, message  # noqa: E402
from translation.server import LineServer  # noqa: E402


class ModuleSink:
    """All machines share the module's connection."""

    def __init__(self, delivery):
        self._delivery = delivery

    def open(self, machine):
        return Channel(machine, self._delivery)


class Channel:
    def __init__(self, machine, delivery):
        self._machine, self._delivery = machine, delivery

    def send(self, reading):
        self._delivery.send(message(self._machine, reading))

    def close(self):
        """The connection is the others' too."""


def main():
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.ERROR)
    client = IoTHubModuleClient.create_from_edge_environment(connection_retry_interval=1)
    delivery = Delivery(
        client, lambda out: client.send_message_to_output(out, "readings"), workers=8)
    client.connect()
    address = (os.environ.get("LINE_HOST", "0.0.0.0"), int(os.environ.get("LINE_PORT", "4001")))
    server = LineServer(address, ModuleSink(delivery))
    stop = threading.Thread(target=server.shutdown, daemon=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.start() if not stop.ident else None)
    logging.info("ready on %s:%d", *server.server_address)
    server.serve_forever(poll_interval=0.2)
    delivery.close()


if __name__ == "__main__":
    main()
