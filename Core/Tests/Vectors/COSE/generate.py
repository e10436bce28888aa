"""Makes cbor.json, messages.json and claims.json anew, by implementations that are not ours.

Needs cbor2, pycose and cryptography from PyPI; run it in this folder. What stands here by hand is from
the documents: RFC 8949 appendix A, RFC 9052 appendix C.2.1 and RFC 8392 appendix A.3. Every message is
verified before it is written down, so that a slip of the pen can't become a vector.
"""

import json
import random
import struct

import cbor2
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pycose.headers import KID, Algorithm
from pycose.keys import EC2Key, OKPKey, SymmetricKey
from pycose.messages import Mac0Message, Sign1Message

# RFC 8949 appendix A: the encodings that are deterministic ...
ACCEPTED = """
00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff
c249010000000000000000 3bffffffffffffffff c349010000000000000000 20 29 3863 3903e7
f90000 f98000 f93c00 fb3ff199999999999a f93e00 f97bff fa47c35000 fa7f7fffff fb7e37e43c8800759c
f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 f9fc00
f4 f5 f6 f7 c074323031332d30332d32315432303a30343a30305a c11a514b67b0 c1fb41d452d9ec200000
d74401020304 d818456449455446 d82076687474703a2f2f7777772e6578616d706c652e636f6d
40 4401020304 60 6161 6449455446 62225c 62c3bc 63e6b0b4 64f0908591
80 83010203 8301820203820405 98190102030405060708090a0b0c0d0e0f101112131415161718181819
a0 a201020304 a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145
""".split()
# ... and those that are not.
REFUSED = """
fa7fc00000 fb7ff0000000000000 fa7f800000 faff800000 fb7ff8000000000000 fbfff0000000000000 f0 f818 f8ff
5f42010243030405ff 7f657374726561646d696e67ff 9fff 9f018202039f0405ffff 9f01820203820405ff
83018202039f0405ff 83019f0203ff820405 9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff
bf61610161629f0203ffff 826161bf61626163ff bf6346756ef563416d7421ff
""".split()


def deterministic(value):
    """The encoding of RFC 8949 section 4.2.1. cbor2's own canonical form orders keys as RFC 7049 did."""
    if isinstance(value, dict):
        pairs = sorted((deterministic(k), deterministic(v)) for k, v in value.items())
        return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(map(deterministic, value))
    if isinstance(value, cbor2.CBORTag):
        return head(6, value.tag) + deterministic(value.value)
    if isinstance(value, float):
        return shortest(value)
    return cbor2.dumps(value, canonical=True)


def shortest(value):
    """The shortest form of a number. cbor2 5.9.0 writes some, 64160.0 among them, longer than they need be."""
    if value != value:
        return bytes.fromhex("f97e00")
    for initial, form in ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([initial]) + packed
    raise AssertionError(value)


def head(major, argument):
    plain = bytearray(cbor2.dumps(argument))
    plain[0] |= major << 5
    return bytes(plain)


def notation(value):
    """A value as JSON that keeps CBOR's types apart."""
    if isinstance(value, bool) or value is None or value is cbor2.undefined:
        return {"simple": {False: 20, True: 21, None: 22}.get(value, 23)}
    if isinstance(value, int):
        if -(1 << 64) <= value < 1 << 64:
            return {"unsigned": str(value)} if value >= 0 else {"negative": str(-1 - value)}
        magnitude = value if value >= 0 else -1 - value
        content = {"bytes": magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big").hex()}
        return {"tag": "2" if value >= 0 else "3", "content": content}
    if isinstance(value, float):
        return {"double": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, (list, tuple)):
        return {"array": [notation(v) for v in value]}
    if isinstance(value, cbor2.CBORTag):
        return {"tag": str(value.tag), "content": notation(value.value)}
    return {"map": [[notation(k), notation(v)] for k, v in value.items()]}


def read_plain(encoded):
    """Reads with the tags left as they are: a tag's number is replaced by one that cbor2 does not know."""
    value = cbor2.loads(encoded)
    if isinstance(value, (bool, int, float, str, bytes, list, dict, type(None))) or value is cbor2.undefined:
        return value
    size = {24: 2, 25: 3, 26: 5, 27: 9}.get(encoded[0] & 31, 1)
    number = encoded[0] & 31 if size == 1 else int.from_bytes(encoded[1:size], "big")
    return cbor2.CBORTag(number, cbor2.loads(encoded[size:]))


def tree(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return rng.choice([rng.getrandbits(rng.randrange(1, 65)), -1 - rng.getrandbits(rng.randrange(1, 65))])
    if kind == 1:
        return rng.randbytes(rng.choice([0, 1, 23, 24, 255, 256, rng.randrange(40)]))
    if kind == 2:
        return "".join(rng.choice("aZ0 \u00fc\u6c34\U0001f600") for _ in range(rng.randrange(30)))
    if kind == 3:
        bits = rng.getrandbits(64)
        value = rng.choice([
            float(rng.randrange(-70000, 70000)) / rng.choice([1, 2, 1024]),
            struct.unpack(">e", (bits & 0xFFFF).to_bytes(2, "big"))[0],
            struct.unpack(">f", (bits & 0xFFFFFFFF).to_bytes(4, "big"))[0],
            struct.unpack(">d", bits.to_bytes(8, "big"))[0],
        ])
        return value if value == value else float("nan")
    if kind == 4:
        return rng.choice([True, False, None, cbor2.undefined])
    if kind == 5:
        return rng.choice([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, -24, -25, -256, -257, -65537])
    if kind == 6:
        return [tree(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 24]))]
    keys = [rng.choice([rng.randrange(-300, 300), "k%d" % rng.randrange(40), rng.randbytes(2)]) for _ in range(rng.randrange(7))]
    return {key: tree(rng, depth + 1) for key in keys}


