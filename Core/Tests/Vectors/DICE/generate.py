"""Makes device.json anew: a device's layers, certificates and evidence, computed without our code.

Needs cbor2 and cryptography from PyPI; run it in this folder. Every call of a hash, of HMAC and of HKDF is
noted with what came out, and so is every signature: the tests answer with these and so pin the exact
bytes that go in. What the profile's reference implementation publishes for inputs of zeros is checked here.
"""

import hashlib
import hmac
import json

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ASYM_SALT = bytes.fromhex(
    "63B6A04D2C077FC10F639F21DA793844356CC2B0B441B3A77124035C03F8E1BE"
    "6035D31F282821A7450A02222AB1B3CFF1679B05AB1CA5D1AFFB789CCD2B0B3B"
)
ID_SALT = bytes.fromhex(
    "DBDBAEBC8020DA9FF0DD5A24C83AA5A54286DFC263031E329B4DA148430659FE"
    "62CDB5B7E1E00FC680306711EB444AF77209359496FCFF1DB9520BA51C7B29EA"
)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
calls = {}


def noted(name, arguments, result):
    calls[":".join([name] + [a.hex() if isinstance(a, bytes) else str(a) for a in arguments])] = result.hex()
    return result


def sha512(message):
    return noted("hash", [message], hashlib.sha512(message).digest())


def mac(key, message):
    return noted("authenticate", [key, message], hmac.new(key, message, hashlib.sha512).digest())


def kdf(count, secret, salt, info):
    return noted("derive", [count, secret, salt, info], HKDF(hashes.SHA512(), count, salt, info).derive(secret))


def private_key(seed):
    """RFC 6979 section 3.2 from step d on, with the seed for x and h1."""
    v, k = b"\x01" * 64, b"\x00" * 64
    k = mac(k, v + b"\x00" + seed)
    v = mac(k, v)
    k = mac(k, v + b"\x01" + seed)
    v = mac(k, v)
    while True:
        v = mac(k, v)
        number = int.from_bytes(v[:32], "big")
        if 0 < number < ORDER:
            return ec.derive_private_key(number, ec.SECP256R1())
        k = mac(k, v + b"\x00")
        v = mac(k, v)


def secret_bytes(key):
    return key.private_numbers().private_value.to_bytes(32, "big")


def point(key):
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def name(key):
    return name_of(point(key))


def name_of(public):
    identifier = bytearray(kdf(20, public, ID_SALT, b"ID"))
    identifier[0] &= 0x7F
    return identifier.hex()


def compressed(public):
    whole = bytes.fromhex(public)
    return bytes([2 + (whole[63] & 1)]) + whole[:32]


def cose_key(key):
    return cbor2.dumps({1: 2, 3: -7, 4: [2], -1: 1, -2: point(key)[:32], -3: point(key)[32:]})


signatures = {}


def sign1(key, payload, tagged):
    protected = cbor2.dumps({1: -7})
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    signatures[point(key).hex() + ":" + message.hex()] = signature.hex()
    parts = [protected, {}, payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, parts) if tagged else parts)


def step(attestation, sealing, inputs):
    configuration = inputs["configuration"] if inputs["isInline"] else sha512(inputs["configuration"])
    stable = inputs["authority"] + bytes([inputs["mode"]]) + inputs["hidden"]
    return (
        kdf(32, attestation, sha512(inputs["code"] + configuration + stable), b"CDI_Attest"),
        kdf(32, sealing, sha512(stable), b"CDI_Seal"),
    )


def layer_claims(inputs):
    claims = {-4670545: inputs["code"]}
    if not inputs["isInline"]:
        claims[-4670547] = sha512(inputs["configuration"])
    claims[-4670548] = inputs["configuration"]
    claims[-4670549] = inputs["authority"]
    claims[-4670551] = bytes([inputs["mode"]])
    return claims


