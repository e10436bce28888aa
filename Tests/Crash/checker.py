"""Compares what a hub holds with what it had acknowledged."""

import json
import time
import zlib
from collections import Counter, defaultdict
from urllib.parse import quote

from events import body_of
from ledger import body, lasting
from mqtt_wire import c2d_filter

EXAMPLES = 8


def some(items):
    """The first few of many, for a report."""
    items = sorted(items)
    return ", ".join(map(str, items[:EXAMPLES])) + (" …" if len(items) > EXAMPLES else "")


def read_events(rest, limit=1000):
    """Every event from the earliest on, in the order of the answers."""
    parameters = {"partition": "all", "from": "earliest", "timeout": 0, "max": limit}
    while True:
        answer = rest.call("GET", "/events", params=parameters, timeout=60, expect=200).json()
        yield from answer["events"]
        if not answer["events"]:
            return
        parameters = {"partition": "all", "timeout": 0, "max": limit, **continuation(answer)}


def continuation(answer):
    """The parameter that goes on behind an answer."""
    following = answer.get("continuation", answer["next"])
    return {
        "continuation": following if isinstance(following, str) else json.dumps(following)
    }


def digest(event):
    """What tells one event from another."""
    device = event["annotations"].get("iothub-connection-device-id")
    return int(event["offset"]), device, zlib.crc32(body_of(event))


class EventAudit:
    """Takes the whole stream, event by event, and judges it at the end."""

    def __init__(self, ledger, first_numbers=None):
        self.ledger = ledger
        self.stored = defaultdict(list)
        self.partitions = {}
        self.next_number = dict(first_numbers or {})
        self.last = {}
        self.unseen = dict(ledger.seen)
        self.found, self.count, self.duplicates = [], 0, 0

    def complain(self, text):
        if len(self.found) < 100:
            self.found.append(text)

    def add(self, event):
        self.count += 1
        partition, number = str(event["partition"]), int(event["sequenceNumber"])
        offset = int(event["offset"])
        expected = self.next_number.get(partition, 0)
        if number != expected:
            self.complain(f"partition {partition}: number {number} follows {expected - 1}")
        self.next_number[partition] = number + 1
        last_offset, last_time = self.last.get(partition, (-1, ""))
        if offset <= last_offset:
            self.complain(f"partition {partition}: offset {offset} follows {last_offset}")
        if event["enqueuedTime"] < last_time:
            self.complain(f"partition {partition}: time runs back at number {number}")
        self.last[partition] = offset, event["enqueuedTime"]
        was = self.unseen.pop((partition, number), None)
        if was is not None and was != digest(event):
            self.complain(f"partition {partition}: number {number} is not what a reader saw")
        if event["annotations"].get("iothub-message-source") == "Telemetry":
            self._add_telemetry(event, partition)

    def _add_telemetry(self, event, partition):
        device = event["annotations"]["iothub-connection-device-id"]
        if self.partitions.setdefault(device, partition) != partition:
            self.complain(f"{device}: events in partitions {partition} and others")
        try:
            content = body_of(event)
            number = int(content.split(b" ", 2)[1])
            is_known = device in self.ledger.devices and content == body(device, number)
        except (ValueError, IndexError):
            is_known = False
        if not is_known:
            self.complain(f"{device}: event {event['sequenceNumber']} has a body nobody sent")
            return
        self.stored[device].append(number)

    def faults(self):
        """Everything that is wrong; call once, at the end."""
        for key in sorted(self.unseen)[:EXAMPLES]:
            self.complain(f"partition {key[0]}: number {key[1]} was read once and is gone")
        for device, ledger in self.ledger.devices.items():
            self._judge(device, ledger, self.stored.get(device, []))
        return self.found

    def _judge(self, device, ledger, stored):
        times = Counter(stored)
        lost = ledger.acknowledged - times.keys()
        if lost:
            self.complain(f"{device}: {len(lost)} acknowledged events are lost: {some(lost)}")
        first = list(dict.fromkeys(stored))
        wrong = [b for a, b in zip(first, first[1:]) if b < a]
        if wrong:
            self.complain(f"{device}: out of order at {some(wrong)}")
        for number, count in times.items():
            self.duplicates += count - 1
            if count > ledger.attempts[number]:
                self.complain(
                    f"{device}: number {number} was sent {ledger.attempts[number]} times"
                    f" and is stored {count} times"
                )


def check_twins(rest, ledger):
    """Both sides of every twin are what was acknowledged, or one unacknowledged change ahead."""
    for device, entry in ledger.devices.items():
        properties = rest.twin(device)["properties"]
        for name, section in (("reported", entry.reported), ("desired", entry.desired)):
            if complaint := section.settle(properties[name]):
                yield f"{device}: {name} properties: {complaint}"