def write(name, rows):
    with open(name, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, sort_keys=True) for row in rows) + "\n]\n")


def cbor():
    rows = []
    for text in ACCEPTED:
        value = read_plain(bytes.fromhex(text))
        rows.append({"encoded": text, "value": notation(value), "source": "RFC 8949 A"})
    rows += [{"encoded": text, "source": "RFC 8949 A"} for text in REFUSED]
    rng = random.Random(8949)
    while len(rows) < 220:
        value = tree(rng)
        encoded = deterministic(value)
        if len(encoded) > 700:
            continue
        again = cbor2.loads(encoded)
        assert deterministic(again) == encoded
        # The order of the map in the notation is the order of the encoding.
        rows.append({"encoded": encoded.hex(), "value": notation(again), "source": "cbor2"})
    write("cbor.json", rows)


def coordinates(key):
    numbers = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    return numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")


def row(source, encoded, key, external=b"", detached=None):
    """Verifies a message with cryptography alone, then notes its parts."""
    message = cbor2.loads(encoded)
    tag = message.tag if isinstance(message, cbor2.CBORTag) else None
    protected, unprotected, payload, authentication = message.value if tag else message
    algorithm = cbor2.loads(protected)[1]
    covered = detached if payload is None else payload
    context = "MAC0" if algorithm == 5 else "Signature1"
    signed = cbor2.dumps([context, protected, external, covered])
    if algorithm == 5:
        check = hmac.HMAC(key, hashes.SHA256())
        check.update(signed)
        check.verify(authentication)
        point = b""
    elif algorithm == -8:
        key.public_key().verify(authentication, signed)
        point = key.public_key().public_bytes_raw()
    else:
        half = len(authentication) // 2
        r, s = (int.from_bytes(part, "big") for part in (authentication[:half], authentication[half:]))
        public = key if isinstance(key, ec.EllipticCurvePublicKey) else key.public_key()
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256() if algorithm == -7 else hashes.SHA384()))
        numbers = public.public_numbers()
        point = numbers.x.to_bytes(half, "big") + numbers.y.to_bytes(half, "big")
    return {
        "algorithm": algorithm, "authenticated": signed.hex(), "authentication": authentication.hex(),
        "detached": detached.hex() if detached is not None else None, "external": external.hex(),
        "keyIdentifier": unprotected[4].hex() if 4 in unprotected else None, "message": encoded.hex(),
        "payload": covered.hex(), "point": point.hex(), "source": source, "tagged": tag is not None,
    }


def public_p256(x, y):
    return ec.EllipticCurvePublicNumbers(int(x, 16), int(y, 16), ec.SECP256R1()).public_key()


RFC9052 = (
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23"
    "d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36",
    "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
    "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
)
RFC8392 = (
    "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e"
    "636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f006"
    "1a5610d9f007420b7158405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131"
    "680c429a01f85951ecee743a52b9b63632c57209120e1c9e30",
    "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f",
    "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9",
)


