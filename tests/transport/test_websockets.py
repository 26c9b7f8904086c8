import asyncio

import pytest

from tapewire.protocols.base import Payload
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector

pytestmark = pytest.mark.each_loop


async def test_all_that_is_there_comes_in_one_read() -> None:
    async with SocketServer() as server:
        receiver = RecordingReceiver()
        line = await WebsocketsConnector().connect(server.endpoint, receiver)
        connection = await server.accept()
        await connection.send(*[f"{number}" for number in range(500)])
        await receiver.until(lambda: len(receiver.payloads) == 500)
        assert receiver.reads <= 2
        await line.close()


async def test_a_receiver_that_raises_loses_its_own_line_only() -> None:
    class Raising(RecordingReceiver):
        def received(self, payloads: list[Payload]) -> None:
            raise RuntimeError("not today")

    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["message"])
    )
    async with SocketServer() as server:
        for connector in (WebsocketsConnector(), FastConnector()):
            receiver = Raising()
            await connector.connect(server.endpoint, receiver)
            await (await server.accept()).send("x")
            assert (await receiver.until_lost()).code == 1006
    assert len(reported) == 2
