"""The supervisor: starts its processes, starts them again, and stops them."""

import os
import re
import signal
import time

import pytest

from edge_process import Edge, manual


@pytest.fixture
def supervised(tmp_path, hub, identities):
    device = identities.device(capabilities={"iotEdge": True})
    edge = Edge(tmp_path / "edge", hub, manual(hub, device), role="run")
    edge.start()
    yield edge
    try:
        edge.stop()
    finally:
        edge.clean_up()


def processes(edge):
    """The last process ID of each role, as the log tells it."""
    found = re.findall(r'"message":"(\w+) runs as process (\d+)"', edge.log)
    return {role: int(number) for role, number in found}


def runs(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{number}/stat") as status:
        return status.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_killed_role_comes_back_alone(supervised):
    supervised.wait_for(lambda: set(processes(supervised)) == {"keys", "agent", "hub"})
    before = processes(supervised)["keys"]
    os.kill(before, signal.SIGKILL)
    supervised.wait_for(lambda: processes(supervised)["keys"] != before)
    assert "keys was ended by signal 9; again in 1 s" in supervised.log
    supervised.wait_for(
        lambda: supervised.ask(supervised.identity_socket, "GET", "/identities")[0] == 200)
    assert supervised.process.poll() is None


def test_sigterm_stops_all_of_them(supervised):
    supervised.wait_for(lambda: "keys" in processes(supervised))
    keys = processes(supervised)["keys"]
    supervised.wait_for(
        lambda: supervised.ask(supervised.identity_socket, "GET", "/identities")[0] == 200)
    begun = time.monotonic()
    supervised.stop()
    assert time.monotonic() - begun < 15
    assert not runs(keys)
    assert "keys has stopped: it ended with status 0" in supervised.log


def test_roles_end_with_a_supervisor_that_is_killed(supervised):
    supervised.wait_for(lambda: "keys" in processes(supervised))
    keys = processes(supervised)["keys"]
    supervised.kill()
    end = time.monotonic() + 10
    while runs(keys):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_line_for_each_event_and_no_secret(supervised):
    supervised.wait_for(lambda: "keys" in processes(supervised))
    for number in processes(supervised).values():
        try:
            with open(f"/proc/{number}/cmdline") as words:
                assert "SharedAccessKey" not in words.read()
        except FileNotFoundError:
            pass
    assert "SharedAccessKey" not in supervised.log