def messages():
    rows = [
        row("RFC 9052 C.2.1", bytes.fromhex(RFC9052[0]), public_p256(*RFC9052[1:])),
        row("RFC 8392 A.3", bytes.fromhex(RFC8392[0]), public_p256(*RFC8392[1:])),
    ]
    p256 = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
    p384 = ec.derive_private_key(0xFEDCBA0987654321, ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    shared = bytes(range(100, 132))
    for algorithm, signer in (("ES256", p256), ("ES384", p384), ("EDDSA", edwards), ("HMAC_256", shared)):
        for payload, external, tagged in ((b"", b"", True), (b"what is said", b"beside it", True), (bytes(300), b"", False)):
            kind = Mac0Message if algorithm == "HMAC_256" else Sign1Message
            message = kind(phdr={Algorithm: algorithm}, uhdr={KID: b"k1"}, payload=payload, external_aad=external)
            if algorithm == "HMAC_256":
                message.key = SymmetricKey(k=shared)
            elif algorithm == "EDDSA":
                message.key = OKPKey(crv="ED25519", d=signer.private_bytes_raw(), x=signer.public_key().public_bytes_raw())
            else:
                x, y = coordinates(signer)
                secret = signer.private_numbers().private_value.to_bytes(len(x), "big")
                message.key = EC2Key(crv="P_256" if len(x) == 32 else "P_384", x=x, y=y, d=secret)
            rows.append(row("pycose", message.encode(tag=tagged), signer, external))
    # A payload that travels beside the message, which pycose does not write.
    protected = deterministic({1: -7})
    signed = cbor2.dumps(["Signature1", protected, b"", b"detached"])
    r, s = decode_dss_signature(p256.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    encoded = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, None, signature]))
    rows.append(row("cbor2", encoded, p256, detached=b"detached"))
    write("messages.json", rows)


def claims():
    key = {1: 2, 3: -7, 4: [2], -1: 1, -2: bytes(range(32)), -3: bytes(range(32, 64))}
    part = {270: "sensor", 271: ["1.2.3", 16384], 273: [[258, b"\x01\x02"]]}
    sets = [
        {},
        cbor2.loads(cbor2.loads(bytes.fromhex(RFC8392[0])).value[2]),
        {10: bytes(8)},
        {10: [bytes(8), bytes(64)]},
        {256: b"\x01" + bytes(16), 258: bytes(16), 259: b"model", 260: ["1.0"], 261: 60, 262: True},
        {258: bytes(3), 263: 3, 265: "tag:example.org,2026:profile", 267: 7, 268: bytes(32)},
        {258: 32473, 265: b"\x2a\x03\x04", 275: 4, 8: {1: key}},
        {10: bytes(32), 266: {"a": part, "b": {266: {"c": {270: "deep"}}}, "t": b"\xd2\x84"}, -80000: 5, "x": [1]},
    ]
    wrong = [
        ({1: 5}, 1), ({4: -1}, 4), ({6: 1.5}, 6), ({7: "a"}, 7), ({8: {3: b"k"}}, 8), ({10: bytes(7)}, 10),
        ({10: bytes(65)}, 10), ({10: []}, 10), ({10: [bytes(8)]}, 10), ({10: [bytes(8), 1]}, 10), ({256: bytes(6)}, 256),
        ({256: bytes(34)}, 256), ({258: bytes(4)}, 258), ({258: -1}, 258), ({259: b""}, 259), ({259: bytes(33)}, 259),
        ({260: []}, 260), ({260: ["1", "2"]}, 260), ({260: ["1", 1, 1]}, 260), ({261: -1}, 261), ({262: 1}, 262),
        ({263: 5}, 263), ({263: "x"}, 263), ({265: 1}, 265), ({265: b""}, 265), ({266: {}}, 266), ({266: {1: {}}}, 266),
        ({266: {"a": 1}}, 266), ({267: -1}, 267), ({268: bytes(7)}, 268), ({270: b""}, 270), ({271: "1"}, 271),
        ({273: []}, 273), ({273: [[1]]}, 273), ({273: [[65536, b""]]}, 273), ({273: [[1, "x"]]}, 273), ({275: 0}, 275),
        ({266: {"a": {263: 9}}}, 263),
    ]
    rows = [{"encoded": deterministic(item).hex(), "fault": None} for item in sets]
    rows += [{"encoded": deterministic(item).hex(), "fault": label} for item, label in wrong]
    write("claims.json", rows)


if __name__ == "__main__":
    cbor()
    messages()
    claims()
