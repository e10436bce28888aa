"""Stock device clients with symmetric keys: MQTT and WebSocket, sync and asyncio (contract 3.1)."""

import asyncio
import base64

import pytest
from azure.iot.device import Message, exceptions

import certificates
import sas
from events import body_of, json_of
from hub import BODY_CANARY
from waiting import wait_until

TRANSPORTS = pytest.mark.parametrize("websockets", [False, True], ids=["mqtt", "websocket"])


@TRANSPORTS
def test_sync_client_connects_sends_and_leaves(stock, device, events, rest, websockets):
    client = stock.connect(device, websockets=websockets)
    assert client.connected
    state = rest.device(device.device_id)
    assert state["connectionState"] == "Connected"
    client.send_message(Message(BODY_CANARY))
    event, = events.wait_for(1, device=device.device_id)
    assert body_of(event) == BODY_CANARY.encode()
    client.disconnect()
    wait_until(
        lambda: rest.device(device.device_id)["connectionState"] == "Disconnected", 5,
        "connectionState Disconnected after DISCONNECT",
    )


@TRANSPORTS
def test_asyncio_client_connects_sends_and_leaves(stock, device, events, websockets):
    async def story():
        client = stock.make(device, aio=True, websockets=websockets)
        try:
            await client.connect()
            for number in range(3):
                await client.send_message(Message(
                    f'{{"n":{number}}}', content_type="application/json", content_encoding="utf-8"))
        finally:
            await client.shutdown()

    asyncio.run(asyncio.wait_for(story(), 20))
    got = events.wait_for(3, device=device.device_id)
    assert [json_of(event)["n"] for event in got] == [0, 1, 2]


@TRANSPORTS
def test_module_client(stock, identities, device, events, websockets):
    module = identities.module(device, "sensor.1")
    client = stock.connect(module, websockets=websockets)
    client.send_message_to_output(Message("x"), "out")
    event, = events.wait_for(1, device=device.device_id, module="sensor.1")
    annotations = event["annotations"]
    assert annotations["iothub-connection-module-id"] == "sensor.1"
    assert annotations["iothub-connection-auth-generation-id"] == module.record["generationId"]
    assert annotations["iothub-outputname"] == "out"
    assert event["properties"]["to"] == (
        f"/devices/{device.device_id}/modules/sensor.1/messages/events")


def test_device_and_its_module_are_separate_connections(stock, identities, device):
    module = identities.module(device)
    first, second = stock.connect(device), stock.connect(module)
    first.send_message("a")
    second.send_message("b")
    assert first.connected and second.connected


def test_secondary_key_works(stock, device):
    device.key = device.record["authentication"]["symmetricKey"]["secondaryKey"]
    assert stock.connect(device).connected


def test_policy_token_connects_on_behalf_of_a_device(stock, hub, device, events):
    token = sas.token(device.resource, hub.policy_key("device"), "device")
    hub.note_secret(token.split("sig=")[1].split("&")[0])
    client = stock.connect(device, token=token)
    client.send_message("x")
    event, = events.wait_for(1, device=device.device_id)
    assert '"scope":"hub"' in event["annotations"]["iothub-connection-auth-method"].replace(" ", "")


def test_policy_token_for_all_devices_of_the_host(hub, device):
    for resource in (f"{hub.host}/devices", hub.host):
        token = device.token(resource=resource, key=hub.policy_key("device"), policy="device")
        device.connect(password=token).disconnect()


def test_policy_without_device_connect_is_refused(hub, device):
    for policy in ("service", "registryRead", "registryReadWrite"):
        token = device.token(key=hub.policy_key(policy), policy=policy)
        connection, code = device.try_connect(password=token)
        with connection:
            assert code == 5
            connection.expect_closed()


@TRANSPORTS
def test_wrong_key_is_a_credential_error(stock, device, websockets):
    device.key = sas.new_key()
    client = stock.make(device, websockets=websockets, connection_retry=False)
    with pytest.raises(exceptions.CredentialError):
        client.connect()


def test_unknown_device_is_a_credential_error(stock, identities, device):
    device.device_id += "-unknown"
    with pytest.raises(exceptions.CredentialError):
        stock.make(device, connection_retry=False).connect()


def test_server_certificate_is_checked_by_the_client(stock, device):
    """The suite would notice if the client skipped verification."""
    other = certificates.authority("somebody else").pem
    client = stock.make(device, server_verification_cert=other, connection_retry=False)
    with pytest.raises((exceptions.ConnectionFailedError, exceptions.ClientError)):
        client.connect()


def test_product_info_and_model_id(stock, device, events, rest):
    client = stock.connect(device, product_info="dtmi:com:example:Thermostat;1")
    client.send_message("x")
    event, = events.wait_for(1, device=device.device_id)
    assert event["annotations"]["dt-dataschema"] == "dtmi:com:example:Thermostat;1"
    assert rest.twin(device.device_id)["modelId"] == "dtmi:com:example:Thermostat;1"


@pytest.mark.parametrize("query", [
    "api-version=2016-02-03", "api-version=2018-06-30", "api-version=2019-10-01",
    "api-version=2020-09-30", "api-version=2021-04-12", "api-version=2017-11-08-preview",
    "api-version=2099-01-01", "DeviceClientType=py%3B%20%28x%29", "",
])
def test_user_name_queries(device, query):
    device.connect(query=query).disconnect()


@pytest.mark.parametrize("form", [
    "{host}/{id}?api-version=2021-04-12", "{host}/{id}", "{host}/{id}/",
    "{upper}/{id}/?api-version=2021-04-12"])
def test_user_name_forms(hub, device, form):
    with device.open() as connection:
        name = form.format(host=hub.host, upper=hub.host.upper(), id=device.device_id)
        assert connection.connect(device.device_id, name, device.token()) == 0


def test_localhost_is_a_name_of_the_hub_too(hub, device):
    with device.open() as connection:
        token = device.token(resource=f"localhost/devices/{device.device_id}")
        name = f"localhost/{device.device_id}/?api-version=2021-04-12"
        assert connection.connect(device.device_id, name, token) == 0


def test_own_keys_of_every_legal_length(identities):
    for size in (16, 32, 64):
        keys = {"primaryKey": sas.new_key(size), "secondaryKey": sas.new_key(size)}
        device = identities.device(authentication={"type": "sas", "symmetricKey": keys})
        assert base64.b64decode(device.key) == base64.b64decode(keys["primaryKey"])
        device.connect().disconnect()
