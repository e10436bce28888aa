"""A thermostat with the vendor's Python SDK, unmodified.

It sends telemetry, takes the desired property `interval` and reports it, and answers the direct
method `measure`. Only `server_verification_cert` is special: the hub's authority is not among those
that the system trusts.

usage: device.py CONNECTION_STRING [CA_PEM] [--count N]
"""

import argparse
import json
import pathlib
import random
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse


class Thermostat:
    """One device: connected while it is used as a context."""

    def __init__(self, connection_string, authority=None):
        self.interval = 5.0
        self._waker = threading.Event()
        trust = pathlib.Path(authority).read_text() if authority else None
        self.client = IoTHubDeviceClient.create_from_connection_string(
            connection_string, server_verification_cert=trust
        )

    def __enter__(self):
        self.client.on_twin_desired_properties_patch_received = self.obey
        self.client.on_method_request_received = self.answer
        self.client.connect()
        # What was desired while the device was away is in the twin; later changes come by themselves.
        self.obey(self.client.get_twin()["desired"])
        return self

    def __exit__(self, *_):
        self.client.shutdown()

    def measure(self):
        return {"temperature": round(21 + random.uniform(-1, 1), 1)}

    def send(self):
        """Sends one measurement; returns when the hub has it on stable storage."""
        message = Message(
            json.dumps(self.measure()), content_type="application/json", content_encoding="utf-8"
        )
        message.custom_properties["room"] = "kitchen"
        self.client.send_message(message)

    def obey(self, desired):
        """Takes over what the back end wants, and reports what is in force."""
        if desired.get("interval") is not None:
            self.interval = max(0.1, float(desired["interval"]))
            self._waker.set()
        self.client.patch_twin_reported_properties({"interval": self.interval})

    def answer(self, request):
        """Answers a direct method."""
        known = request.name == "measure"
        answer = MethodResponse.create_from_method_request(
            request, 200 if known else 404, self.measure() if known else {"unknown": request.name}
        )
        self.client.send_method_response(answer)

    def run(self, count=None):
        """Sends `count` measurements, or goes on for ever."""
        sent = 0
        while count is None or sent < count:
            self.send()
            sent += 1
            print(f"sent {sent}", flush=True)
            if sent != count:
                self._waker.wait(self.interval)
                self._waker.clear()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("connection_string")
    parser.add_argument("authority", nargs="?", help="PEM file; without it SSL_CERT_FILE counts")
    parser.add_argument("--count", type=int, help="end after so many messages")
    arguments = parser.parse_args()
    try:
        with Thermostat(arguments.connection_string, arguments.authority) as thermostat:
            thermostat.run(arguments.count)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
