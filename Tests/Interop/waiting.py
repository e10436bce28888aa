"""Waiting for a fact instead of sleeping for a while."""

import time


def wait_until(condition, timeout, what, interval=0.05):
    """Returns the first true result of `condition()`; fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


def wait_for_clock(epoch_seconds):
    """Waits until the wall clock has passed a time that a test itself handed to the hub."""
    while (left := epoch_seconds - time.time()) > 0:
        time.sleep(min(left, 0.25))
