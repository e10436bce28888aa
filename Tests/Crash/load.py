"""Devices that publish, report and receive, and back ends that change the registry, all at once.

Every acknowledgement is noted in the ledger the moment it is read. Sending is noted before the
bytes leave, since whoever asks does not know how far a request got.
"""

import base64
import json
import random
import signal
import ssl
import threading
import time
import traceback
from collections import OrderedDict

import requests

import sas
from checker import continuation, digest, identity_path, settle_identity, take_news
from ledger import (
    DeviceLedger, FileEntry, IdentityEntry, Ledger, body, file_body, lasting, merge,
)
from mqtt_wire import PUBACK, PUBLISH, Closed, c2d_filter, packet, publish_packet, telemetry_topic

WINDOW = 16
# An acknowledgement that takes longer on a living connection is lost.
PATIENCE_SECONDS = 30
DESIRED_FILTER = "$iothub/twin/PATCH/properties/desired/#"
RESPONSE_FILTER = "$iothub/twin/res/#"


class Worker(threading.Thread):
    """A thread that goes on whatever happens to the hub, until it is told to stop."""

    pause = 0.02

    def __init__(self, target, ledger, seed, name, is_strict=True):
        super().__init__(name=name, daemon=True)
        self.target, self.ledger, self.is_strict = target, ledger, is_strict
        self.random = random.Random(f"{seed}/{name}")
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.turn()
                self.stopping.wait(self.pause * self.random.uniform(0.2, 1.8))
            except (requests.RequestException, Closed, OSError):
                self.stopping.wait(0.03)
            except Exception:  # A fault of the hub that no check foresaw, or one of this tool.
                self.ledger.fault(f"{self.name}: {traceback.format_exc()}")
                self.stopping.wait(0.2)

    def turn(self):
        raise NotImplementedError

    def count(self, what, status, expected):
        """Notes a status; anything unexpected is a fault where the disk has room."""
        self.ledger.statuses[what, status] += 1
        if status in expected:
            return True
        if self.is_strict or status < 500:
            self.ledger.fault(f"{self.name}: {what} was answered with {status}")
        return False


