"""Tears the files of a killed hub as a power cut or a bad disk would, and starts it on them."""

import random
import shutil
import struct
import time
from collections import defaultdict
from dataclasses import dataclass

import checker
import load
from hub_process import CrashHub
from ledger import body
from mqtt_wire import PUBACK, publish_packet, telemetry_topic

DEVICES, EVENTS = 4, 500
FRAME_BYTES = 32


@dataclass(frozen=True)
class Frame:
    """One record of a segment file, by its place in the file."""

    start: int
    end: int
    partition: int
    sequence: int
    # Everything before this place was durable when the record was written.
    proven: int


class Segment:
    """The last segment file, as its format lays it out (`RecordFrame`, `SegmentHeader`)."""

    def __init__(self, path):
        self.path = path
        data = path.read_bytes()
        self.byte_count = len(data)
        self.first = 2 * struct.unpack_from("<I", data, 12)[0]
        self.frames = []
        position = self.first
        while position + FRAME_BYTES <= len(data):
            size, = struct.unpack_from("<I", data, position + 4)
            partition, uncommitted, sequence = struct.unpack_from("<HIQ", data, position + 10)
            end = position + FRAME_BYTES + size
            # Zeros: reserved and not yet written.
            if size == 0 or partition == 0xFFFF or end > len(data):
                break
            self.frames.append(Frame(position, end, partition, sequence, position - uncommitted))
            position = end
        self.end = position


def last_segment(data):
    return Segment(max(data.rglob("0*.log"), key=lambda path: path.name))


def overwrite(path, position, content):
    with open(path, "r+b") as file:
        file.seek(position)
        file.write(content)


def noise(rng, count):
    """Bytes that are not zeros at either end."""
    return bytes(rng.randint(1, 255) for _ in range(count))


# Each tears the segment and returns the records that are lost, and whether that must be reported.


def garbage_behind(rng, segment):
    """An unfinished commit left something behind the last record."""
    room = segment.byte_count - segment.end
    size = rng.choice([1, 7, 31, 32, 33, 400, 5000, room])
    overwrite(segment.path, segment.end, noise(rng, min(size, room)))
    return [], min(size, room) > 0


def stale_behind(rng, segment):
    """Blocks of an earlier file: whole records, at a place where they never were."""
    frame = rng.choice(segment.frames)
    content = segment.path.read_bytes()[frame.start : frame.end]
    content = content[: segment.byte_count - segment.end]
    overwrite(segment.path, segment.end, content)
    return [], bool(content)


def cut_anywhere(rng, segment):
    """The file ends early: in a record, between two, or in the header."""
    place = rng.choice([rng.randrange(segment.first), rng.randrange(segment.first, segment.end)])
    with open(segment.path, "r+b") as file:
        file.truncate(place)
    inside = any(frame.start < place < frame.end for frame in segment.frames)
    return [frame for frame in segment.frames if frame.end > place], inside


def cut_last_record(rng, segment):
    """The last record is torn: its beginning is there, its end is not."""
    last = segment.frames[-1]
    place = rng.randrange(last.start + 1, last.end)
    with open(segment.path, "r+b") as file:
        file.truncate(place)
    return [last], True


def zero_from(rng, segment):
    """Nothing from some place on was written, although the space was reserved."""
    place = rng.randrange(segment.frames[0].start, segment.end)
    overwrite(segment.path, place, bytes(segment.byte_count - place))
    # A record that ends in zeros is not harmed by zeros.
    lost = [frame for frame in segment.frames if frame.end > place]
    return lost, lost[0].start < place


def flip_bits(rng, segment):
    """Some bits of one record changed."""
    index = rng.choice([rng.randrange(len(segment.frames)), len(segment.frames) - 1])
    frame = segment.frames[index]
    place = rng.randrange(frame.start, frame.end)
    content = segment.path.read_bytes()[place : min(place + rng.randint(1, 8), frame.end)]
    overwrite(segment.path, place, bytes(byte ^ rng.randint(1, 255) for byte in content))
    later = segment.frames[index + 1 :]
    # What a later record proves to have been durable is damage to be stepped over; else it can't be
    # told from the torn tail of an unfinished commit.
    if any(other.proven >= frame.end for other in later):
        return [frame], True
    return [frame, *later], True


WAYS = (garbage_behind, stale_behind, cut_last_record, cut_anywhere, flip_bits, zero_from)


def publish(target, entry, count):
    """Publishes and waits for every PUBACK."""
    connection, code = target.connect(entry.device, entry.key)
    assert code == 0, f"CONNACK {code}"
    topic = telemetry_topic(entry.device)
    first = len(entry.attempts)
    with connection:
        for start in range(first, first + count, 20):
            numbers = range(start, min(start + 20, first + count))
            for number in numbers:
                entry.attempts[number] += 1
                connection.send(publish_packet(
                    topic, body(entry.device, number), identifier=number % 65535 + 1
                ))
            for number in numbers:
                connection.expect(PUBACK)
                entry.acknowledged.add(number)


