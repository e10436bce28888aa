"""The checker must find what it looks for: every kind of loss, planted in a sound account."""

import base64
import copy

from checker import EventAudit, settle_identity
from ledger import (
    DeviceLedger, FileEntry, IdentityEntry, Ledger, Section, body, file_body, merge,
)


def event(device, number, sequence, partition=0):
    return {
        "partition": partition, "sequenceNumber": sequence, "offset": str(1000 + 100 * sequence),
        "enqueuedTime": f"2026-01-01T00:00:{sequence:02}.000Z",
        "annotations": {
            "iothub-connection-device-id": device, "iothub-message-source": "Telemetry",
        },
        "bodyEncoding": "base64", "body": base64.b64encode(body(device, number)).decode(),
    }


def sound():
    """Numbers 0 to 4; 2 and 3 sent twice, 4 stored though never acknowledged."""
    entry = DeviceLedger("d", "key")
    entry.attempts.update({0: 1, 1: 1, 2: 2, 3: 2, 4: 1, 5: 1})
    entry.acknowledged.update({0, 1, 2, 3})
    events = [event("d", number, at) for at, number in enumerate([0, 1, 2, 3, 2, 3, 4])]
    return Ledger({"d": entry}), events


def complaints(ledger, events):
    audit = EventAudit(ledger)
    for found in events:
        audit.add(found)
    return audit.faults()


def numbered(events):
    """The events with fresh numbers, so that only the planted fault shows."""
    events = copy.deepcopy(events)
    for at, found in enumerate(events):
        found |= {"sequenceNumber": at, "offset": str(1000 + 100 * at),
                  "enqueuedTime": f"2026-01-01T00:00:{at:02}.000Z"}
    return events


def planted():
    """Name of a fault → the complaints about it."""
    ledger, events = sound()
    assert complaints(ledger, events) == [], complaints(ledger, events)
    yield "lost", complaints(ledger, numbered(events[:1] + events[2:]))
    yield "gap", complaints(ledger, events[:6] + [event("d", 4, 7)])
    yield "does not begin at 0", complaints(ledger, [event("d", 0, 1)])
    swapped = [events[1], events[0], *events[2:]]
    yield "order", complaints(ledger, numbered(swapped))
    yield "duplicate of what was sent once", complaints(
        ledger, numbered([*events, event("d", 1, 0)])
    )
    changed = copy.deepcopy(events)
    changed[1]["body"] = base64.b64encode(b"d 1 x").decode()
    yield "body", complaints(ledger, changed)
    moved = copy.deepcopy(events)
    moved[6] |= {"partition": 1, "sequenceNumber": 0}
    yield "two partitions", complaints(ledger, moved)
    backwards = copy.deepcopy(events)
    backwards[6]["offset"] = "7"
    yield "offset", complaints(ledger, backwards)
    ledger.seen = {("0", 9): (1900, "d", 0)}
    yield "seen and gone", complaints(ledger, events)
    yield from twins()
    yield from identities()
    yield from files()


def twins():
    section = Section()
    section.propose()
    future = merge({}, section.pending)
    assert copy.deepcopy(section).settle({"$version": 1}) is None
    assert copy.deepcopy(section).settle({"$version": 2, **future}) is None
    yield "version without change", [copy.deepcopy(section).settle({"$version": 2})]
    yield "half a change", [copy.deepcopy(section).settle({"$version": 2, "n": 1})]
    section.note_acknowledged()
    yield "acknowledged change", [copy.deepcopy(section).settle({"$version": 1})]
    section = Section(notified_version=2)
    yield "announced change", [section.settle({"$version": 1})]


def identities():
    record = {"deviceId": "d", "status": "enabled", "etag": "1", "generationId": "1"}
    assert settle_identity(IdentityEntry(dict(record)), {**record, "lastActivityTime": "x"}) is None
    assert settle_identity(IdentityEntry(None, "create"), record) is None
    assert settle_identity(IdentityEntry(dict(record), "delete"), None) is None
    disabled = {**record, "status": "disabled", "etag": "2"}
    assert settle_identity(IdentityEntry(dict(record), "update"), disabled) is None
    yield "identity lost", [settle_identity(IdentityEntry(dict(record)), None)]
    yield "identity back", [settle_identity(IdentityEntry(None), record)]
    yield "identity changed", [settle_identity(IdentityEntry(dict(record)), disabled)]
    other = {**disabled, "generationId": "2"}
    yield "identity replaced", [settle_identity(IdentityEntry(dict(record), "update"), other)]


def files():
    contents = [None, *(file_body("d/x", number) for number in range(3))]
    assert FileEntry().complaint("d/x", None) is None
    assert FileEntry(written=1).complaint("d/x", contents[1]) is None
    assert FileEntry(written=1).complaint("d/x", None) is None
    assert FileEntry(written=3, acknowledged=1).complaint("d/x", contents[2]) is None
    assert FileEntry(written=3, acknowledged=1).complaint("d/x", contents[3]) is None
    known = FileEntry(written=2, acknowledged=1)
    assert known.complaint("d/x", contents[2]) is None
    yield "file lost", [known.complaint("d/x", None)]
    yield "older file", [known.complaint("d/x", contents[1])]
    yield "half a file", [known.complaint("d/x", contents[2][:-1])]
    yield "file that nobody sent", [FileEntry().complaint("d/x", b"")]


def run():
    """Returns the faults and a line for the report."""
    found = list(planted())
    return (
        [f"the checker does not see: {name}" for name, seen in found if not any(seen)],
        [f"the checker sees {len(found)} planted faults"],
    )


if __name__ == "__main__":
    print(run())
