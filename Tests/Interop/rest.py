"""Raw access to the service REST interface, for what the stock client cannot say."""

import json as jsonlib
import re
import uuid
from urllib.parse import quote

import requests

import sas

API_VERSION = "2021-04-12"
ABSENT = object()


def segment(identifier):
    """An identifier as one path segment."""
    return quote(identifier, safe="")


class Rest:
    """One policy's view of the hub. Keeps one connection alive, as the stock client does."""

    def __init__(self, base, host, ca_path, policy, key, note_secret):
        self.base, self.host, self.policy, self.key = base, host, policy, key
        self._ca_path = ca_path
        self._note_secret = note_secret
        self._session = requests.Session()
        self._session.trust_env = False

    def another(self):
        """The same policy on a connection of its own, for calls in parallel."""
        return Rest(
            self.base, self.host, self._ca_path, self.policy, self.key, self._note_secret
        )

    def token(self, **options):
        """A service token; it must never turn up in a log."""
        text = sas.token(options.pop("resource", self.host), self.key, self.policy, **options)
        self._note_secret(text.split("sig=")[1].split("&")[0])
        return text

    def call(
        self, method, path, json=ABSENT, data=None, headers=None, params=None,
        api_version=API_VERSION, token=None, timeout=10, expect=None,
    ):
        """Sends one request. `token=False` leaves the Authorization header away."""
        headers = dict(headers or {})
        if token is not False:
            headers.setdefault("Authorization", token or self.token())
        if json is not ABSENT:
            data = jsonlib.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        params = dict(params or {})
        if api_version is not None:
            params["api-version"] = api_version
        response = self._session.request(
            method, self.base + path, data=data, headers=headers, params=params,
            timeout=timeout, verify=self._ca_path, allow_redirects=False,
        )
        self._note_keys(response)
        if expect is not None:
            expected = expect if isinstance(expect, (tuple, list, set)) else {expect}
            assert response.status_code in expected, (
                f"{method} {path}: {response.status_code}, expected {expect}: {response.text[:500]}"
            )
        return response

    def _note_keys(self, response):
        for key in re.findall(r'"(?:primary|secondary)Key":"([^"]+)"', response.text):
            self._note_secret(key.replace("\\/", "/"))

    # The calls that tests make by the dozen.

    def create_device(self, device_id, **fields):
        return self.call(
            "PUT", f"/devices/{segment(device_id)}", json={"deviceId": device_id, **fields},
            expect=200,
        ).json()

    def create_module(self, device_id, module_id, **fields):
        return self.call(
            "PUT", f"/devices/{segment(device_id)}/modules/{segment(module_id)}",
            json={"deviceId": device_id, "moduleId": module_id, **fields}, expect={200, 201},
        ).json()

    def device(self, device_id):
        return self.call("GET", f"/devices/{segment(device_id)}", expect=200).json()

    def update_device(self, device, etag="*"):
        return self.call(
            "PUT", f"/devices/{segment(device['deviceId'])}", json=device,
            headers={"If-Match": etag if etag == "*" else f'"{etag}"'}, expect=200,
        ).json()

    def delete_device(self, device_id, expect=204):
        return self.call(
            "DELETE", f"/devices/{segment(device_id)}", headers={"If-Match": "*"}, expect=expect
        )

    def twin(self, device_id, module_id=None):
        return self.call("GET", twin_path(device_id, module_id), expect=200).json()

    def patch_twin(self, device_id, patch, module_id=None, expect=200):
        return self.call(
            "PATCH", twin_path(device_id, module_id), json=patch, expect=expect
        ).json()

    def invoke(self, device_id, name, payload=None, response=5, connect=0, module_id=None, **kw):
        """Invokes a direct method; allows for the method's own time-out on top of ours."""
        return self.call(
            "POST", twin_path(device_id, module_id) + "/methods",
            json={
                "methodName": name, "payload": payload,
                "responseTimeoutInSeconds": response, "connectTimeoutInSeconds": connect,
            },
            timeout=min(response, 30) + 10 if isinstance(response, int) else 20, **kw,
        )

    def send_c2d(self, device_id, body=b"", app=None, expect=201, **system):
        """Queues a cloud-to-device message; `system` keys are header names after `iothub-`."""
        headers = {f"iothub-{name}": value for name, value in system.items()}
        headers.update({f"iothub-app-{name}": value for name, value in (app or {}).items()})
        return self.call(
            "POST", f"/devices/{segment(device_id)}/messages/deviceBound",
            data=body, headers=headers, expect=expect,
        )


def twin_path(device_id, module_id=None):
    """The path of a device's or module's twin."""
    path = f"/twins/{segment(device_id)}"
    return path if module_id is None else f"{path}/modules/{segment(module_id)}"


def check_error(response, status, name=None, shape=None):
    """Checks what every error answer owes its caller (contract 7.1 and 7.2)."""
    assert response.status_code == status, (response.status_code, response.text[:500])
    check_common_headers(response.headers)
    code = response.headers.get("iothub-errorcode")
    assert code, f"no iothub-errorcode in {dict(response.headers)}"
    if name is not None:
        assert code == name, (code, response.text[:500])
    found = error_shape(response.text)
    assert found is not None, f"no known error shape: {response.text[:500]}"
    if shape is not None:
        assert found == shape, response.text[:500]
    return code


def check_common_headers(headers):
    """`x-ms-request-id` is a UUID on every answer."""
    uuid.UUID(headers["x-ms-request-id"])


def error_shape(text):
    """1, 2 or 3 as contract 7.2 numbers the error bodies, or None."""
    try:
        body = jsonlib.loads(text)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("errorCode"), int) and isinstance(body.get("message"), str):
        return 2 if body.get("trackingId") and "timestampUtc" in body else None
    message = body.get("Message")
    if not isinstance(message, str) or not isinstance(body.get("ExceptionMessage"), str):
        return None
    if re.match(r"^ErrorCode:\w+;", message):
        return 1 if body["ExceptionMessage"].startswith("Tracking ID:") else None
    return 3 if error_shape(message) == 2 and body["ExceptionMessage"] == "" else None


def inner_error(response):
    """The object inside a shape 3 error."""
    return jsonlib.loads(response.json()["Message"])