def device(root, layers, client):
    attestation = sealing = root
    authority = private_key(kdf(32, root, ASYM_SALT, b"Key Pair"))
    row = {"secret": root.hex(), "rootPoint": point(authority).hex(), "rootKey": secret_bytes(authority).hex(),
           "rootName": name(authority), "layers": []}
    identifier = b"\x01" + kdf(32, point(authority), ID_SALT, b"Orrery UEID")
    certificates = []
    for inputs in layers:
        attestation, sealing = step(attestation, sealing, inputs)
        key = private_key(kdf(32, attestation, ASYM_SALT, b"Key Pair"))
        claims = {1: name(authority), 2: name(key), **layer_claims(inputs), -4670552: cose_key(key), -4670553: b"\x20"}
        certificates.append(sign1(authority, cbor2.dumps(claims), False))
        row["layers"].append({
            "code": inputs["code"].hex(), "configuration": inputs["configuration"].hex(), "isInline": inputs["isInline"],
            "authority": inputs["authority"].hex(), "mode": inputs["mode"], "hidden": inputs["hidden"].hex(),
            "attestation": attestation.hex(), "sealing": sealing.hex(), "key": secret_bytes(key).hex(),
            "point": point(key).hex(), "name": name(key), "certificate": certificates[-1].hex(),
        })
        authority = key
    signer = private_key(kdf(32, attestation, ASYM_SALT, b"Orrery Evidence Key"))
    claims = {1: name(authority), 2: name(signer), -4670552: cose_key(signer), -4670553: b"\x01"}
    certificates.append(sign1(authority, cbor2.dumps(claims), False))
    client_key = private_key(kdf(32, attestation, ASYM_SALT, b"Orrery Client Key" + client.to_bytes(8, "big")))
    component = [bytes([0xC0]) * 16, bytes([0x1A]) * 16, 7, hashlib.sha256(b"image").digest()]
    evidence = {
        8: {1: cbor2.loads(cose_key(client_key))}, 10: bytes(range(16)), 256: identifier, 263: 2,
        265: "urn:x-orrery:evidence:1", 267: 41, 268: bytes([0x5E]) * 32,
        273: [[65001, cbor2.dumps(component)]], 275: 4, -70001: bytes([0xEC]) * 32, -70002: 0,
    }
    token = sign1(signer, cbor2.dumps(evidence), True)
    row.update({
        "identifier": identifier.hex(), "evidencePoint": point(signer).hex(), "evidenceKey": secret_bytes(signer).hex(),
        "clientKey": secret_bytes(client_key).hex(), "clientPoint": point(client_key).hex(),
        "clientNumber": client, "evidenceCertificate": certificates[-1].hex(), "claims": cbor2.dumps(evidence).hex(),
        "token": token.hex(), "evidence": cbor2.dumps([1, certificates, token]).hex(),
    })
    return row


def main():
    zeros = {"code": bytes(64), "configuration": bytes(64), "isInline": True, "authority": bytes(64), "mode": 0,
             "hidden": bytes(64)}
    first = device(bytes(32), [zeros], 1)
    layer = first["layers"][0]
    assert layer["attestation"] == "fbfc679771342eeacb908659ce49d6b63b4535da2c51433d7f04efa6319e0c19"
    assert layer["sealing"] == "8ff8b22571325e7defefbfea8df1c9f34bf4d9ee03b75b788219c6b1ef49bdc5"
    # Those values name keys by the compressed form of the point; ours are of both coordinates.
    assert name_of(compressed(first["rootPoint"])) == "4c514d88db0f81d57beb96177e3d7ea4aa581e66"
    assert name_of(compressed(layer["point"])) == "7c7dc0a3c1e78d4e68bcc1a2329ef91ca8124491"
    assert layer["point"].startswith("4f3b4e82c45ada084589c2197baf1f376eac40e1fd49b0240602aec269541c6b")
    described = {"code": hashlib.sha512(b"second").digest(), "configuration": b'{"version":"2.1"}', "isInline": False,
                 "authority": hashlib.sha512(b"owner").digest(), "mode": 1, "hidden": bytes(range(64))}
    inline = {"code": hashlib.sha512(b"first").digest(), "configuration": bytes(range(64)), "isInline": True,
              "authority": hashlib.sha512(b"maker").digest(), "mode": 1, "hidden": bytes(64)}
    second = device(bytes(range(32)), [inline, described], 3)
    text = {"calls": calls, "signatures": signatures, "devices": [first, second]}
    with open("device.json", "w", encoding="utf-8") as file:
        json.dump(text, file, indent=0, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