class Device(Worker):
    """One device with a lasting session; sends again what was not acknowledged, oldest first."""

    def __init__(self, target, ledger, seed, entry, tls, rate, is_strict=True):
        super().__init__(target, ledger, seed, entry.device, is_strict)
        self.entry, self.tls, self.period = entry, tls, 1 / rate
        self.context = ssl.create_default_context(cafile=target.ca_path) if tls else None
        self.unacknowledged = OrderedDict()
        self.number = 0
        self.topic = telemetry_topic(entry.device)

    def turn(self):
        connection, code = self.target.connect(
            self.entry.device, self.entry.key, self.tls, self.context
        )
        with connection:
            self.ledger.connects += code == 0
            if code != 0:
                self.ledger.refusals[code] += 1
                if code != 3:
                    self.ledger.fault(f"{self.name}: CONNACK {code}")
                self.stopping.wait(0.2)
                return
            self._begin(connection)
            while not self.stopping.is_set():
                self._converse(connection)

    def _begin(self, connection):
        self.connection, self.inflight, self.identifier = connection, OrderedDict(), 0
        self.is_twin_known, self.next_send, self.next_patch = False, 0.0, 0.0
        if self.entry.is_subscribed:
            if not connection.session_present:
                self.ledger.fault(f"{self.name}: the session with its subscriptions is gone")
        filters = (c2d_filter(self.entry.device), RESPONSE_FILTER, DESIRED_FILTER)
        if not self.entry.is_subscribed or not connection.session_present:
            granted = connection.subscribe(*filters)
            # 0x80 is how a hub says that it could not remember the subscriptions.
            if granted == [1, 1, 1]:
                self.entry.is_subscribed = True
            elif self.is_strict:
                self.ledger.fault(f"{self.name}: SUBACK {granted}")
            else:
                raise Closed("not subscribed")
        self._send([("get", None, "$iothub/twin/GET/?$rid=get", b"", False)])
        again = list(self.unacknowledged)
        self._send([("event", n, self.topic, body(self.name, n), True) for n in again])

    def _send(self, messages):
        out = bytearray()
        for kind, number, topic, payload, is_repeated in messages:
            self.identifier = self.identifier % 65535 + 1
            self.inflight[self.identifier] = kind, number, time.monotonic()
            if kind == "event":
                self.entry.attempts[number] += 1
                self.unacknowledged[number] = True
            out += publish_packet(
                topic, payload, identifier=self.identifier, dup=is_repeated
            )
        if out:
            self.connection.stream.settimeout(PATIENCE_SECONDS)
            self.connection.send(bytes(out))

    def _converse(self, connection):
        now = time.monotonic()
        if now >= self.next_send:
            room = WINDOW - len(self.unacknowledged)
            burst = min(room, self.random.randint(1, WINDOW))
            numbers = range(self.number, self.number + burst)
            self.number += burst
            self._send([("event", n, self.topic, body(self.name, n), False) for n in numbers])
            self.next_send = now + max(1, burst) * self.period
        if now >= self.next_patch and self.is_twin_known and self.entry.reported.pending is None:
            patch = self.entry.reported.propose()
            number = self.entry.reported.proposals
            topic = f"$iothub/twin/PATCH/properties/reported/?$rid={number}"
            self._send([("patch", number, topic, json.dumps(patch).encode(), False)])
            self.next_patch = now + self.random.uniform(0.02, 0.2)
        wait = min(0.1, max(0.0, self.next_send - now))
        try:
            while True:
                self._take(connection.publishes.pop(0) if connection.publishes
                           else connection.read(wait))
                wait = 0.0
        except TimeoutError:
            pass
        if self.inflight:
            kind, number, sent = next(iter(self.inflight.values()))
            if time.monotonic() - sent > PATIENCE_SECONDS and not self.stopping.is_set():
                self.ledger.fault(f"{self.name}: no PUBACK of {kind} {number} on a living link")
                raise Closed("no PUBACK")

    def _take(self, found):
        if getattr(found, "kind", None) == PUBACK:
            self._acknowledged(int.from_bytes(found.body, "big"))
            return
        publish = found.publish() if getattr(found, "kind", None) == PUBLISH else found
        if not hasattr(publish, "topic"):
            raise AssertionError(f"unexpected {found}")
        complaint = self._arrived(publish)
        if publish.qos:
            self.connection.send(packet(PUBACK, publish.identifier.to_bytes(2, "big")))
        if complaint:
            self.ledger.fault(f"{self.name}: {complaint}")

    def _acknowledged(self, identifier):
        if identifier not in self.inflight:
            raise AssertionError(f"PUBACK of {identifier}, which is not under way")
        kind, number, _ = self.inflight.pop(identifier)
        if kind == "event":
            self.entry.acknowledged.add(number)
            del self.unacknowledged[number]
        elif kind == "patch" and self.is_strict:
            # The response may have come first, and another change may be under way by now.
            reported = self.entry.reported
            if reported.pending is not None and number == reported.proposals:
                reported.note_acknowledged()

    def _arrived(self, publish):
        """Takes a message from the hub; returns what is wrong with it, or None."""
        topic = publish.topic
        if topic.startswith("devices/"):
            return self.entry.arrive(publish.payload)
        if topic.startswith("$iothub/twin/PATCH/"):
            # What a device was told is as good as acknowledged.
            section, version = self.entry.desired, json.loads(publish.payload)["$version"]
            section.notified_version = max(section.notified_version, version)
            return None
        status = int(topic.removeprefix("$iothub/twin/res/").split("/")[0])
        reported = self.entry.reported
        if "$rid=get" in topic:
            if not self.count("twin GET", status, {200}):
                raise Closed("no twin")
            twin = json.loads(publish.payload)
            self.is_twin_known = True
            if twin["desired"]["$version"] < self.entry.desired.notified_version:
                return f"desired version {twin['desired']['$version']} went back"
            return prefixed("reported properties: ", reported.settle(twin["reported"]))
        if f"$rid={reported.proposals}" not in topic.split("?")[1].split("&"):
            return f"answer to another request: {topic}"
        if not self.count("reported PATCH", status, {204}):
            reported.refuse()
            raise Closed("asks for the twin on a new connection")
        version = int(topic.rsplit("$version=", 1)[1])
        reported.note_acknowledged()
        return prefixed("reported PATCH: ", reported.settle(
            {**expected_document(reported), "$version": version}
        ))


def expected_document(section):
    """What a section holds once its pending change is applied."""
    return merge(section.document, section.pending or {})


def prefixed(prefix, text):
    return None if text is None else prefix + text


class DesiredWriter(Worker):
    """A back end that changes desired properties."""

    def __init__(self, target, ledger, seed, name, entries, is_strict=True):
        super().__init__(target, ledger, seed, name, is_strict)
        self.entries, self.rest = entries, target.rest()

    def turn(self):
        entry = self.random.choice(self.entries)
        section = entry.desired
        if section.pending is not None:
            twin = self.rest.twin(entry.device)
        else:
            patch = {"properties": {"desired": section.propose()}}
            answer = self.rest.call("PATCH", f"/twins/{entry.device}", json=patch)
            if not self.count("desired PATCH", answer.status_code, {200}):
                return
            section.note_acknowledged()
            twin = answer.json()
        if complaint := section.settle(twin["properties"]["desired"]):
            self.ledger.fault(f"{entry.device}: desired properties: {complaint}")


