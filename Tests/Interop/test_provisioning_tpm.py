"""Registration of devices that prove themselves by a chip (contract 6.2, 6.5)."""

import base64
import itertools
import time
from urllib.parse import quote

import pytest
from azure.iot.device import IoTHubDeviceClient

from chips import SoftChip, SoftwareTPM, StorageKey
from conftest import NETWORK
from test_provisioning import call, enroll
from waiting import wait_until

NUMBERS = itertools.count(1)
VERSION = "2019-03-31"


def named(prefix):
    return f"{prefix}-{next(NUMBERS)}"


def text(data):
    return base64.b64encode(data).decode()


def token(chip, resource, policy=None, seconds=3600):
    """A token that the chip signs."""
    encoded, expiry = quote(resource, safe=""), int(time.time()) + seconds
    signature = quote(text(chip.sign(f"{encoded}\n{expiry}".encode())), safe="")
    name = f"&skn={policy}" if policy else ""
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}{name}"


class Registration:
    def __init__(self, hub, owner, device, chip):
        self.chip, self.owner, self.device = chip, owner, device
        self.resource = f"{hub.ready['idScope']}/registrations/{device}"
        self.path = f"/{self.resource}"
        endorsement, root = chip.public
        self.body = {"registrationId": device, "tpm": {
            "endorsementKey": text(endorsement), "storageRootKey": text(root)}}

    def begin(self, expect, token=False, body=None):
        return call(self.owner, "PUT", self.path + "/register", expect, json=body or self.body,
                    token=token)

    def challenge(self):
        answer = self.begin(401).json()
        assert answer["keyName"] == "registration"
        assert answer["message"] == "Authorization required"
        return base64.b64decode(answer["authenticationKey"])

    def token(self):
        return token(self.chip, self.resource, "registration")

    def run(self):
        """The whole of it; the chip has the key for the hub afterwards."""
        self.chip.activate(self.challenge())
        signed = self.token()
        begun = self.begin(202, signed).json()
        operation = f"{self.path}/operations/{begun['operationId']}"

        def ended():
            answer = self.owner.call("GET", operation, token=signed, api_version=VERSION)
            return answer.json() if answer.status_code == 200 else None

        state = wait_until(ended, 10, "the operation ends", interval=0.1)["registrationState"]
        assert state["status"] == "assigned", state
        self.chip.activate(base64.b64decode(state["tpm"]["authenticationKey"]))
        return state, signed


def connects(hub, state, chip):
    signed = token(chip, f"{state['assignedHub']}/devices/{state['deviceId']}")
    device = IoTHubDeviceClient.create_from_sastoken(signed, server_verification_cert=hub.ca_pem)
    try:
        device.connect()
        assert device.connected
    finally:
        device.shutdown()


@pytest.fixture(params=["rsa", "p256", "swtpm"])
def chip(request, tmp_path):
    if request.param != "swtpm":
        yield SoftChip("rsa" if request.param == "rsa" else "ecc")
        return
    if not SoftwareTPM.is_installed():
        pytest.skip("needs swtpm and tpm2-tools")
    tpm = SoftwareTPM(tmp_path, f"{NETWORK}.241")
    yield tpm
    tpm.close()


def test_registration_by_chip(hub, owner, chip):
    device = named("chip")
    endorsement, _ = chip.public
    enroll(owner, f"/enrollments/{device}", {
        "type": "tpm", "tpm": {"endorsementKey": text(endorsement)}})
    registration = Registration(hub, owner, device, chip)
    state, signed = registration.run()
    connects(hub, state, chip)
    # What has registered once registers no more.
    assert registration.begin(401, signed).json()["errorCode"] == 401002
    again, _ = registration.run()
    assert again["deviceId"] == device
    connects(hub, again, chip)


def test_challenges_are_for_the_chip_alone(hub, owner):
    device, mine, thief = named("chip"), SoftChip(), SoftChip()
    path = f"/enrollments/{device}"
    enroll(owner, path, {"type": "tpm", "tpm": {"endorsementKey": text(mine.public[0])}})
    registration = Registration(hub, owner, device, mine)
    # Another chip, or one that says it had this endorsement key.
    assert "authenticationKey" not in Registration(hub, owner, device, thief).begin(401).json()
    thief.endorsement.public = mine.endorsement.public
    stolen = Registration(hub, owner, device, thief).challenge()
    with pytest.raises(ValueError):
        thief.activate(stolen)
    # Neither does it get at the key with the right endorsement key and another root key.
    with pytest.raises(AssertionError, match="integrity"):
        mine.activate(stolen)
    # An unsolved challenge is no credential, and asking in between does no harm.
    mine.secret = bytes(32)
    registration.begin(401, registration.token())
    mine.activate(registration.challenge())
    signed = registration.token()
    Registration(hub, owner, device, thief).challenge()
    registration.begin(202, signed)
    registration.begin(401, signed)


def test_keys_that_are_none(hub, owner):
    device, chip = named("chip"), SoftChip()
    path = f"/enrollments/{device}"
    for keys, code in [({"endorsementKey": "AAAA"}, 400201),
                       ({"endorsementKey": text(chip.public[0]), "storageRootKey": "AAAA"}, 400203),
                       ({"endorsementKey": text(chip.public[0][:-1])}, 400201)]:
        refused = call(owner, "PUT", path, 400,
                       json={"attestation": {"type": "tpm", "tpm": keys}})
        assert refused.json()["errorCode"] == code
    enroll(owner, path, {"type": "tpm", "tpm": {
        "endorsementKey": text(chip.public[0]), "storageRootKey": text(chip.public[1])}})
    registration = Registration(hub, owner, device, chip)
    other = dict(registration.body["tpm"], storageRootKey=text(StorageKey().public))
    registration.begin(401, body=dict(registration.body, tpm=other))
    enroll(owner, f"/enrollments/{device}-open", {"type": "tpm", "tpm": {
        "endorsementKey": text(chip.public[0])}})
    opened = Registration(hub, owner, f"{device}-open", chip)
    junk = dict(opened.body["tpm"], storageRootKey=text(b"junk"))
    assert opened.begin(400, body=dict(opened.body, tpm=junk)).json()["errorCode"] == 400203
    connects(hub, opened.run()[0], chip)
