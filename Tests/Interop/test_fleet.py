"""Two hundred stock devices at once."""

import asyncio

import pytest
from azure.iot.device import Message

from events import body_of, order_of

DEVICES, MESSAGES, CONNECTING = 200, 5, 20


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_two_hundred_devices_at_once(stock, identities, hub, rest, events):
    prefix = identities.name()
    names = [f"{prefix}-{number:03}" for number in range(DEVICES)]
    for start in range(0, DEVICES, 100):
        batch = [{"id": name, "importMode": "create", "status": "enabled"}
                 for name in names[start:start + 100]]
        answer = rest.call("POST", "/devices", json=batch, expect=200).json()
        assert answer["isSuccessful"], answer
    fleet = [identities._identity(rest.device(name)) for name in names]
    identities._made += names

    async def story():
        gate = asyncio.Semaphore(CONNECTING)
        clients = [stock.make(device, aio=True) for device in fleet]

        async def connect(client):
            async with gate:
                await client.connect()

        async def speak(number, client):
            for turn in range(MESSAGES):
                await client.send_message(Message(f"{number} {turn}"))

        try:
            await asyncio.gather(*map(connect, clients))
            connected = rest.call("GET", "/statistics/service", expect=200).json()
            assert connected["connectedDeviceCount"] >= DEVICES
            await asyncio.gather(*(speak(*pair) for pair in enumerate(clients)))
            assert all(client.connected for client in clients), "some device was dropped"
        finally:
            await asyncio.gather(*(client.shutdown() for client in clients))

    asyncio.run(asyncio.wait_for(story(), 120))

    ours = set(names)
    got, wanted = [], DEVICES * MESSAGES
    while len(got) < wanted:
        got += [event for event in events.wait_for(1, timeout=20)
                if event["annotations"]["iothub-connection-device-id"] in ours]
    spoken = {}
    for event in sorted(got, key=order_of):
        number, turn = body_of(event).decode().split()
        device = event["annotations"]["iothub-connection-device-id"]
        assert device == names[int(number)], "an event under another device's name"
        spoken.setdefault(device, []).append(int(turn))
    assert spoken == {name: list(range(MESSAGES)) for name in names}
