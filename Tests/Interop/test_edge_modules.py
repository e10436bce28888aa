"""The modules that translate, between machines and a local hub: what is acknowledged is with the hub."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import loopback
from events import comes_from, json_of
from test_local_hub import site  # noqa: F401: the edge that a module belongs to
from waiting import wait_until

MODULES = Path(__file__).resolve().parents[2] / "Modules"
sys.path.insert(0, str(MODULES))

from translation import lines  # noqa: E402
from translation.server import LineServer, Refused  # noqa: E402


class Machine:
    """A machine that speaks lines; it sends a reading again until that is acknowledged."""

    def __init__(self, address, name):
        self.address, self.name, self.connection = address, name, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()

    def ask(self, line):
        if self.connection is None:
            self.connection = socket.create_connection(self.address, timeout=60)
            self.file = self.connection.makefile("rb")
        self.connection.sendall(line.encode() + b"\n")
        return self.file.readline().decode().rstrip("\n")

    def deliver(self, number, values):
        if self.connection is None:
            assert self.ask(f"HELLO {self.name}") == f"OK {self.name}"
        while (answer := self.ask(f"{number} {values}")) != f"OK {number}":
            assert answer.startswith(f"ERR {number} "), answer
            assert "again" in answer, answer


@pytest.fixture
def translate(site, tmp_path):  # noqa: F811
    """Runs one of the modules as a program, with the variables of a module that is started by hand."""
    programs = []

    def start(name, **environment):
        module = site.module(name)
        port = loopback_port(site.hub.address)
        log = open(tmp_path / f"{name}.log", "wb")
        programs.append((subprocess.Popen(
            [sys.executable, str(MODULES / name / "main.py")], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, preexec_fn=loopback.die_with_parent,
            env=os.environ | environment | {
                "EdgeHubConnectionString": module.connection_string,
                "EdgeModuleCACertificateFile": str(site.hub.ca_path),
                "LINE_HOST": site.hub.address, "LINE_PORT": str(port)}), log))
        path = Path(log.name)
        wait_until(lambda: "ready on" in path.read_text(), 20, "the module is ready")
        return module, (site.hub.address, port), path

    yield start
    for program, log in programs:
        program.terminate()
        assert program.wait(15) == 0, Path(log.name).read_text()
        log.close()


def loopback_port(address):
    with socket.socket() as free:
        free.bind((address, 0))
        return free.getsockname()[1]


def test_what_a_machine_was_told_survives_the_local_hub(site, translate, events):  # noqa: F811
    site.configure(up="FROM /messages/modules/line-protocol/outputs/readings INTO $upstream")
    site.hub.start()
    module, address, _ = translate("line-protocol")
    with Machine(address, "press-7") as one, Machine(address, "press-8") as other:
        one.deliver(1, "temperature=20.5 state=\"on hold\"")
        done = threading.Thread(
            target=lambda: [other.deliver(number, f"count={number}") for number in range(1, 9)])
        done.start()
        site.hub.kill()
        site.hub.start()
        for number in range(2, 9):
            one.deliver(number, f"temperature={number}")
        done.join(60)
        assert not done.is_alive()
    wanted = {f"press-{machine}-{number}" for machine in (7, 8) for number in range(1, 9)}
    found = {}

    def all_there():
        for event in events.available():
            if comes_from(event, module.device_id, "line-protocol"):
                found[event["properties"]["message-id"]] = event
        return wanted <= set(found)

    wait_until(all_there, 40, "every acknowledged reading is at the hub")
    assert set(found) == wanted
    assert json_of(found["press-7-1"]) == {"temperature": 20.5, "state": "on hold"}
    assert found["press-7-1"]["applicationProperties"]["machine"] == "press-7"


def test_each_machine_is_a_device(site, translate, events, tmp_path):  # noqa: F811
    site.configure(up="FROM /messages/* INTO $upstream")
    leaf = site.leaf()
    machines = tmp_path / "machines.json"
    machines.write_text(json.dumps({
        "press-7": {"deviceId": leaf.device_id, "key": leaf.key},
        "wrong": {"deviceId": leaf.device_id, "key": "bm90IHRoZSBrZXk="}}))
    site.hub.start()
    _, address, log = translate("line-identity", MACHINES=str(machines))
    with Machine(address, "press-7") as machine, Machine(address, "x") as stranger:
        machine.deliver(1, "temperature=31")
        assert stranger.ask("HELLO nobody") == "ERR - nobody is not in the list of machines"
        assert "connected already" in stranger.ask("HELLO press-7")
        assert "child of the edge" in stranger.ask("HELLO wrong")
        event, = events.wait_for(1, device=leaf.device_id)
    assert json_of(event) == {"temperature": 31}
    assert leaf.key not in log.read_text()


class Hub:
    """A sink that takes what it is told to."""

    def __init__(self):
        self.taken, self.refuses = [], False

    def open(self, machine):
        if machine == "stranger":
            raise Refused("unknown")
        return self

    def send(self, reading):
        if self.refuses:
            raise Refused("send it again")
        self.taken.append(reading)

    def close(self):
        pass


@pytest.fixture
def served():
    hub = Hub()
    server = LineServer(("127.0.0.1", 0), hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield hub, server.server_address
    server.shutdown()
    server.server_close()


def test_a_reading_is_acknowledged_after_the_hub_has(served):
    hub, address = served
    with Machine(address, "a") as machine:
        assert machine.ask("HELLO stranger") == "ERR - unknown"
        assert machine.ask("1 a=1") == "ERR 1 say HELLO and a name first"
        assert machine.ask("HELLO a") == "OK a"
        assert machine.ask("HELLO b") == "ERR - this connection is a's"
        hub.refuses = True
        assert machine.ask("1 a=1") == "ERR 1 send it again"
        hub.refuses = False
        assert machine.ask("1 a=1") == "OK 1"
        assert machine.ask("PING") == "PONG"
    assert hub.taken == [lines.Reading(1, {"a": 1})]


def test_malformed_lines(served):
    hub, address = served
    cases = {
        "": "ERR -", "2 temperature": "ERR 2", "3 a=\"x": "ERR 3", "4 a=1 a=2": "ERR 4", "5": "ERR 5",
        "6 1a=2": "ERR 6", "nonsense": "ERR -", "7 " + "a" * 65 + "=1": "ERR 7",
        "8 " + " ".join(f"v{n}=1" for n in range(65)): "ERR 8", "9" * 19 + " a=1": "ERR -",
        "9 a=\x01": "ERR 9"}
    with Machine(address, "a") as machine:
        assert machine.ask("HELLO a") == "OK a"
        for line, answer in cases.items():
            assert machine.ask(line).startswith(answer + " "), line
        machine.connection.sendall(b"10 a=\xff\n")
        assert machine.file.readline().startswith(b"ERR 10 ")
        # Without an end nothing behind it can be told apart, so the connection ends.
        assert machine.ask("11 a=" + "x" * 5000).startswith("ERR - ")
        assert machine.file.readline() == b""
    assert hub.taken == []


def test_values():
    text = b'1 t=21.5 s="on hold" n=-3 b=true e=1e5 not=nan big=inf under=1_0'
    assert lines.parse(text).values == {
        "t": 21.5, "s": "on hold", "n": -3, "b": True, "e": 1e5, "not": "nan", "big": "inf",
        "under": "1_0"}
