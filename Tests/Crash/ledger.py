"""What was asked of the hub, and what it acknowledged."""

import zlib
from collections import Counter
from dataclasses import dataclass, field


def body(device, number):
    """The telemetry body that `device` sends as its `number`th; some are large."""
    mark = zlib.crc32(f"{device}/{number}".encode())
    size = 150 + mark % 250
    if mark % 150 == 0:
        size = 20_000
    if mark % 701 == 0:
        size = 150_000
    text = b"%s %d " % (device.encode(), number)
    return (text + b"%08x" % mark * (size // 8))[:size]


def file_body(name, number):
    """The content that the file `name` gets with its `number`th write."""
    mark = zlib.crc32(f"{name}/{number}".encode())
    text = b"%s %d " % (name.encode(), number)
    return text + b"%08x" % mark * (mark % 40_000 // 8)


def merge(document, patch):
    """RFC 7396, for objects."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = merge(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result


def plain(section):
    """A section of a twin without what the hub adds."""
    return {key: value for key, value in section.items() if not key.startswith("$")}


@dataclass
class Section:
    """One side of a twin with one writer: what it is, and what it may have become.

    While a change is pending the hub may show the old state or the new one; once the change was
    acknowledged, the new one alone.
    """

    version: int = 1
    document: dict = field(default_factory=dict)
    pending: dict | None = None
    is_pending_acknowledged: bool = False
    proposals: int = 0
    acknowledged: int = 0
    notified_version: int = 0

    def propose(self):
        """The next change: it sets, nests and deletes."""
        self.proposals += 1
        number = self.proposals
        self.pending = {
            "n": number, f"k{number % 5}": number, f"k{(number + 2) % 5}": None,
            "deep": {"n": number, f"d{number % 3}": str(number), f"d{(number + 1) % 3}": None},
        }
        self.is_pending_acknowledged = False
        return self.pending

    def note_acknowledged(self):
        """The pending change is durable, says the hub."""
        if not self.is_pending_acknowledged:
            self.is_pending_acknowledged = True
            self.acknowledged += 1

    def refuse(self):
        """The hub refused the pending change; what it shows next decides."""
        self.is_pending_acknowledged = False

    def settle(self, section):
        """Takes what the hub shows; returns what is wrong with it, or None."""
        found = section.get("$version"), plain(section)
        allowed = [] if self.pending and self.is_pending_acknowledged else [self.state]
        if self.pending is not None:
            allowed.append((self.version + 1, merge(self.document, self.pending)))
        # What is there is the basis of the next change in any case: a loss is told once.
        (self.version, self.document), self.pending = found, None
        self.is_pending_acknowledged = False
        if found not in allowed:
            expected = " or ".join(f"version {version} with {text}" for version, text in allowed)
            return f"version {found[0]} with {found[1]}, expected {expected}"
        if found[0] < self.notified_version:
            return f"version {found[0]}, but {self.notified_version} was announced"
        return None

    @property
    def state(self):
        """Version and content without what is pending."""
        return self.version, self.document


@dataclass
class DeviceLedger:
    """Everything between one device and the hub."""

    device: str
    key: str
    # Telemetry: times each number was sent, and the numbers that got a PUBACK.
    attempts: Counter = field(default_factory=Counter)
    acknowledged: set = field(default_factory=set)
    reported: Section = field(default_factory=Section)
    desired: Section = field(default_factory=Section)
    # Cloud to device: numbers that were offered, accepted, and that arrived, in order.
    offered: int = 0
    accepted: set = field(default_factory=set)
    arrived: list = field(default_factory=list)
    repeated: int = 0
    is_subscribed: bool = False

    def arrive(self, payload):
        """A cloud-to-device message; returns what is wrong with it, or None."""
        word, device, number = payload.split()
        if word != b"command" or device.decode() != self.device or int(number) > self.offered:
            return f"{self.device} got {payload!r}, which nobody sent"
        if int(number) in self.arrived:
            self.repeated += 1
        else:
            self.arrived.append(int(number))
        return None


@dataclass
class IdentityEntry:
    """One identity that comes, changes and goes; `None` as record means that it must be absent."""

    record: dict | None = None
    pending: str | None = None


@dataclass
class FileEntry:
    """One uploaded file; a writer goes on with it only once it knows what became of its last write."""

    # Writes that were begun, and the last of them that was acknowledged.
    written: int = 0
    acknowledged: int | None = None
    is_doubtful: bool = False
    # Uploads of it that the hub took as completed, and the times in the news of them.
    completed: int = 0
    told: set = field(default_factory=set)

    def complaint(self, name, content):
        """What is wrong with `content`, `None` where there is no file; or None."""
        possible = [self.acknowledged]
        if self.acknowledged != self.written - 1 and self.written:
            possible.append(self.written - 1)
        if content in [None if n is None else file_body(name, n) for n in possible]:
            return None
        found = "nothing" if content is None else f"{len(content)} bytes that begin {content[:40]}"
        return f"file {name}: {found}, expected write {' or '.join(map(str, possible))}"


VOLATILE = (
    "connectionState", "connectionStateUpdatedTime", "lastActivityTime",
    "cloudToDeviceMessageCount",
)


def lasting(record):
    """An identity without what changes by use."""
    return {key: value for key, value in record.items() if key not in VOLATILE}


@dataclass
class Ledger:
    """The whole account; what the load process hands to the checker."""

    devices: dict
    identities: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    # (partition, sequence number) → (offset, device, CRC of the body), as a live reader saw it.
    seen: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    connects: int = 0
    refusals: Counter = field(default_factory=Counter)

    def fault(self, text):
        """Something the hub must not do, whatever happens later."""
        if len(self.faults) < 50:
            self.faults.append(text)

    @property
    def acknowledged_events(self):
        return sum(len(device.acknowledged) for device in self.devices.values())
