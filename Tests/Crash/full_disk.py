"""Fills the hub's disk under load, frees it, fills it again and kills: nothing acknowledged goes.

The disk is a small tmpfs in a mount namespace of this run. Where none can be mounted, a small
/dev/shm, as containers have it, stands in.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import checker
import load
from hub_process import SEGMENT_BYTES, CrashHub
from ledger import Ledger
from waiting import wait_until

DISK_BYTES = 48 << 20
# What is left when the load begins: a few segments and some registry.
ROOM_BYTES = 4 << 20
LARGEST_SHARED_DISK = 512 << 20
DEVICES, SLEEPERS, TLS_DEVICES, RATE = 6, 2, 2, 120
RESUME_SECONDS = 10
WRITES = (
    "PUT identity", "DELETE identity", "desired PATCH", "POST command", "POST files",
    "POST notifications", "GET news", "DELETE news",
)
# The storage service's clients know no room as 507.
FILE_WRITES = ("PUT file", "PUT block")


def namespaces(directory):
    """The command that runs something where a tmpfs may be mounted, or None."""
    probe = ["sh", "-c", 'mount -t tmpfs -o size=1m none "$1"', "sh", str(directory)]
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if shutil.which("unshare") and subprocess.run(
            command + probe, capture_output=True, check=False
        ).returncode == 0:
            return command
    return None


def enter(directory, arguments):
    """Runs this stage in a namespace, or on /dev/shm; returns an exit status, None if neither."""
    if command := namespaces(directory):
        program = Path(__file__).with_name("crash.py")
        return subprocess.run(
            [*command, sys.executable, str(program), *arguments, "--mount"], check=False
        ).returncode
    return None


def mount(directory):
    """A small disk of our own; only inside a mount namespace."""
    disk = directory / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disk)], check=True
    )
    return disk


def shared_disk():
    """A directory on a small /dev/shm, or None."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        return None
    space = os.statvfs(shared)
    if space.f_blocks * space.f_frsize > LARGEST_SHARED_DISK or free_bytes(shared) < DISK_BYTES:
        return None
    disk = shared / f"orrery-crash-{os.getpid()}"
    disk.mkdir()
    return disk


def free_bytes(path):
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def take_space(disk, name, leave):
    """Takes space until `leave` bytes are free."""
    with open(disk / name, "wb") as ballast:
        if (size := free_bytes(disk) - leave) > 0:
            os.posix_fallocate(ballast.fileno(), 0, size)


def take_all(disk, name):
    """Takes every last byte, whatever else is writing."""
    with open(disk / name, "ab", buffering=0) as ballast:
        for size in (1 << 16, 4096, 512):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def give_back(disk):
    for ballast in disk.glob("ballast*"):
        ballast.unlink()