class IdentityWriter(Worker):
    """A back end that creates, disables and deletes devices and modules."""

    pause = 0.03

    def __init__(self, target, ledger, seed, name, is_strict=True):
        super().__init__(target, ledger, seed, name, is_strict)
        self.rest, self.created, self.unknown = target.rest(), 0, None

    def turn(self):
        if self.unknown is not None:
            answer = self.rest.call("GET", identity_path(self.unknown), expect={200, 404})
            self._settle(self.unknown, answer.json() if answer.status_code == 200 else None)
        name, verb = self._choose()
        entry = self.ledger.identities[name]
        entry.pending, self.unknown = verb, name
        if verb == "delete":
            answer = self._call("DELETE", name, {204}, headers={"If-Match": "*"})
            found = None
        elif verb == "update":
            record = {**entry.record, "status": "disabled", "statusReason": "by the test"}
            answer = self._call("PUT", name, {200}, json=record, headers={"If-Match": "*"})
            found = answer and answer.json()
        else:
            device, _, module = name.partition("/")
            record = {"deviceId": device} | ({"moduleId": module} if module else {})
            answer = self._call("PUT", name, {200}, json=record)
            found = answer and answer.json()
        if answer is None:
            return
        # Acknowledged: from now on it is so, whatever was there before.
        entry.record, entry.pending = None if found is None else lasting(found), None
        self.unknown = None

    def _call(self, method, name, expected, **options):
        answer = self.rest.call(method, identity_path(name), **options)
        return answer if self.count(f"{method} identity", answer.status_code, expected) else None

    def _settle(self, name, found):
        self.unknown = None
        if complaint := settle_identity(self.ledger.identities[name], found):
            self.ledger.fault(f"identity {name}: {complaint}")

    def _choose(self):
        alive = [name for name, entry in self.ledger.identities.items() if entry.record]
        verb = self.random.choices(["create", "module", "update", "delete"], [60, 15, 15, 10])[0]
        devices = [name for name in alive if "/" not in name]
        enabled = [name for name in devices
                   if self.ledger.identities[name].record["status"] == "enabled"]
        childless = [name for name in alive
                     if "/" in name or not any(other.startswith(name + "/") for other in alive)]
        choices = {"module": devices, "update": enabled, "delete": childless}.get(verb, [])
        if verb in ("update", "delete") and choices:
            return self.random.choice(choices), verb
        self.created += 1
        name = f"made-{self.created}"
        if verb == "module" and devices:
            name = f"{self.random.choice(devices)}/m{self.created}"
        self.ledger.identities[name] = IdentityEntry()
        return name, "create"


class CommandSender(Worker):
    """A back end that sends commands; some of their devices sleep until the end."""

    SLEEPERS_LIMIT = 40

    def __init__(self, target, ledger, seed, name, entries, sleepers, is_strict=True):
        super().__init__(target, ledger, seed, name, is_strict)
        self.entries, self.sleepers, self.rest = entries, sleepers, target.rest()

    def turn(self):
        entry = self.random.choice(self.entries)
        if self.sleepers and self.random.random() < 0.2:
            entry = self.random.choice(self.sleepers)
            if entry.offered >= self.SLEEPERS_LIMIT:
                return
        entry.offered += 1
        number = entry.offered
        answer = self.rest.call(
            "POST", f"/devices/{entry.device}/messages/deviceBound",
            data=b"command %s %d" % (entry.device.encode(), number),
            headers={"iothub-messageid": f"{entry.device}-{number}"},
        )
        # 403: fifty wait already.
        if self.count("POST command", answer.status_code, {201, 403}):
            if answer.status_code == 201:
                entry.accepted.add(number)