def settle_identity(entry, found):
    """Compares an identity, `None` if absent, with its entry; returns what is wrong, or None."""
    found = None if found is None else lasting(found)
    pending, entry.pending = entry.pending, None
    if found == entry.record:
        return None
    old, entry.record = entry.record, found
    # What was under way may have happened, and that alone.
    if pending == "create" and old is None and found is not None:
        return None
    if pending == "delete" and found is None:
        return None
    if pending == "update" and found is not None and old is not None:
        changing = ("status", "statusReason", "statusUpdatedTime", "etag")
        if all(found[key] == old[key] for key in old if key not in changing):
            return None
    return f"{found} is there, expected {old}" + (f" after {pending}" if pending else "")


def identity_path(identity):
    """The path of a device, or of a module written `device/module`."""
    device, _, module = identity.partition("/")
    return f"/devices/{device}/modules/{module}" if module else f"/devices/{device}"


def check_identities(rest, ledger):
    """Every acknowledged identity is there as it was; every deleted one is gone."""
    for identity, entry in ledger.identities.items():
        answer = rest.call("GET", identity_path(identity), expect={200, 404})
        found = answer.json() if answer.status_code == 200 else None
        if complaint := settle_identity(entry, found):
            yield f"identity {identity}: {complaint}"
    expected = len(ledger.devices) + sum(
        entry.record is not None for name, entry in ledger.identities.items() if "/" not in name
    )
    total = rest.call("GET", "/statistics/devices", expect=200).json()["totalDeviceCount"]
    if total != expected:
        yield f"statistics count {total} devices, there are {expected}"


def read_file(rest, name):
    """The content of an uploaded file, None where there is none."""
    path = f"/files/uploads/{quote(name, safe='')}"
    answer = rest.call("GET", path, expect={200, 404})
    return answer.content if answer.status_code == 200 else None


def take_news(rest, ledger, count=lambda what, status, expected: status in expected):
    """Takes and completes the next news of an upload, and answers the file; None if there is none."""
    path = "/messages/serviceBound/filenotifications"
    answer = rest.call("GET", path)
    if not count("GET news", answer.status_code, {200, 204}) or answer.status_code == 204:
        return None
    news = answer.json()
    name = news["blobName"]
    ledger.files[name].told.add(news["enqueuedTimeUtc"])
    # Before anybody is told of a file, it is durable; it may have been written again since.
    if read_file(rest, name) is None:
        ledger.fault(f"file {name}: a service was told of it, and it is not there")
    token = answer.headers["ETag"].strip('"')
    # 412: a hub that was started anew has forgotten who holds what; the news comes again.
    count("DELETE news", rest.call("DELETE", f"{path}/{token}").status_code, {204, 412})
    return name


def check_files(rest, ledger):
    """Every acknowledged file is there, whole, and a service was told of each completed upload."""
    while take_news(rest, ledger) is not None:
        pass
    for name, entry in ledger.files.items():
        if complaint := entry.complaint(name, read_file(rest, name)):
            yield complaint
        # There may be more: the answer of a completed upload may have been lost.
        if len(entry.told) < entry.completed:
            yield f"file {name}: {entry.completed} uploads completed, {len(entry.told)} told"


def check_folder(hub, seconds=10):
    """What broken writes left behind goes: the folder has what the hub counts, and nothing else."""
    def sizes():
        try:
            return [path.stat().st_size for path in (hub.data / "files").iterdir()]
        except FileNotFoundError:  # It was just removed.
            return []

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pages = sum(max(1, -(-size // 4096)) for size in sizes())
        if (counted := hub.metric("orrery_files_bytes")) == 4096 * pages:
            return
        time.sleep(0.2)
    yield f"the files take {4096 * pages} bytes, and {counted} are counted"


def drain_commands(target, entry, quiet=2.0, limit=20.0):
    """Connects as the device and takes what waits for it; yields what is wrong."""
    connection, code = target.connect(entry.device, entry.key)
    if code != 0:
        yield f"{entry.device}: CONNACK {code} at the end"
        return
    with connection:
        if entry.is_subscribed and not connection.session_present:
            yield f"{entry.device}: the session of an acknowledged subscription is gone"
        connection.subscribe(c2d_filter(entry.device))
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            is_complete = entry.accepted <= set(entry.arrived)
            try:
                publish = connection.expect_publish(0.2 if is_complete else quiet)
            except TimeoutError:
                break
            if "/messages/devicebound/" in publish.topic:
                if complaint := entry.arrive(publish.payload):
                    yield complaint
        connection.ping()
    lost = entry.accepted - set(entry.arrived)
    if lost:
        yield f"{entry.device}: {len(lost)} accepted commands are lost: {some(lost)}"
    wrong = [b for a, b in zip(entry.arrived, entry.arrived[1:]) if b < a]
    if wrong:
        yield f"{entry.device}: commands first arrived out of order at {some(wrong)}"


def check_all(target, ledger):
    """Everything; returns the faults and the audit of the events."""
    rest = target.rest()
    audit = EventAudit(ledger)
    for event in read_events(rest):
        audit.add(event)
    faults = ledger.faults + audit.faults()
    faults += check_twins(rest, ledger)
    faults += check_identities(rest, ledger)
    faults += check_files(rest, ledger)
    for entry in ledger.devices.values():
        faults += drain_commands(target, entry)
    return faults, audit
