"""Writes repository.json: repositories made by python-tuf, and what its client says of them.

    python3 -m venv venv && venv/bin/pip install tuf==7.0.1 securesystemslib==1.6.0 cryptography
    venv/bin/python Core/Tests/Vectors/tuf/generate.py

Keys are made anew each time; what is in the file is public. Signatures are listed with the digest of
the bytes they are over, so that a test without cryptography can tell whether our canonical form is
the same to the byte.
"""

import copy
import hashlib
import json
import pathlib
import tempfile
from datetime import datetime, timezone

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (
    DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Role, Snapshot, TargetFile, Targets,
    Timestamp,
)
from tuf.api.serialization.json import CanonicalJSONSerializer, JSONSerializer
from tuf.ngclient import FetcherInterface, Updater
from securesystemslib.formats import encode_canonical

LATE = datetime(2100, 1, 1, tzinfo=timezone.utc)
EARLY = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
NOW = 1_800_000_000


def ed():
    return CryptoSigner(ed25519.Ed25519PrivateKey.generate())


def p256():
    return CryptoSigner(ec.generate_private_key(ec.SECP256R1()))


def rsa2048():
    return CryptoSigner(rsa.generate_private_key(65537, 2048))


def dump(metadata):
    return JSONSerializer(compact=True).serialize(metadata).decode()


ledger = {}


def note(text):
    """Remembers the good signatures of a file: those that python-tuf's own signers made."""
    data = json.loads(text)
    digest = hashlib.sha256(encode_canonical(data["signed"]).encode()).hexdigest()
    for signature in data["signatures"]:
        entry = made.get((signature["keyid"], signature["sig"]))
        if entry and entry[1] == digest:
            ledger[(entry[0], signature["sig"], digest)] = None


made = {}