def snapshot(rest):
    """(partition, number) → what the event is."""
    return {
        (int(event["partition"]), int(event["sequenceNumber"])): checker.digest(event)
        for event in checker.read_events(rest)
    }


class Run:
    """One killed hub, torn in many ways."""

    def __init__(self, directory, seed):
        self.seed, self.faults = seed, []
        self.base, self.data = directory / "base", directory / "data"
        self.hub = CrashHub(directory / "hub", self.data).start()
        self.target = self.hub.target()
        self.devices = load.create_devices(
            self.target.rest(), [f"device-{n}" for n in range(DEVICES)]
        )
        while True:
            for entry in self.devices.values():
                publish(self.target, entry, EVENTS)
            self.events = snapshot(self.target.rest())
            self.hub.kill()
            if len(last_segment(self.data).frames) > 20:
                break
            self.hub.start()
        self.hub.copy_data(self.base)

    def restore(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.base, self.data)

    def tear(self, way, turn):
        """Tears a fresh copy one way, starts the hub and compares."""
        rng = random.Random(f"{self.seed}/torn/{turn}")
        self.restore()
        segment = last_segment(self.data)
        lost, must_be_reported = way(rng, segment)
        name = f"{way.__name__} ({turn})"
        gone = {(frame.partition, frame.sequence) for frame in lost}
        expected = {key: value for key, value in self.events.items() if key not in gone}
        before = len(self.hub.findings())
        try:
            self.hub.start()
        except AssertionError as error:
            self.faults.append(f"{name}: {error}")
            return
        findings = self.hub.findings()[before:]
        if must_be_reported and not findings:
            self.faults.append(f"{name}: recovery reported nothing")
        self.compare(name, expected, snapshot(self.target.rest()))
        self.go_on(name, expected)
        self.hub.kill()

    def compare(self, name, expected, found):
        missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
        changed = [key for key in expected.keys() & found.keys() if expected[key] != found[key]]
        for keys, text in (
            (missing, "are gone"), (extra, "should be gone"), (changed, "are not what they were"),
        ):
            if keys:
                self.faults.append(f"{name}: {len(keys)} events {text}: {checker.some(keys)}")

    def go_on(self, name, expected):
        """New events get the next numbers, and another kill changes nothing."""
        rest = self.target.rest()
        entries = [
            load.DeviceLedger(entry.device, entry.key) for entry in self.devices.values()
        ]
        for entry in entries:
            publish(self.target, entry, 5)
        found = snapshot(rest)
        self.compare(name + ", after new events", expected, {
            key: value for key, value in found.items() if key in expected
        })
        numbers, old = defaultdict(list), defaultdict(int)
        for partition, number in found.keys() - expected.keys():
            numbers[partition].append(number)
        for partition, number in expected:
            old[partition] = max(old[partition], number + 1)
        original = defaultdict(int)
        for partition, number in self.events:
            original[partition] = max(original[partition], number + 1)
        if sum(map(len, numbers.values())) != 5 * len(entries):
            self.faults.append(f"{name}: {sum(map(len, numbers.values()))} new events, not 20")
        for partition, new in numbers.items():
            first = min(new)
            # The numbers of lost records may be left out or be given again, as far as is known.
            if not old[partition] <= first <= original[partition]:
                self.faults.append(
                    f"{name}: partition {partition} goes on with {first} after {old[partition]}"
                )
            if sorted(new) != list(range(first, first + len(new))):
                self.faults.append(f"{name}: partition {partition} has gaps in {sorted(new)}")
        self.hub.kill()
        self.hub.start()
        self.compare(name + ", started once more", found, snapshot(rest))

    def tear_registry(self):
        """Garbage behind the registry's journal, and its index gone: all identities are there."""
        self.restore()
        rng = random.Random(f"{self.seed}/registry")
        journals = list(self.data.rglob("*-wal"))
        for journal in journals:
            with open(journal, "ab") as file:
                file.write(noise(rng, 5000))
        for index in self.data.rglob("*-shm"):
            index.unlink()
        self.hub.start()
        rest = self.target.rest()
        for entry in self.devices.values():
            record = rest.device(entry.device)
            if record["authentication"]["symmetricKey"]["primaryKey"] != entry.key:
                self.faults.append(f"{entry.device} has another key after garbage in the journal")
        self.hub.kill()
        return bool(journals)


def run(directory, seed, turns):
    """Returns the faults and lines for the report."""
    begun = time.monotonic()
    stage = Run(directory, seed)
    try:
        for turn in range(turns):
            stage.tear(WAYS[turn % len(WAYS)], turn)
            if len(stage.faults) > 20:
                break
        had_journal = stage.tear_registry()
    finally:
        stage.hub.kill()
    return stage.faults, [
        f"{turns} tears of a log of {len(stage.events)} events in"
        f" {time.monotonic() - begun:.1f} s, {len(stage.hub.findings())} findings reported;"
        f" registry journal {'torn too' if had_journal else 'was empty'}"
    ]
