"""Kills the hub at random instants under load, again and again, then checks everything."""

import multiprocessing
import random
import time

import checker
import load
from hub_process import CrashHub

DEVICES, SLEEPERS, TLS_DEVICES = 20, 4, 6
# Messages a second of one device. The eager ones have nearly always something under way; all
# together leave the hub its share of two processors.
RATE, EAGER_RATE, EAGER_DEVICES = 40, 400, 4


def moment(rng):
    """How long the hub may live after it is ready: mostly short, sometimes long."""
    return rng.choice([rng.uniform(0, 0.15), rng.uniform(0.1, 0.8), rng.uniform(0.5, 2.0)])


def rates():
    """The rate of each device; half of the eager ones come by TLS."""
    first = TLS_DEVICES - EAGER_DEVICES // 2
    eager = range(first, first + EAGER_DEVICES)
    return [EAGER_RATE if index in eager else RATE for index in range(DEVICES)]


def run(directory, seed, kills):
    """Returns the faults and lines for the report."""
    rng = random.Random(f"{seed}/kills")
    hub = CrashHub(directory / "hub", directory / "data").start()
    target = hub.target()
    names = [f"device-{n}" for n in range(DEVICES)] + [f"sleeper-{n}" for n in range(SLEEPERS)]
    devices = load.create_devices(target.rest(), names)
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(
        target=load.main, daemon=True,
        args=(theirs, target, devices, seed, rates(), TLS_DEVICES, SLEEPERS),
    )
    process.start()
    theirs.close()
    try:
        early = kill_often(hub, ours, rng, kills)
        time.sleep(1.5)
        ours.send("stop")
        ledger = ours.recv()
        hub.expect_alive("under load")
        hub.kill()
        hub.start()
        begun = time.monotonic()
        faults, audit = checker.check_all(target, ledger)
        faults += checker.check_folder(hub)
        hub.expect_alive("while it was checked")
        seconds = time.monotonic() - begun
        findings = hub.findings()
        hub.stop()
    finally:
        process.kill()
        hub.kill()
    faults += too_little(ledger, audit, kills)
    return faults, [
        f"{kills + 1} kills, {early} of them while the hub started;"
        f" slowest start {hub.slowest_start:.2f} s; {len(findings)} findings of log recovery",
        f"{ledger.acknowledged_events} events acknowledged of"
        f" {sum(len(entry.attempts) for entry in devices_of(ledger))} sent, {audit.count} stored,"
        f" {audit.duplicates} of them sent again; {len(ledger.seen)} seen by the live reader",
        f"{sum(e.reported.acknowledged + e.desired.acknowledged for e in devices_of(ledger))}"
        f" twin changes, {len(ledger.identities)} identities,"
        f" {sum(len(e.accepted) for e in devices_of(ledger))} commands acknowledged;"
        f" {sum(e.repeated for e in devices_of(ledger))} commands delivered again",
        f"{len(ledger.files)} files, {uploads_of(ledger)} uploads of them acknowledged;"
        f" {sum(len(entry.told) for entry in ledger.files.values())} told to a service",
        f"{ledger.connects} connections of devices; checked in {seconds:.1f} s",
    ]


def devices_of(ledger):
    return ledger.devices.values()


def uploads_of(ledger):
    return sum(entry.completed for entry in ledger.files.values())


def kill_often(hub, pipe, rng, kills):
    """Kills and starts; returns how many lives ended before the hub was ready."""
    early = done = 0
    acknowledged = 0
    while done < kills:
        deadline = time.monotonic() + 20
        # A life without any acknowledgement proves little; the first is awaited now and then.
        while rng.random() < 0.8 and time.monotonic() < deadline:
            pipe.send("progress")
            now, _ = pipe.recv()
            if now > acknowledged:
                acknowledged = now
                break
            time.sleep(0.01)
        time.sleep(moment(rng))
        hub.expect_alive("under load")
        hub.kill()
        done += 1
        while done < kills and rng.random() < 0.35:
            hub.spawn()
            time.sleep(rng.uniform(0, 1.2 * hub.seconds_to_ready))
            if not hub.ready_path.exists():
                early += 1
                hub.expect_alive("while starting")
            hub.kill()
            done += 1
        hub.start()
    return early


def too_little(ledger, audit, kills):
    """A run that hardly did anything has proved nothing."""
    least = {
        "events": (ledger.acknowledged_events, 50 * kills),
        "events of the live reader": (len(ledger.seen), 10 * kills),
        "twin changes": (
            sum(e.reported.acknowledged + e.desired.acknowledged for e in devices_of(ledger)),
            5 * kills,
        ),
        "identities": (len(ledger.identities), kills),
        "commands": (sum(len(e.accepted) for e in devices_of(ledger)), kills),
        "uploads": (uploads_of(ledger), kills),
    }
    for what, (count, minimum) in least.items():
        if count < minimum:
            yield f"only {count} {what} in {kills} kills: the run proves nothing"