class Repository:
    def __init__(self):
        self.root_keys = [ed(), p256(), rsa2048()]
        self.keys = {"timestamp": [ed()], "snapshot": [p256()], "targets": [rsa2048(), ed()]}
        self.app_keys = [ed(), ed(), p256()]
        self.bin_key = ed()
        root = Root(expires=LATE)
        for signer in self.root_keys:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = 2
        for role, signers in self.keys.items():
            for signer in signers:
                root.add_key(signer.public_key, role)
        root.roles["targets"].threshold = 2
        self.root = Metadata(root)
        targets = Targets(expires=LATE)
        targets.targets["base/system.img"] = TargetFile.from_data(
            "base/system.img", b"the system", ["sha256", "sha512"])
        targets.targets["base/system.img"].unrecognized_fields["custom"] = {
            "release": 7, "note": 'quotes " and \\ and \u00e9\u4e2d\U0001f600 and \n'}
        keys = {s.public_key.keyid: s.public_key for s in self.app_keys + [self.bin_key]}
        ids = [s.public_key.keyid for s in self.app_keys]
        roles = [
            DelegatedRole("apps", ids[:2], 2, False, paths=["apps/*/*.img", "apps/rt-?.bin"]),
            DelegatedRole("bin 0/\u00e9", [self.bin_key.public_key.keyid], 1, False,
                          path_hash_prefixes=[c for c in "01234567"]),
            DelegatedRole("last", [ids[2]], 1, True, paths=["late/*", "shared/*"]),
            DelegatedRole("never", [ids[2]], 1, False, paths=["late/*"]),
        ]
        targets.delegations = Delegations(keys, {r.name: r for r in roles})
        self.targets = {"targets": Metadata(targets)}
        apps = Targets(expires=LATE)
        apps.targets["apps/pump/pump.img"] = TargetFile.from_data("x", b"the pump", ["sha256"])
        apps.targets["apps/rt-1.bin"] = TargetFile.from_data("x", b"the core", ["sha256"])
        apps.targets["apps/not/covered.txt"] = TargetFile.from_data("x", b"no", ["sha256"])
        below = DelegatedRole("pumps", [ids[2]], 1, True, paths=["apps/pump/*"])
        apps.delegations = Delegations({ids[2]: self.app_keys[2].public_key}, {"pumps": below})
        self.targets["apps"] = Metadata(apps)
        pumps = Targets(expires=LATE)
        pumps.targets["apps/pump/more.img"] = TargetFile.from_data("x", b"more", ["sha256"])
        self.targets["pumps"] = Metadata(pumps)
        hashed = Targets(expires=LATE)
        for index in range(8):
            path = f"hashed/{index}"
            hashed.targets[path] = TargetFile.from_data("x", path.encode(), ["sha256"])
        self.targets["bin 0/\u00e9"] = Metadata(hashed)
        last = Targets(expires=LATE)
        last.targets["late/one"] = TargetFile.from_data("x", b"one", ["sha256"])
        self.targets["last"] = Metadata(last)
        never = Targets(expires=LATE)
        never.targets["late/two"] = TargetFile.from_data("x", b"two", ["sha256"])
        self.targets["never"] = Metadata(never)
        self.snapshot = Metadata(Snapshot(expires=LATE))
        self.timestamp = Metadata(Timestamp(expires=LATE))
        self.files = {}

    def signers(self, role):
        return {"root": self.root_keys, **self.keys, "apps": self.app_keys[:2],
                "pumps": self.app_keys[2:], "last": self.app_keys[2:], "never": self.app_keys[2:],
                "bin 0/\u00e9": [self.bin_key]}[role]

    def sign(self, metadata, signers, keep=False):
        if not keep:
            metadata.signatures.clear()
        payload = CanonicalJSONSerializer().serialize(metadata.signed)
        digest = hashlib.sha256(payload).hexdigest()
        for signer in signers:
            signature = metadata.sign(signer, append=True)
            public = signer.public_key.keyval["public"]
            made[(signature.keyid, signature.signature)] = (public, digest)

    def put_root(self, former=()):
        self.sign(self.root, list(self.root_keys) + [s for s in former if s not in self.root_keys])
        self.files[f"{self.root.signed.version}.root.json"] = dump(self.root)

    def put(self, role):
        metadata = self.targets[role]
        self.sign(metadata, self.signers(role))
        text = dump(metadata)
        name = role.replace(" ", "%20").replace("/", "%2F").replace("\u00e9", "%C3%A9")
        version = metadata.signed.version
        self.files[f"{version}.{name}.json"] = text
        data = text.encode()
        self.snapshot.signed.meta[f"{role}.json"] = MetaFile(
            version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})

    def put_snapshot(self, expires=LATE):
        self.snapshot.signed.expires = expires
        self.sign(self.snapshot, self.keys["snapshot"])
        self.files[f"{self.snapshot.signed.version}.snapshot.json"] = dump(self.snapshot)
        self.timestamp.signed.snapshot_meta = MetaFile(self.snapshot.signed.version)

    def put_timestamp(self, expires=LATE):
        self.timestamp.signed.expires = expires
        self.sign(self.timestamp, self.keys["timestamp"])
        self.files["timestamp.json"] = dump(self.timestamp)

    def publish(self):
        for role in self.targets:
            self.put(role)
        self.put_snapshot()
        self.put_timestamp()


PATHS = ["base/system.img", "apps/pump/pump.img", "apps/pump/more.img", "apps/rt-1.bin",
         "apps/not/covered.txt", "apps/rt-12.bin", "late/one", "late/two", "shared/x", "none"] + [
             f"hashed/{i}" for i in range(8)]


class Files(FetcherInterface):
    def __init__(self, files):
        self.files = files

    def _fetch(self, url):
        name = url.split("/m/", 1)[1]
        if name not in self.files:
            raise DownloadHTTPError("no such file", 404)
        yield self.files[name].encode()


def ask(folder, root, files):
    """What python-tuf's client says: an error's name, or the findings."""
    updater = Updater(folder, "http://h/m/", folder, "http://h/t/", fetcher=Files(files),
                      bootstrap=root.encode() if root else None)
    try:
        updater.refresh()
    except Exception as error:  # noqa: BLE001: whatever it is, it is the verdict
        return {"error": type(error).__name__}
    found = {}
    for path in PATHS:
        try:
            info = updater.get_targetinfo(path)
            found[path] = info and {"length": info.length, "hashes": dict(info.hashes)}
        except Exception as error:  # noqa: BLE001
            found[path] = {"error": type(error).__name__}
    return {"found": found}


cases = []


