"""Reading device events over the documented HTTPS long-poll."""

import base64
import json
import time


class EventStream:
    """Follows the events from a position; `latest` is pinned when the stream is made."""

    def __init__(self, rest, position="latest", partition="all"):
        self._rest, self._partition = rest, partition
        self._continuation = None
        self._position = position
        if position == "latest":
            self._turn(0)

    def _turn(self, timeout, limit=500):
        parameters = {"partition": self._partition, "timeout": timeout, "max": limit}
        if self._continuation is None:
            parameters["from"] = self._position
        else:
            parameters["continuation"] = self._continuation
        answer = self._rest.call(
            "GET", "/events", params=parameters, timeout=timeout + 10, expect=200
        ).json()
        following = answer["continuation"]
        self._continuation = following if isinstance(following, str) else json.dumps(following)
        return answer["events"]

    def available(self):
        """Everything stored up to now, without waiting."""
        events = []
        while batch := self._turn(0):
            events += batch
        return events

    def wait_for(self, count, timeout=10, device=None, module=None, source="Telemetry"):
        """The next `count` events of a device; fails with what did arrive."""
        found, deadline = [], time.monotonic() + timeout
        while len(found) < count:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(found)} of {count} events within {timeout} s: {found}"
            batch = self._turn(max(1, min(5, int(left))))
            found += [event for event in batch if comes_from(event, device, module, source)]
        return found


def comes_from(event, device=None, module=None, source="Telemetry"):
    """Whether an event was sent by the identity and is of the kind that is asked for."""
    annotations = event["annotations"]
    return (
        (device is None or annotations.get("iothub-connection-device-id") == device)
        and (module is None or annotations.get("iothub-connection-module-id") == module)
        and (source is None or annotations.get("iothub-message-source") == source)
    )


def body_of(event):
    """The body's bytes, whichever encoding the long-poll chose."""
    encoding, body = event["bodyEncoding"], event["body"]
    if encoding == "json":
        return json.dumps(body).encode()
    return base64.b64decode(body) if encoding == "base64" else body.encode()


def json_of(event):
    """The body as a JSON value."""
    return event["body"] if event["bodyEncoding"] == "json" else json.loads(body_of(event))


def order_of(event):
    """Sorts events of one partition."""
    return (str(event["partition"]), int(event["sequenceNumber"]))
