"""The processes of an edge under test: started, watched and stopped."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import hub
import loopback
from waiting import wait_until


def binary():
    """The edge's executable: `EDGE_TEST_BIN`, or what was built beside the hub's."""
    if chosen := os.environ.get("EDGE_TEST_BIN"):
        return Path(chosen)
    return hub.binary().with_name("orrery-edge")


class Edge:
    """Roles of `orrery-edge` for one edge device; sockets need a short path."""

    def __init__(self, device, directory, settings=""):
        self.device, self.directory = device, Path(directory)
        self.run = Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
        self.config = self.directory / "edge.toml"
        self.config.write_text(
            f'hostname = "localhost"\n{settings}\n'
            "[provisioning]\nsource = \"manual\"\n"
            f'connection_string = "{device.connection_string}"\n'
            f'[upstream]\nca_cert = "{device.hub.ca_path}"\n'
            "[metrics]\nhub_port = 0\nagent_port = 0\nkeys_port = 0\n"
            '[logging]\nformat = "json"\n'
        )
        self.config.chmod(0o600)
        self.processes = {}

    def words(self, role):
        return [str(binary()), role, "--config", str(self.config),
                "--data", str(self.directory / "data"), "--run-dir", str(self.run)]

    def start(self, *roles):
        for role in roles:
            with open(self.directory / f"{role}.log", "ab") as log:
                self.processes[role] = subprocess.Popen(
                    self.words(role), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=loopback.die_with_parent)

    def stop(self, *roles, number=signal.SIGTERM):
        for role in roles:
            process = self.processes.pop(role)
            process.send_signal(number)
            process.wait(60)

    def clean_up(self):
        for role in ("agent", "hub", "keys"):
            if role in self.processes:
                self.stop(role)
        shutil.rmtree(self.run, ignore_errors=True)

    def log(self, role):
        path = self.directory / f"{role}.log"
        return path.read_text() if path.exists() else ""

    def command(self, *words, expect=0):
        """A command of an operator on the box; its output."""
        done = subprocess.run(
            [str(binary()), *words, "--run-dir", str(self.run)], capture_output=True, text=True,
            timeout=30)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    def list(self):
        """The modules of `orrery-edge list`, by name."""
        return {module["name"]: module for module in json.loads(self.command(
            "list", "--output", "json"))}

    def wait_until(self, condition, timeout, what):
        try:
            return wait_until(condition, timeout, what, 0.2)
        except AssertionError as problem:
            logs = "\n".join(f"{role}:\n{self.log(role)[-6000:]}" for role in ("keys", "agent"))
            raise AssertionError(f"{problem}\n{logs}") from None