class Uploader(Worker):
    """Devices that upload files, at once or in blocks, over those that are there."""

    def __init__(self, target, ledger, seed, name, entries, is_strict=True):
        super().__init__(target, ledger, seed, name, is_strict)
        self.entries, self.rest, self.made = entries, target.rest(), 0

    def turn(self):
        name = self._choose()
        device, _, blob = name.partition("/")
        entry, token = self.ledger.files[name], self._token(device)
        answer = self.rest.call(
            "POST", f"/devices/{device}/files", json={"blobName": blob}, token=token
        )
        # 403: ten uploads whose answers were lost are open until their hour is over.
        if not self.count("POST files", answer.status_code, {200, 403}) or not answer.ok:
            return
        upload = answer.json()
        url = "/{containerName}/{blobName}{sasToken}".format(**upload)
        number = entry.written
        # Until it is acknowledged nobody else may write it: an answer may be lost on its way.
        entry.written, entry.is_doubtful = number + 1, True
        is_written = self._put(url, file_body(name, number))
        if is_written:
            entry.acknowledged, entry.is_doubtful = number, False
        answer = self.rest.call(
            "POST", f"/devices/{device}/files/notifications", token=token,
            json={"correlationId": upload["correlationId"], "isSuccess": is_written},
        )
        if self.count("POST notifications", answer.status_code, {204}) and is_written:
            entry.completed += 1

    def _choose(self):
        sound = [name for name, entry in self.ledger.files.items() if not entry.is_doubtful]
        if len(sound) > 5:
            return self.random.choice(sound)
        name = f"{self.random.choice(self.entries).device}/file-{self.made}"
        self.made += 1
        self.ledger.files[name] = FileEntry()
        return name

    def _token(self, device):
        resource = f"{self.target.host}/devices/{device}"
        return sas.token(resource, self.ledger.devices[device].key)

    def _put(self, url, content):
        """Whether the file is there now, as far as the hub has said so."""
        if self.random.random() < 0.5:
            return self._request("PUT file", url, content, {"x-ms-blob-type": "BlockBlob"})
        size = max(1, len(content) // 3)
        blocks = [content[at : at + size] for at in range(0, len(content), size)]
        ids = [base64.b64encode(b"%03d" % number).decode() for number in range(len(blocks))]
        for block, identifier in zip(blocks, ids):
            if not self._request("PUT block", f"{url}&comp=block&blockid={identifier}", block):
                return False
        names = "".join(f"<Latest>{identifier}</Latest>" for identifier in ids)
        return self._request(
            "PUT file", f"{url}&comp=blocklist", f"<BlockList>{names}</BlockList>".encode()
        )

    def _request(self, what, url, data, headers=None):
        answer = self.rest.call(
            "PUT", url, data=data, headers=headers, api_version=None, token=False
        )
        return self.count(what, answer.status_code, {201})


class NewsReader(Worker):
    """A back end that is told of uploads, and reads each file that it is told of."""

    def __init__(self, target, ledger, seed, name, is_strict=True):
        super().__init__(target, ledger, seed, name, is_strict)
        self.rest = target.rest()

    def turn(self):
        if take_news(self.rest, self.ledger, self.count) is None:
            self.stopping.wait(0.2)


class Reader(Worker):
    """A live reader: what it has seen must stay."""

    pause = 0.1

    def __init__(self, target, ledger, seed, name):
        super().__init__(target, ledger, seed, name)
        self.rest, self.place = target.rest(), {"from": "earliest"}

    def turn(self):
        answer = self.rest.call(
            "GET", "/events", params={"partition": "all", "timeout": 1, "max": 500, **self.place}
        )
        if not self.count("GET events", answer.status_code, {200}):
            return
        page = answer.json()
        self.place = continuation(page)
        for event in page["events"]:
            self.ledger.seen[str(event["partition"]), int(event["sequenceNumber"])] = digest(event)


def crew(target, ledger, seed, rates, tls_count, sleeper_count, is_strict=True):
    """All workers of a run; the last `sleeper_count` devices never connect."""
    entries = list(ledger.devices.values())
    awake = entries[: len(entries) - sleeper_count]
    sleepers = entries[len(awake) :]
    workers = [
        Device(target, ledger, seed, entry, index < tls_count, rates[index], is_strict)
        for index, entry in enumerate(awake)
    ]
    half = len(entries) // 2
    workers += [
        DesiredWriter(target, ledger, seed, "desired writer 1", entries[:half], is_strict),
        DesiredWriter(target, ledger, seed, "desired writer 2", entries[half:], is_strict),
        IdentityWriter(target, ledger, seed, "identity writer", is_strict),
        CommandSender(target, ledger, seed, "command sender", awake[:8], sleepers, is_strict),
    ]
    workers += [
        Uploader(target, ledger, seed, "uploader", awake, is_strict),
        NewsReader(target, ledger, seed, "news reader", is_strict),
    ]
    if is_strict:
        workers.append(Reader(target, ledger, seed, "reader"))
    return workers


def stop(workers):
    """Stops all and waits; what is under way stays unacknowledged."""
    for worker in workers:
        worker.stopping.set()
    for worker in workers:
        worker.join(PATIENCE_SECONDS + 10)
        assert not worker.is_alive(), f"{worker.name} does not stop"


def create_devices(rest, names):
    """Registers devices and returns their empty accounts."""
    devices = {}
    for name in names:
        record = rest.create_device(name)
        devices[name] = DeviceLedger(name, record["authentication"]["symmetricKey"]["primaryKey"])
    return devices


def main(pipe, target, devices, seed, rates, tls_count, sleeper_count):
    """A load process: works until the pipe says so, then hands the ledger over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ledger = Ledger(devices)
    workers = crew(target, ledger, seed, rates, tls_count, sleeper_count)
    for worker in workers:
        worker.start()
    try:
        while pipe.recv() != "stop":
            pipe.send((ledger.acknowledged_events, len(ledger.faults)))
    except EOFError:
        return
    stop(workers)
    pipe.send(ledger)