def case(name, root, *servers):
    """A client with this root that asks one server after the other."""
    steps = []
    with tempfile.TemporaryDirectory() as folder:
        for index, files in enumerate(servers):
            for text in files.values():
                try:
                    note(text)
                except (ValueError, KeyError, TypeError, AttributeError):
                    pass
            steps.append({"files": dict(files),
                          "verdict": ask(folder, root if index == 0 else None, files)})
    note(root)
    cases.append({"name": name, "root": root, "steps": steps})


def edited(text, change):
    data = json.loads(text)
    change(data)
    return json.dumps(data)


def main():
    repository = Repository()
    repository.put_root()
    repository.publish()
    first = dict(repository.files)
    root = first["1.root.json"]
    case("a whole repository", root, first)

    # The next state: a root with another timestamp key, a new version of one role.
    second = copy.deepcopy(repository)
    old = second.keys["timestamp"][0]
    new = ed()
    second.root.signed.version = 2
    second.root.signed.revoke_key(old.public_key.keyid, "timestamp")
    second.root.signed.add_key(new.public_key, "timestamp")
    second.keys["timestamp"] = [new]
    second.put_root()
    second.targets["apps"].signed.version = 2
    second.targets["apps"].signed.targets["apps/new/new.img"] = TargetFile.from_data(
        "x", b"new", ["sha256"])
    second.snapshot.signed.version = 2
    second.timestamp.signed.version = 2
    second.put("apps")
    second.put_snapshot()
    second.put_timestamp()
    after = dict(second.files)
    case("a rotated timestamp key and a new version", root, first, after)
    case("straight to the second state", root, after)
    case("back to the first state", root, after, first)

    # New root keys, signed by both.
    third = copy.deepcopy(second)
    former = third.root_keys
    third.root_keys = [ed(), ed()]
    for signer in former:
        third.root.signed.revoke_key(signer.public_key.keyid, "root")
    for signer in third.root_keys:
        third.root.signed.add_key(signer.public_key, "root")
    third.root.signed.version = 3
    third.put_root(former)
    case("new root keys", root, dict(third.files))
    only_new = copy.deepcopy(third)
    only_new.put_root()
    case("new root keys without the old ones' signatures", root, dict(only_new.files))
    only_old = dict(third.files)
    ids = {s.public_key.keyid for s in former}
    only_old["3.root.json"] = edited(only_old["3.root.json"], lambda d: d.update(
        signatures=[s for s in d["signatures"] if s["keyid"] in ids]))
    case("new root keys that do not sign themselves", root, only_old)
    skipped = dict(third.files)
    skipped["2.root.json"] = skipped.pop("3.root.json")
    case("a root that skips a version", root, skipped)

    def variant(name, change, base=first):
        files = dict(base)
        change(files)
        case(name, root, files)

    def drop(file, count=1):
        return lambda f: f.update({file: edited(
            f[file], lambda d: d.update(signatures=d["signatures"][count:]))})

    for file in ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.apps.json"]:
        variant(f"{file}: one signature less", drop(file))
        variant(f"{file}: not there", lambda f, file=file: f.pop(file))
        variant(f"{file}: a changed byte", lambda f, file=file: f.update(
            {file: f[file].replace("2100", "2101")}))
        variant(f"{file}: no JSON", lambda f, file=file: f.update({file: f[file][:-1]}))
    variant("a signature by the same key twice", lambda f: f.update({"timestamp.json": edited(
        f["timestamp.json"], lambda d: d["signatures"].append(d["signatures"][0]))}))
    variant("a signature too many", lambda f: f.update({"timestamp.json": edited(
        f["timestamp.json"], lambda d: d["signatures"].append({"keyid": "ab", "sig": "00"}))}))
    variant("other spelling of the same JSON", lambda f: f.update({"timestamp.json": json.dumps(
        json.loads(f["timestamp.json"]), indent=3)}))

    def resigned(name, change, roles=("snapshot", "timestamp")):
        state = copy.deepcopy(repository)
        change(state)
        if "snapshot" in roles:
            state.put_snapshot(state.snapshot.signed.expires)
        if "timestamp" in roles:
            state.put_timestamp(state.timestamp.signed.expires)
        case(name, root, dict(state.files))
        return state

    def expire(role):
        def change(state):
            {"snapshot": state.snapshot, "timestamp": state.timestamp}[role].signed.expires = EARLY
        return change

    def expire_targets(role):
        def change(state):
            state.targets[role].signed.expires = EARLY
            state.put(role)
        return change

    resigned("an expired timestamp", expire("timestamp"))
    resigned("an expired snapshot", expire("snapshot"))
    resigned("expired targets", expire_targets("targets"))
    resigned("an expired delegated role", expire_targets("apps"))
    expired = copy.deepcopy(second)
    expired.root.signed.expires = EARLY
    expired.put_root()
    case("an expired root", root, dict(expired.files))
    healed = copy.deepcopy(expired)
    healed.root.signed.version, healed.root.signed.expires = 3, LATE
    healed.put_root()
    case("an expired root on the way to a good one", root, dict(healed.files))

    def wrong_version(state):
        state.snapshot.signed.meta["targets.json"].version = 2
        state.files["2.targets.json"] = state.files["1.targets.json"]
    resigned("targets of another version than the snapshot says", wrong_version)

    def unlisted(state):
        del state.snapshot.signed.meta["apps.json"]
    resigned("a delegated role that the snapshot does not list", unlisted)

    def wrong_length(state):
        state.snapshot.signed.meta["targets.json"].length += 1
    resigned("another length than signed", wrong_length)

    def wrong_hash(state):
        state.snapshot.signed.meta["targets.json"].hashes = {"sha256": "00" * 32}
    resigned("another hash than signed", wrong_hash)

    def bare(state):
        for meta in state.snapshot.signed.meta.values():
            meta.length = meta.hashes = None
    resigned("a snapshot without lengths and hashes", bare)

    # Rollback: states that a client has seen, then older ones.
    lower = copy.deepcopy(second)
    lower.snapshot.signed.version = 3
    lower.timestamp.signed.version = 3
    lower.snapshot.signed.meta["apps.json"].version = 1
    lower.put_snapshot()
    lower.put_timestamp()
    case("a snapshot that takes a role back", root, after, dict(lower.files))
    gone = copy.deepcopy(second)
    gone.snapshot.signed.version = gone.timestamp.signed.version = 3
    del gone.snapshot.signed.meta["never.json"]
    gone.put_snapshot()
    gone.put_timestamp()
    case("a snapshot that forgets a role", root, after, dict(gone.files))
    older = copy.deepcopy(second)
    older.timestamp.signed.version = 3
    older.timestamp.signed.snapshot_meta = MetaFile(1)
    older.put_timestamp()
    case("a timestamp that takes the snapshot back", root, after, dict(older.files))
    same = dict(after)
    case("nothing new", root, after, same)

    # A thief has driven the versions up; then the keys of timestamp and snapshot are replaced.
    stolen = copy.deepcopy(second)
    stolen.snapshot.signed.version = stolen.timestamp.signed.version = 1000
    stolen.put_snapshot()
    stolen.put_timestamp()
    recovered = copy.deepcopy(second)
    recovered.root.signed.version = 3
    for role in ("timestamp", "snapshot"):
        fresh = ed()
        recovered.root.signed.revoke_key(
            recovered.keys[role][0].public_key.keyid, role)
        recovered.root.signed.add_key(fresh.public_key, role)
        recovered.keys[role] = [fresh]
    recovered.put_root()
    recovered.put_snapshot()
    recovered.put_timestamp()
    case("versions driven up, then new keys", root, dict(stolen.files), dict(recovered.files))

    out = {
        "made_by": "python-tuf 7.0.1, securesystemslib 1.6.0",
        "now": NOW,
        "texts": [],
        "signatures": [{"public": p, "sig": s, "sha256": d} for p, s, d in ledger],
        "cases": cases,
    }
    # Files are many times the same: by index.
    texts = {}
    for entry in cases:
        entry["root"] = texts.setdefault(entry["root"], len(texts))
        for step in entry["steps"]:
            step["files"] = {n: texts.setdefault(t, len(texts)) for n, t in step["files"].items()}
    out["texts"] = list(texts)
    target = pathlib.Path(__file__).with_name("repository.json")
    target.write_text(json.dumps(out, indent=0, ensure_ascii=True) + "\n")
    for entry in cases:
        print(entry["name"], [s["verdict"].get("error", "ok") for s in entry["steps"]])
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
