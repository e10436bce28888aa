"""What an edge's metrics say of real traffic, and how its budget holds messages back."""

import socket
import time

import pytest
import requests
from azure.iot.device import Message

import conftest
from edge import Edge
from edge_process import VERSION, UnixConnection
from events import body_of, json_of
from local_hub import Below
from test_edge import leaf_of
from test_edge_agent import deploy, is_applied
from test_edge_whole import Gateway, trust_bundle


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Site:
    """All processes of an edge, with pages of metrics and what else the settings say."""

    def __init__(self, hub, identities, directory, address, upstream="", metrics=""):
        self.hub, self.identities = hub, identities
        self.device = identities.device(capabilities={"iotEdge": True})
        self.edge = Edge(self.device, directory, f'[hub]\nhost = "{address}"\n')
        self.address = address
        self.hub_port, self.agent_port = free_ports(2)
        text = self.edge.config.read_text()
        for old, new in (
                ('hostname = "localhost"', f'hostname = "{address}"'),
                ("hub_port = 0", f"hub_port = {self.hub_port}"),
                ("agent_port = 0", f"agent_port = {self.agent_port}")):
            assert old in text
            text = text.replace(old, new, 1)
        self.edge.config.write_text(f"{text}{upstream}{metrics}")
        self.edge.start("run")

    def use(self, routes):
        deploy(self.device, {}, routes=routes)
        self.edge.wait_until(lambda: is_applied(self.device), 60, "the manifest is applied")

    def connect(self, stock):
        leaf = leaf_of(self.device, self.identities)
        bundle = trust_bundle(self.edge, "$edgeHub")
        client = stock.make(Below.of(leaf, Gateway(self.hub, self.address, bundle)))
        client.connect()
        return leaf, client

    def page(self, port=None):
        """The values of a page, by name and labels."""
        answer = requests.get(f"http://127.0.0.1:{port or self.hub_port}/metrics", timeout=5)
        assert answer.status_code == 200
        values = {}
        for line in answer.text.splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name, _, labels = series.partition("{")
                pairs = [part.split("=", 1) for part in labels.rstrip("}").split(",") if "=" in part]
                values.setdefault(name, []).append(
                    ({key: text.strip('"') for key, text in pairs}, float(value)))
        return values

    def stop(self):
        self.edge.stop("run")
        self.edge.clean_up()


@pytest.fixture
def sites(hub, identities, tmp_path):
    made = []

    def make(number, **settings):
        made.append(Site(hub, identities, tmp_path, f"{conftest.NETWORK}.{number}", **settings))
        return made[-1]

    yield make
    for site in made:
        site.stop()


def value(page, name, **labels):
    """The value of the one series that has these labels."""
    found = [number for own, number in page.get(name, [])
             if all(own.get(key) == text for key, text in labels.items())]
    assert len(found) == 1, f"{name} {labels}: {page.get(name)}"
    return found[0]