class Run:
    """One run of the stage."""

    def __init__(self, directory, seed, disk):
        self.disk, self.seed, self.faults, self.report = disk, seed, [], []
        self.hub = CrashHub(directory / "hub", disk / "data").start()
        self.target = self.hub.target()
        self.rest = self.target.rest()
        names = [f"device-{n}" for n in range(DEVICES)] + [f"sleeper-{n}" for n in range(SLEEPERS)]
        self.ledger = Ledger(load.create_devices(self.rest, names))
        self.workers = []

    def expect(self, condition, text):
        if not condition:
            self.faults.append(text)

    def expect_soon(self, condition, seconds, text):
        """Goes on after a failure, so that one fault of the hub does not hide the next."""
        begun = time.monotonic()
        while not condition():
            self.hub.expect_alive(text)
            if time.monotonic() - begun > seconds:
                self.faults.append(f"not within {seconds} s: {text}")
                break
            time.sleep(0.05)
        return time.monotonic() - begun

    def begin_load(self):
        self.workers = load.crew(
            self.target, self.ledger, self.seed, [RATE] * DEVICES, TLS_DEVICES, SLEEPERS,
            is_strict=False,
        )
        for worker in self.workers:
            worker.start()

    def end_load(self):
        load.stop(self.workers)
        self.workers = []

    def is_ready(self):
        self.hub.expect_alive("on a full disk")
        return self.hub.admin("/readyz")[0] == 200

    def refused_writes(self):
        return sum(
            count for (what, status), count in self.ledger.statuses.items()
            if what in WRITES and status == 503
        )

    def accepted_writes(self):
        return sum(
            count for (what, status), count in self.ledger.statuses.items()
            if what in WRITES and status < 300
        )

    def fill(self, when):
        """Lets the load fill what is left and looks at what the hub says."""
        take_space(self.disk, "ballast-1", ROOM_BYTES)
        wait_until(
            lambda: free_bytes(self.disk) < SEGMENT_BYTES or not self.is_ready(), 90,
            f"{when}: the load takes what is left",
        )
        # No further segment has room now; the last one is soon full.
        self.expect_soon(lambda: not self.is_ready(), 15, f"{when}: /readyz sees the full disk")
        self.look_at_full_disk(when)
        refused = self.refused_writes()
        take_all(self.disk, "ballast-2")
        self.expect_soon(
            lambda: self.refused_writes() > refused, 20, f"{when}: the registry refuses writes"
        )

    def look_at_full_disk(self, when):
        """What a hub whose log has no room says of itself."""
        status, text = self.hub.admin("/readyz")
        self.expect(status == 503 and "message log" in text, f"{when}: /readyz {status} {text!r}")
        self.expect(self.hub.admin("/healthz")[0] == 200, f"{when}: /healthz is not 200")
        suspended = self.hub.metric("orrery_log_suspended")
        self.expect(suspended == 1, f"{when}: orrery_log_suspended {suspended}")
        entry = next(iter(self.ledger.devices.values()))
        connection, code = self.target.connect("sleeper-0", self.ledger.devices["sleeper-0"].key)
        connection.abort()
        self.expect(code == 3, f"{when}: a new connection got CONNACK {code}, not 3")
        self.expect(
            self.rest.call("GET", f"/devices/{entry.device}").status_code == 200,
            f"{when}: the registry cannot be read",
        )

    def free(self, when):
        """Gives space back; the hub must find out by itself."""
        give_back(self.disk)
        seconds = self.expect_soon(
            self.is_ready, RESUME_SECONDS, f"{when}: ready again without a restart"
        )
        suspended = self.hub.metric("orrery_log_suspended")
        self.expect(suspended == 0, f"{when}: orrery_log_suspended {suspended}")
        return seconds

    def go(self):
        self.begin_load()
        wait_until(lambda: self.ledger.acknowledged_events > 200, 30, "the load gets going")
        self.fill("full under load")
        before, writes = self.ledger.acknowledged_events, self.accepted_writes()
        seconds = self.free("freed under load")
        self.expect_soon(
            lambda: self.ledger.acknowledged_events > before + 200, 20, "events are taken again"
        )
        self.expect_soon(
            lambda: self.accepted_writes() > writes + 20, 20, "the registry writes again"
        )
        self.expect(self.ledger.refusals[3] > 0, "no device was refused with CONNACK 3")
        self.report.append(
            f"full after {before} acknowledged events, resumed in {seconds:.1f} s;"
            f" {self.ledger.refusals[3]} connections and {self.refused_writes()} registry writes"
            " refused"
        )
        self.fill("full again")
        self.end_load()
        take_all(self.disk, "ballast-3")
        self.hub.kill()
        self.restart_on_full_disk()
        self.check_statuses()
        faults, audit = checker.check_all(self.target, self.ledger)
        self.faults += faults
        self.faults += checker.check_folder(self.hub)
        self.report.append(
            f"{self.ledger.acknowledged_events} events acknowledged, {audit.count} stored;"
            f" {len(self.ledger.identities)} identities tried;"
            f" {self.ledger.statuses['PUT file', 201]} files written,"
            f" {self.ledger.statuses['PUT file', 507]} refused for want of room"
        )
        self.hub.stop()

    def restart_on_full_disk(self):
        """Start-up is recovery, also where nothing can be written."""
        try:
            self.hub.start()
        except AssertionError as error:
            self.faults.append(f"killed on a full disk, it does not start again: {error}")
            give_back(self.disk)
            self.hub.start()
            return
        self.look_at_full_disk("started on a full disk")
        audit = checker.EventAudit(Ledger(self.ledger.devices))
        for event in checker.read_events(self.rest):
            audit.add(event)
        self.faults += [f"on the full disk: {text}" for text in audit.faults()]
        seconds = self.free("started on a full disk")
        self.report.append(f"killed and started on the full disk, resumed in {seconds:.1f} s")

    def check_statuses(self):
        """No room is 503, for all that write; what only reads is not disturbed."""
        for (what, status), count in sorted(self.ledger.statuses.items()):
            is_full = (
                status == 503 and what in (*WRITES, *FILE_WRITES, "reported PATCH")
                or status == 507 and what in FILE_WRITES
            )
            if status >= 500 and not is_full:
                self.faults.append(f"{what} was answered with {status}, {count} times")


def run(directory, seed, disk):
    """Returns the faults and lines for the report."""
    stage = Run(directory, seed, disk)
    try:
        stage.go()
    finally:
        for worker in stage.workers:
            worker.stopping.set()
        stage.hub.kill()
        give_back(disk)
    return stage.faults, stage.report
