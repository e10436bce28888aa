"""Debian's mosquitto as the MQTT server of an endpoint, and a subscriber that sees what it gets."""

import shutil
import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as paho

from waiting import wait_until
from webhook import server_certificate

MISSING = not (shutil.which("mosquitto") and shutil.which("mosquitto_passwd"))
USER, PASSWORD = "hub", "broker-secret-77aa"
WATCHER = "watcher-secret-12ef"


class Broker:
    """A server on a port of its own: TLS only, and either passwords or certificates of `root`.

    What it has acknowledged and its subscribers lack outlives `stop`.
    """

    def __init__(self, address, directory, root, certificates=False):
        self.address, self.directory, self.root = address, directory, root
        with socket.create_server((address, 0)) as free:
            self.port = free.getsockname()[1]
        self.ca_path, _ = root.write(directory, "root")
        certificate, key = server_certificate(root, address).write(directory, "server")
        passwords = directory / "passwords"
        for number, (user, word) in enumerate([(USER, PASSWORD), ("watcher", WATCHER)]):
            subprocess.run(
                ["mosquitto_passwd", "-b", *(["-c"] if number == 0 else []), str(passwords), user,
                 word], check=True, timeout=10)
        proof = ("require_certificate true\nuse_identity_as_username true" if certificates
                 else f"password_file {passwords}")
        self.watcher = root.issue("watcher").write(directory, "watcher") if certificates else None
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(f"""
user root
listener {self.port} {address}
cafile {self.ca_path}
certfile {certificate}
keyfile {key}
allow_anonymous false
{proof}
max_queued_messages 0
persistence true
persistence_location {directory}/
""")
        self.messages, self._lock = [], threading.Lock()
        self._process = None
        self.start()
        self._client = self._watch()

    def start(self):
        self._log = open(self.directory / "mosquitto.log", "a")
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._configuration), "-v"], stdout=self._log,
            stderr=subprocess.STDOUT)

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex((self.address, self.port)) == 0

        wait_until(listens, 10, "the broker listens")

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
        self._log.close()

    def _watch(self):
        subscribed = threading.Event()
        client = paho.Client("watcher", clean_session=False)
        client.tls_set(
            self.ca_path, *(self.watcher or ()), cert_reqs=ssl.CERT_REQUIRED)
        if not self.watcher:
            client.username_pw_set("watcher", WATCHER)
        client.reconnect_delay_set(1, 1)

        def arrived(client, data, message):
            with self._lock:
                self.messages.append((message.topic, message.payload))

        client.on_message = arrived
        client.on_connect = lambda client, *rest: client.subscribe("#", 1)
        client.on_subscribe = lambda *rest: subscribed.set()
        client.connect(self.address, self.port)
        client.loop_start()
        assert subscribed.wait(10), "the watcher could not subscribe"
        return client

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
        self.stop()