def test_metrics_count_what_went_through(sites, stock, events):
    site = sites(233, metrics='[metrics.collector]\ninterval = "2s"\n')
    site.use({"up": "FROM /messages/* WHERE kind = 'good' INTO $upstream"})
    leaf, client = site.connect(stock)
    for number in range(7):
        message = Message(b"x" * 100)
        message.custom_properties["kind"] = "good" if number < 5 else "bad"
        client.send_message(message)
    client.get_twin()
    client.patch_twin_reported_properties({"seen": 1})
    events.wait_for(5, 20, device=leaf.device_id)
    own = leaf.device_id

    def counted():
        sent = site.page().get("edgehub_messages_sent_total", [])
        return sum(number for labels, number in sent if labels["from"] == own) == 5
    site.edge.wait_until(counted, 10, "five messages are confirmed")
    page = site.page()
    received = value(page, "edgehub_messages_received_total", id=own, route_output="")
    assert received == 7
    # The notice of the change of reported properties went nowhere either.
    assert value(page, "edgehub_messages_dropped_total", reason="no_route") == 3
    assert value(page, "edgehub_messages_sent_total", to="upstream", **{"from": own}) == 5
    assert value(page, "edgehub_message_size_bytes_sum", id=own) == 700
    assert value(page, "edgehub_message_size_bytes_count", id=own) == 7
    size = value(page, "edgehub_message_size_bytes", id=own, quantile="0.5")
    assert abs(size - 100) <= 100 / 64
    assert value(page, "edgehub_message_send_duration_seconds_count", **{"from": own}) == 5
    assert 0 < value(page, "edgehub_message_process_duration_seconds", quantile="0.9999",
                     **{"from": own}) < 30
    assert value(page, "edgehub_gettwin_total", source="edge_hub", id=own) == 1
    assert value(page, "edgehub_reported_properties_total", target="edge_hub", id=own) == 1
    assert value(page, "edgehub_client_connect_success_total", id=own) == 1
    assert value(page, "edgehub_connected_clients") == 1
    assert value(page, "edgehub_queue_length", endpoint="iothub") == 0
    instances = {labels["instance_number"] for series in page.values() for labels, _ in series}
    assert len(instances) == 1
    assert all(labels["edge_device"] == site.device.device_id
               for series in page.values() for labels, _ in series)
    agent = site.page(site.agent_port)
    assert value(agent, "edgeAgent_total_memory_bytes", module_name="_host_") > 1 << 20
    assert value(agent, "edgeAgent_total_time_expected_running_seconds", module_name="edgeHub") >= 0
    # The collector: the same, as messages of the local hub.
    found = {}
    end = time.monotonic() + 20
    while "edgehub_messages_received_total" not in found or "edgeAgent_host_uptime_seconds" not in found:
        assert time.monotonic() < end, sorted(found)
        for event in events.wait_for(1, 20, device=site.device.device_id, module="$edgeHub"):
            assert event["applicationProperties"]["id"] == "origin-iotedge-metrics-collector"
            for item in json_of(event):
                assert set(item) == {"TimeGeneratedUtc", "Name", "Value", "Labels"}
                found[item["Name"]] = item
    assert found["edgehub_connected_clients"]["Labels"]["edge_device"] == site.device.device_id


def test_a_budget_holds_back_what_matters_less(sites, stock, events):
    # For the rest 100 bytes a second and 4,000 at once, for the first priority 99 times as many.
    budget = ("[upstream.budget]\nbytes_per_day = 864000000\nburst_bytes = 400000\n"
              "shares = [{ priority = 0, percent = 99 }, { percent = 1 }]\n")
    site = sites(234, upstream=budget)
    site.use({
        "alarm": {"route": "FROM /messages/* WHERE kind = 'alarm' INTO $upstream", "priority": 0},
        "rest": {"route": "FROM /messages/* WHERE kind = 'rest' INTO $upstream"}})
    leaf, client = site.connect(stock)

    def send(kind, number):
        message = Message(f"{kind} {number}".ljust(1000))
        message.custom_properties["kind"] = kind
        client.send_message(message)

    for number in range(10):
        send("rest", number)
    site.edge.wait_until(lambda: "messages wait for the budget upstream" in site.edge.log("run"), 10,
                         "the budget is used up")
    page = site.page()
    assert value(page, "orrery_edge_uplink_budget_bytes", up_to_priority="4294967295") <= 0
    assert value(page, "orrery_edge_uplink_budget_bytes", up_to_priority="0") > 0
    waiting = value(page, "edgehub_queue_length", endpoint="iothub", priority="2000000000")
    assert 0 < waiting < 10
    send("alarm", 0)
    bodies = []
    end = time.monotonic() + 20
    while b"alarm 0" not in bodies:
        assert time.monotonic() < end, bodies
        bodies += [body_of(event).strip()
                   for event in events.wait_for(1, 20, device=leaf.device_id)]
    assert len(bodies) < 11, "the alarm passed the others"
    # What is owed is owed after a restart too.
    left = value(site.page(), "orrery_edge_uplink_budget_bytes", up_to_priority="4294967295")
    client.shutdown()
    site.edge.stop("run")
    site.edge.start("run")

    def after():
        try:
            return value(site.page(), "orrery_edge_uplink_budget_bytes", up_to_priority="4294967295")
        except (requests.ConnectionError, AssertionError):
            return None
    again = site.edge.wait_until(lambda: after() is not None and [after()], 20, "it is back")
    assert again[0] < left + 3000, "a full bucket would have 4000"
