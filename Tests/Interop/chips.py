"""TPM 2.0 chips: one in Python that has what provisioning needs, and swtpm by its tools."""

import hashlib
import hmac
import os
import shutil
import socket
import struct
import subprocess

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from waiting import wait_until

STORAGE_KEY = 0x00030072


def sized(data):
    return struct.pack(">H", len(data)) + data


def split(data, count):
    """The sized parts at the beginning, without their sizes; nothing may be left."""
    parts = []
    for _ in range(count):
        (size,) = struct.unpack(">H", data[:2])
        parts.append(data[2:2 + size])
        assert len(parts[-1]) == size
        data = data[2 + size:]
    assert data == b""
    return parts


def name_of(area):
    return struct.pack(">H", 0x000B) + hashlib.sha256(area).digest()


def kdfa(key, label, context=b"", bits=256):
    message = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.new(key, message, hashlib.sha256).digest()[:bits // 8]


def decrypted(data, key):
    decryptor = Cipher(algorithms.AES(key), modes.CFB(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


class StorageKey:
    """An endorsement or storage root key: RSA 2048 or P-256."""

    def __init__(self, kind="rsa"):
        self.kind = kind
        head = struct.pack(">HI", 0x000B, STORAGE_KEY) + sized(b"") + struct.pack(
            ">HHHH", 0x0006, 128, 0x0043, 0x0010)
        if kind == "rsa":
            self.key = rsa.generate_private_key(65537, 2048)
            modulus = self.key.public_key().public_numbers().n.to_bytes(256, "big")
            self.area = b"\x00\x01" + head + struct.pack(">HI", 2048, 0) + sized(modulus)
        else:
            self.key = ec.generate_private_key(ec.SECP256R1())
            numbers = self.key.public_key().public_numbers()
            self.point = [value.to_bytes(32, "big") for value in (numbers.x, numbers.y)]
            self.area = b"\x00\x23" + head + struct.pack(">HH", 0x0003, 0x0010) + b"".join(
                map(sized, self.point))
        self.public = sized(self.area)

    def seed(self, encrypted, label):
        if self.kind == "rsa":
            return self.key.decrypt(encrypted, padding.OAEP(
                padding.MGF1(hashes.SHA256()), hashes.SHA256(), label + b"\0"))
        x, y = split(encrypted, 2)
        theirs = ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()).public_key()
        z = self.key.exchange(ec.ECDH(), theirs)
        return hashlib.sha256(
            struct.pack(">I", 1) + z + label + b"\0" + x + self.point[0]).digest()

    def unprotected(self, blob, encrypted_seed, label, name):
        """What was encrypted to this key for an object of that name."""
        seed = self.seed(encrypted_seed, label)
        integrity, body = blob[2:34], blob[34:]
        assert blob[:2] == b"\x00\x20"
        expected = hmac.new(kdfa(seed, b"INTEGRITY"), body + name, hashlib.sha256).digest()
        assert integrity == expected, "integrity"
        return decrypted(body, kdfa(seed, b"STORAGE", name, 128))


class SoftChip:
    """What a chip does with the blob, step by step as its specification has it."""

    def __init__(self, kind="rsa"):
        self.endorsement, self.root, self.secret = StorageKey(kind), StorageKey(kind), None

    @property
    def public(self):
        return self.endorsement.public, self.root.public

    def activate(self, blob):
        credential, seed, object_, object_seed, area, rest = split(blob, 6)
        assert rest == b""
        (wrap_key,) = split(self.endorsement.unprotected(
            credential, seed, b"IDENTITY", name_of(self.root.area)), 1)
        wrapped = self.root.unprotected(object_, object_seed, b"DUPLICATE", name_of(area))
        integrity, sensitive = split(decrypted(wrapped, wrap_key), 2)
        assert integrity == hashlib.sha256(sized(sensitive) + name_of(area)).digest()
        assert sensitive[:4] == b"\x00\x08\x00\x00"
        obfuscation, self.secret = split(sensitive[4:], 2)
        assert area.endswith(sized(hashlib.sha256(obfuscation + self.secret).digest()))

    def sign(self, message):
        return hmac.new(self.secret, message, hashlib.sha256).digest()


class SoftwareTPM:
    """swtpm behind the tools that people use with chips."""

    def __init__(self, directory, address):
        self.directory = directory
        state = directory / "state"
        state.mkdir()
        port = free_port(address)
        server = f"type=tcp,port={port},bindaddr={address}"
        control = f"type=tcp,port={port + 1},bindaddr={address}"
        self._process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--server", server,
             "--ctrl", control, "--flags", "not-need-init,startup-clear"])
        self._environment = os.environ | {"TPM2TOOLS_TCTI": f"swtpm:host={address},port={port}"}
        wait_until(lambda: listens(address, port + 1), 5, "swtpm listens")
        self._run("tpm2_createek", "-c", "0x81010001", "-G", "rsa", "-u", "ek.pub")
        self._run("tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "rsa", "-c", "srk.ctx")
        self._run("tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001")
        self._run("tpm2_readpublic", "-c", "0x81000001", "-f", "tss", "-o", "srk.pub")
        self._run("tpm2_flushcontext", "-t")

    @staticmethod
    def is_installed():
        return shutil.which("swtpm") and shutil.which("tpm2_activatecredential")

    @property
    def public(self):
        return tuple((self.directory / f"{name}.pub").read_bytes() for name in ("ek", "srk"))

    def activate(self, blob):
        credential, seed, object_, object_seed, area, _ = split(blob, 6)
        files = {
            # The form that the tool gives its own credentials.
            "credential": struct.pack(">II", 0xBADCC0DE, 1) + sized(credential) + sized(seed),
            "object": sized(object_), "seed": sized(object_seed), "public": sized(area)}
        for name, content in files.items():
            (self.directory / name).write_bytes(content)
        self._run("tpm2_startauthsession", "--policy-session", "-S", "session")
        self._run("tpm2_policysecret", "-S", "session", "-c", "e")
        self._run("tpm2_activatecredential", "-c", "0x81000001", "-C", "0x81010001", "-i",
                  "credential", "-o", "wrap.key", "-P", "session:session")
        self._run("tpm2_flushcontext", "session")
        self._run("tpm2_import", "-C", "0x81000001", "-u", "public", "-i", "object", "-r",
                  "private", "-k", "wrap.key", "-s", "seed")
        self._run("tpm2_load", "-C", "0x81000001", "-u", "public", "-r", "private", "-c",
                  "key.ctx")
        self._run("tpm2_flushcontext", "-t")

    def sign(self, message):
        (self.directory / "message").write_bytes(message)
        self._run("tpm2_hmac", "-c", "key.ctx", "-o", "signature", "message")
        self._run("tpm2_flushcontext", "-t")
        return (self.directory / "signature").read_bytes()

    def close(self):
        self._process.terminate()
        self._process.wait(5)

    def _run(self, *words):
        done = subprocess.run(words, cwd=self.directory, env=self._environment, timeout=20,
                              capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


def free_port(address):
    """A port that is free, and so is the next."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((address, 0))
            port = first.getsockname()[1]
            try:
                second.bind((address, port + 1))
            except (OSError, OverflowError):
                continue
            return port


def listens(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
