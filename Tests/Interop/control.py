"""A well-behaved device that must notice nothing of what tests do to the hub."""

import threading
import time

from mqtt_wire import telemetry_topic


class ControlDevice:
    """Publishes all the time on one connection and watches the acknowledgements."""

    PERIOD, LIMIT = 0.2, 3.0

    def __init__(self, identity):
        self._identity = identity
        self._start()

    def _start(self):
        self._connection = self._identity.connect(clean=True, keep_alive=60)
        self._connection.subscribe("$iothub/twin/res/#")
        self._changed = threading.Condition()
        self._echoes, self._slowest, self._failure = 0, 0.0, None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control device", daemon=True)
        self._thread.start()

    def _run(self):
        topic = telemetry_topic(self._identity.device_id, **{"$.ct": "application/json"})
        try:
            while not self._stopping.wait(self.PERIOD):
                begun = time.monotonic()
                self._connection.publish(topic, b'{"control":true}', timeout=self.LIMIT)
                status, _ = self._connection.get_twin(str(self._echoes))
                assert status == 200, f"twin status {status}"
                with self._changed:
                    self._echoes += 1
                    self._slowest = max(self._slowest, time.monotonic() - begun)
                    self._changed.notify_all()
        except Exception as error:  # The test thread reports it.
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def expect_echo(self):
        """Two more round trips on the same connection, none of them slow.

        After a failure the device starts afresh, so that only the guilty test fails.
        """
        try:
            self._check()
        except AssertionError:
            self.stop()
            self._start()
            raise

    def _check(self):
        with self._changed:
            goal = self._echoes + 2
            done = self._changed.wait_for(
                lambda: self._failure or self._echoes >= goal, 2 * (self.LIMIT + self.PERIOD)
            )
            assert self._failure is None, f"the control device suffered: {self._failure!r}"
            assert done, "the control device got no answer"
            assert self._slowest < self.LIMIT, f"an echo took {self._slowest:.1f} s"

    def stop(self):
        self._stopping.set()
        self._thread.join(5)
        self._connection.abort()
