"""A hub process under test: started, watched, judged by what it logs, and stopped."""

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.parse
from pathlib import Path

import loopback
import sas
from rest import Rest

READY_SECONDS = 5
STOP_SECONDS = 10
# Telemetry bodies of the suite contain this; contract 12 forbids message bodies in logs.
BODY_CANARY = "canary-7f3a"


def binary():
    """The hub's executable: `ORRERY_BIN`, or the release or debug build of this checkout."""
    if chosen := os.environ.get("ORRERY_BIN"):
        return Path(chosen)
    root = Path(__file__).resolve().parents[2]
    builds = [root / ".build" / kind / "orrery" for kind in ("release", "debug")]
    return next((path for path in builds if path.exists()), builds[0])


class Hub:
    """`orrery hub` on the standard ports of one loopback address."""

    def __init__(self, address, directory, data=None, settings=None, arguments=()):
        self.address, self.directory = address, Path(directory)
        self.data, self.settings, self.arguments = data, dict(settings or {}), list(arguments)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / "log.jsonl"
        self.output_path = self.directory / "stdout.txt"
        self.ready_path = self.directory / "ready.json"
        self.ready, self.process, self._secrets = None, None, set()
        self.seconds_to_ready = None

    # Life

    def command(self):
        """The command line; also what a person would type to repeat a failure."""
        words = [str(binary()), "hub", "--host", self.address]
        words += ["--names", f"{self.address},localhost", "--ready-file", str(self.ready_path)]
        words += ["--data", str(self.data)] if self.data else ["--ephemeral"]
        for key, value in {"logging.format": "json", "listen.admin_port": 0, **self.settings}.items():
            words += ["--set", f"{key}={value}"]
        return words + self.arguments

    def start(self):
        """Starts the process and waits until it listens."""
        self.ready_path.unlink(missing_ok=True)
        begun = time.monotonic()
        with open(self.output_path, "ab") as output, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=log,
                preexec_fn=loopback.die_with_parent,
            )
        while True:
            assert self.process.poll() is None, (
                f"the hub ended with {self.process.returncode} at start:\n{self.log_tail()}"
            )
            # A reader may see the file before all of it is written, unless it was renamed.
            if self.ready_path.exists():
                self.ready = json.loads(self.ready_path.read_text())
                break
            if time.monotonic() - begun > READY_SECONDS:
                self.kill()
                raise AssertionError(f"not ready in {READY_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.01)
        self.seconds_to_ready = time.monotonic() - begun
        for policy in self.ready["policies"].values():
            self.note_secret(
                sas.parse_connection_string(policy["connectionString"])["SharedAccessKey"]
            )
        self.note_secret(self.ready.get("adminToken"))
        return self

    def stop(self):
        """Stops by SIGTERM; a clean stop ends with 0 within ten seconds."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {STOP_SECONDS} s after SIGTERM") from None
        assert code == 0, f"exit status {code} after SIGTERM:\n{self.log_tail()}"

    def kill(self):
        """kill -9: nothing is flushed, nothing is said."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    # Access

    @property
    def host(self):
        return self.ready["host"]

    @property
    def mqtt_port(self):
        return self.ready["mqtt"]

    @property
    def amqp_port(self):
        return self.ready["amqp"]

    @property
    def https_port(self):
        return self.ready["https"]

    @property
    def ca_path(self):
        return self.ready["ca"]

    @property
    def ca_pem(self):
        return Path(self.ca_path).read_text()

    @property
    def base(self):
        port = self.https_port
        return f"https://{self.host}" + ("" if port == 443 else f":{port}")

    def connection_string(self, policy="iothubowner"):
        return self.ready["policies"][policy]["connectionString"]

    def policy_key(self, policy="iothubowner"):
        return sas.parse_connection_string(self.connection_string(policy))["SharedAccessKey"]

    def rest(self, policy="iothubowner"):
        return Rest(
            self.base, self.host, self.ca_path, policy, self.policy_key(policy), self.note_secret
        )

    def tls_context(self, minimum=None, maximum=None):
        """A client context that trusts this hub's CA and checks its name."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        if minimum is not None:
            context.minimum_version = minimum
        if maximum is not None:
            context.maximum_version = maximum
        return context

    def resident_bytes(self):
        """Resident memory of the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    # What the log must not say

    def note_secret(self, text):
        """Remembers a key, a token or a signature that must not appear in the log."""
        if text and len(text) >= 8:
            self._secrets.add(text)

    def log_tail(self, lines=60):
        """The end of the log, for failure reports."""
        if not self.log_path.exists():
            return "(no log)"
        text = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:]) or "(empty log)"

    def log_records(self):
        """The log's lines as JSON objects; anything else on stderr is a fault."""
        records = []
        for number, line in enumerate(self.log_path.read_text().splitlines(), 1):
            try:
                record = json.loads(line)
            except ValueError:
                raise AssertionError(f"log line {number} is not JSON: {line[:300]}") from None
            assert isinstance(record, dict), f"log line {number} is not an object: {line[:300]}"
            records.append(record)
        return records

    def check_log(self):
        """No secret and no message body in the log, in any of the forms they travel in."""
        text = self.log_path.read_text(errors="replace")
        forms = {BODY_CANARY: "a message body", "SharedAccessSignature sr=": "a SAS token"}
        for secret in self._secrets:
            plain = urllib.parse.unquote(secret)
            for form in (secret, plain, urllib.parse.quote(plain, safe="")):
                forms[form] = "a key, token or signature"
            forms[json.dumps(plain)[1:-1].replace("/", "\\/")] = "a key, token or signature"
        for form, kind in forms.items():
            position = text.find(form)
            if position >= 0:
                line = text.count("\n", 0, position) + 1
                # The finding must not repeat the secret in the report.
                raise AssertionError(f"line {line} of the hub's log contains {kind}")
        self.log_records()
