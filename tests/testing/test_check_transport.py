import ssl
from collections.abc import Sequence

import pytest

from tapewire.errors import ConnectFailed
from tapewire.protocols.base import Payload
from tapewire.testing import VirtualClock
from tapewire.testing.transport import DUTIES, Duty, RecordingReceiver, check_transport
from tapewire.testing.transport_servers import MemoryServer, SocketServer
from tapewire.transport import default_connector
from tapewire.transport.base import Connector, Endpoint, Receiver
from tapewire.transport.fast import FastConnector
from tapewire.transport.memory import LinkFaults, MemoryNetwork, MemoryTransport
from tapewire.transport.websockets import WebsocketsConnector
from tests.testing.certificates import contexts

pytestmark = pytest.mark.each_loop

each_duty = pytest.mark.parametrize("duty", DUTIES, ids=lambda duty: duty.__name__.strip("_"))
each_connector = pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)


@each_connector
@each_duty
async def test_socket_transports_keep_every_duty(connector: Connector, duty: Duty) -> None:
    async with SocketServer() as server:
        await duty(connector, server)


@each_connector
async def test_duties_hold_over_tls(connector: Connector, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with SocketServer(ssl_context=tls[0], client_ssl=tls[1]) as server:
        await check_transport(connector, server)


@each_duty
async def test_the_memory_transport_keeps_every_duty(clock: VirtualClock, duty: Duty) -> None:
    network = MemoryNetwork(to_client=LinkFaults(delay=0.01), to_server=LinkFaults(delay=0.01))
    await duty(network, MemoryServer(network))


async def test_a_transport_that_breaks_a_duty_is_named(clock: VirtualClock) -> None:
    class Forgetful(MemoryTransport):
        def send(self, payloads: Sequence[Payload]) -> None:
            super().send(payloads[:1])

    class ForgetfulNetwork(MemoryNetwork):
        async def connect(self, endpoint: Endpoint, receiver: Receiver) -> MemoryTransport:
            transport = await super().connect(endpoint, receiver)
            transport.__class__ = Forgetful
            return transport

    network = ForgetfulNetwork()
    with pytest.raises(AssertionError, match="broken duty: `send` keeps order and kind"):
        await check_transport(network, MemoryServer(network))


def test_the_default_connector_is_the_fast_one() -> None:
    assert isinstance(default_connector(), FastConnector)


@each_connector
async def test_a_certificate_of_nobody_we_trust_is_refused(
    connector: Connector, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with SocketServer(ssl_context=tls[0]) as server:
        with pytest.raises(
            ConnectFailed, match=r"its TLS certificate is not accepted: self.signed certificate"
        ):
            await connector.connect(server.endpoint, RecordingReceiver())


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context for a certificate made on the spot."""
    return contexts(tmp_path_factory.mktemp("tls"))
