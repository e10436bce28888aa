"""A device under test against a real hub: the thermostat of examples/python."""

import sys
import time
from pathlib import Path

import pytest
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from device import Thermostat  # noqa: E402


@pytest.fixture
def thermostat(hub, device):
    with Thermostat(device.connection_string, hub.ca) as thermostat:
        yield thermostat


def test_measurements_arrive_in_order(thermostat, device, events):
    thermostat.interval = 0.1
    thermostat.run(count=3)
    arrived = events(device.id, 3)
    assert [event["applicationProperties"] for event in arrived] == [{"room": "kitchen"}] * 3
    assert all(20 <= event["body"]["temperature"] <= 22 for event in arrived)


def test_a_desired_interval_is_taken_and_reported(thermostat, device, registry):
    patch = Twin(properties=TwinProperties(desired={"interval": 2}))
    registry.update_twin(device.id, patch)
    deadline = time.monotonic() + 10
    while registry.get_twin(device.id).properties.reported.get("interval") != 2:
        assert time.monotonic() < deadline, "the change was not reported"
        time.sleep(0.05)
    assert thermostat.interval == 2


@pytest.mark.parametrize("name, status", [("measure", 200), ("explode", 404)])
def test_methods_are_answered(thermostat, device, registry, name, status):
    method = CloudToDeviceMethod(method_name=name, response_timeout_in_seconds=10)
    answer = registry.invoke_device_method(device.id, method)
    assert answer.status == status
