import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tapewire.errors import ConfigurationError, ConnectFailed, HandshakeRefused
from tapewire.protocols.base import Binary
from tapewire.testing import VirtualClock
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport import fast as fast_module
from tapewire.transport.base import Endpoint
from tapewire.transport.fast import MAX_FRAGMENTS, READ_BUFFER, FastConnector, FastTransport
from tapewire.transport.websockets import WebsocketsTransport

pytestmark = pytest.mark.each_loop

URL = "ws://127.0.0.1/socket"
MAX_SIZE = 1000


class Wire:
    """A stand-in for asyncio's socket transport: keeps what is written, passes on what is fed."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.aborted = self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


def feed(line: FastTransport, data: bytes) -> None:
    """One or more reads, as asyncio makes them."""
    while data:
        room = line.get_buffer(-1)
        count = min(len(room), len(data))
        room[:count] = data[:count]
        line.buffer_updated(count)
        data = data[count:]


def opened(receiver: RecordingReceiver, max_size: int = MAX_SIZE) -> tuple[FastTransport, Wire]:
    """A line behind its handshake, without a socket."""
    line, wire = FastTransport(Endpoint(url=URL, max_size=max_size), receiver), Wire()
    line.connection_made(wire)  # type: ignore[arg-type]
    line._core.state = State.OPEN
    line._core.parser = super(ClientProtocol, line._core).parse()
    next(line._core.parser)
    line._is_open = line._started = True
    return line, wire


Outcome = tuple[list[tuple[bool, bytes]], list[tuple[int, bytes]], int]


def our_frames(data: bytes) -> list[tuple[int, bytes]]:
    """What a client wrote, read back by a strict reader."""
    from websockets.server import ServerProtocol

    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.receive_data(data)
    return [
        (int(event.opcode), bytes(event.data))
        for event in server.events_received()
        if isinstance(event, Frame)
    ]


def by_the_library(data: bytes) -> Outcome:
    """The reference: `websockets`' core, fed byte by byte, with the assembly of messages that its own client does."""
    core = ClientProtocol(parse_uri(URL), state=State.OPEN, max_size=MAX_SIZE)
    core.parser = super(ClientProtocol, core).parse()
    next(core.parser)
    messages: list[tuple[bool, bytes]] = []
    fragments: list[Frame] = []
    written, failed = bytearray(), False
    for position in range(len(data)):
        core.receive_data(data[position : position + 1])
        for event in core.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                fragments.append(event)
                if event.fin:
                    whole = b"".join(bytes(part.data) for part in fragments)
                    binary = fragments[0].opcode is Opcode.BINARY
                    fragments = []
                    try:
                        if not binary:
                            whole.decode()
                        messages.append((binary, whole))
                    except UnicodeDecodeError as error:
                        failed = True
                        core.fail(1007, f"{error.reason} at position {error.start}")
        written += b"".join(core.data_to_send())
    failed = failed or core.parser_exc is not None
    core.receive_eof()
    code = (
        core.close_sent.code
        if failed and core.close_sent
        else core.close_rcvd.code
        if core.close_rcvd
        else 1006
    )
    return messages, our_frames(bytes(written)), int(code)


def by_us(data: bytes, cuts: list[int]) -> Outcome:
    async def run() -> Outcome:
        receiver = RecordingReceiver()
        line, wire = opened(receiver)
        edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, stop in pairwise(edges):
            feed(line, data[start:stop])
        line.eof_received()
        line.connection_lost(None)
        messages = [(isinstance(payload, Binary), bytes(payload)) for payload in receiver.payloads]  # type: ignore[arg-type]
        return messages, our_frames(bytes(wire.written)), receiver.ends[0].code

    return VirtualClock().run(run())


def serialized(opcode: Opcode, payload: bytes, fin: bool = True, mask: bool = False) -> bytes:
    whole = Frame(Opcode.BINARY, payload, fin).serialize(mask=mask)
    return bytes([(whole[0] & 0x80) | opcode]) + whole[1:]


sizes = st.sampled_from([0, 1, 2, 3, 60, 125, 126, 127, 200, 500, MAX_SIZE, MAX_SIZE + 1, 3000, 66_000])
texts = st.one_of(st.text(max_size=40).map(str.encode), sizes.map(lambda size: b"x" * size))
anything = st.one_of(texts, st.binary(max_size=130))
good_data = st.one_of(
    st.builds(serialized, st.just(Opcode.TEXT), texts),
    st.builds(serialized, st.just(Opcode.BINARY), anything),
)
fragments = st.builds(
    serialized, st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]), anything, st.booleans()
)
control = st.builds(serialized, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))
closes = st.builds(
    lambda code, reason: serialized(Opcode.CLOSE, code.to_bytes(2, "big") + reason),
    st.sampled_from([1000, 1001, 1004, 1005, 1006, 1011, 2999, 3000, 4999, 5000]),
    st.binary(max_size=20),
)
bad = st.one_of(
    st.builds(
        serialized, st.sampled_from(list(Opcode)), st.binary(max_size=200), st.booleans(), st.booleans()
    ),
    st.builds(serialized, st.just(Opcode.TEXT), st.binary(min_size=1, max_size=20)),
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30)).map(
        lambda parts: bytes(parts[:2]) + parts[2]
    ),
    st.integers(0, 2**64 - 1).map(lambda length: b"\x82\x7f" + length.to_bytes(8, "big")),
    st.binary(max_size=30),
)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """One message in pieces, control frames in between; its text need not be UTF-8."""
    parts = draw(st.lists(anything, min_size=2, max_size=4))
    kinds = [draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY])), *[Opcode.CONT] * (len(parts) - 1)]
    frames = []
    for number, (kind, part) in enumerate(zip(kinds, parts, strict=True), 1):
        frames.append(serialized(kind, part, number == len(parts)))
        frames.append(draw(st.one_of(st.just(b""), control)))
    return b"".join(frames)


streams = st.lists(
    st.one_of(good_data, good_data, control, fragments, fragmented(), closes, bad), max_size=8
).map(b"".join)


@settings(max_examples=300)
@given(streams, st.lists(st.integers(min_value=0), max_size=6))
@example(serialized(Opcode.TEXT, b"one", False) + serialized(Opcode.TEXT, b"two"), [])
@example(serialized(Opcode.TEXT, "ü".encode()[:1], False) + serialized(Opcode.CONT, "ü".encode()[1:]), [])
@example(serialized(Opcode.TEXT, b"\xc3", False) + serialized(Opcode.CONT, b"\x28"), [])
@example(b"\x03\x7e", [])
@example(b"\x81\x7e\x00\x05short" + b"\x81\x7f" + (5).to_bytes(8, "big") + b"again", [])
@example(serialized(Opcode.TEXT, b"x" * 600, False) + serialized(Opcode.CONT, b"x" * 600), [700])
@example(serialized(Opcode.CLOSE, b"\x03\xe8bye") + serialized(Opcode.TEXT, b"after the end"), [])
def test_any_bytes_in_any_split_have_the_librarys_outcome(data: bytes, cuts: list[int]) -> None:
    """Messages, what we write back and the end's code are those of websockets' core fed with the same bytes."""
    assert by_us(data, cuts) == by_the_library(data)


@given(st.lists(good_data, max_size=6).map(b"".join))
def test_byte_by_byte_is_the_same_as_all_at_once(data: bytes) -> None:
    """How a stream is split into reads changes nothing."""
    assert by_us(data, list(range(min(len(data), 300)))) == by_us(data, [])


async def test_one_read_is_one_call(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, _wire = opened(receiver)
    parts = [
        serialized(Opcode.TEXT, b"a"),
        serialized(Opcode.PING, b"?"),
        serialized(Opcode.TEXT, b"b", False),
        serialized(Opcode.CONT, b"c"),
        serialized(Opcode.BINARY, b"d"),
    ]
    feed(line, b"".join(parts))
    assert (receiver.reads, receiver.payloads) == (1, [b"a", b"bc", Binary(b"d")])


async def test_a_message_larger_than_the_buffer_leaves_the_buffer_as_it_is(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, _wire = opened(receiver, max_size=4 * READ_BUFFER)
    size = len(line._buffer)
    for length in (READ_BUFFER - 11, READ_BUFFER - 10, READ_BUFFER, 4 * READ_BUFFER):
        message = b"x" * length
        feed(line, b"".join(serialized(Opcode.TEXT, payload) for payload in (b"before", message, b"after")))
        assert receiver.payloads == [b"before", message, b"after"]
        receiver.payloads.clear()
    assert len(line._buffer) == size
    assert not line._core.reader.buffer


async def test_a_too_large_message_is_refused_at_its_header(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, wire = opened(receiver)
    feed(line, b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
    assert our_frames(bytes(wire.written))[0][1][:2] == (1009).to_bytes(2, "big")
    line.connection_lost(None)
    assert [end.code for end in receiver.ends] == [1009]


async def test_endless_fragments_are_1009(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, _wire = opened(receiver)
    feed(
        line, serialized(Opcode.TEXT, b"", False) + serialized(Opcode.CONT, b"", False) * (MAX_FRAGMENTS - 1)
    )
    assert line._core.state is State.OPEN
    feed(line, serialized(Opcode.CONT, b"", False))
    line.connection_lost(None)
    assert [(end.code, end.reason) for end in receiver.ends] == [(1009, "too many fragments")]


async def test_a_peer_that_does_not_let_go_is_not_waited_for(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, wire = opened(receiver)
    feed(line, serialized(Opcode.CLOSE, Close(1012, "restart").serialize()))
    assert not wire.aborted
    await asyncio.sleep(fast_module.LINGER + 0.1)
    assert wire.aborted
    line.connection_lost(None)
    assert [(end.code, end.reason) for end in receiver.ends] == [(1012, "restart")]


async def test_after_an_abort_from_within_received_nothing_follows(clock: VirtualClock) -> None:
    class Aborting(RecordingReceiver):
        def received(self, payloads: list[Any]) -> None:
            super().received(payloads)
            line.abort()

    receiver = Aborting()
    line, _wire = opened(receiver)
    feed(line, serialized(Opcode.TEXT, b"a") + serialized(Opcode.PONG, b""))
    feed(line, serialized(Opcode.TEXT, b"b"))
    line.connection_lost(None)
    assert (receiver.payloads, receiver.pongs, len(receiver.ends)) == ([b"a"], 0, 1)


async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    frames = serialized(Opcode.TEXT, b"first") + serialized(Opcode.TEXT, b"second")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from websockets.server import ServerProtocol

        server = ServerProtocol()
        server.receive_data(await reader.readuntil(b"\r\n\r\n"))
        server.send_response(server.accept(server.events_received()[0]))  # type: ignore[arg-type]
        writer.write(b"".join(server.data_to_send()) + frames[:-3])
        writer.write(frames[-3:])
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        receiver = RecordingReceiver()
        line = await FastConnector().connect(Endpoint(url=f"ws://localhost:{port}/"), receiver)
        assert receiver.reads == 0
        await receiver.until(lambda: len(receiver.payloads) == 2)
        line.abort()
        await receiver.until_lost()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "it closed the connection during the handshake"),
        (b"SSH-2.0-hello\r\n", "its answer is not HTTP"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "wrong Sec-WebSocket-Accept",
        ),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "wrong Upgrade header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000, "its answer to the upgrade is too large"),
    ],
    ids=["nothing", "another protocol", "no accept", "no upgrade", "endless header"],
)
async def test_what_is_not_an_upgrade_is_told_apart(answer: bytes, cause: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectFailed) as failed:
            await FastConnector().connect(
                Endpoint(url=f"ws://127.0.0.1:{port}/?token=hush"), RecordingReceiver()
            )
    assert cause in failed.value.cause
    assert "hush" not in str(failed.value)


async def test_a_refusal_without_a_length_is_read_to_its_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Slow down\r\nRetry-After: 3\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeRefused) as refused:
            await FastConnector().connect(Endpoint(url=f"ws://127.0.0.1:{port}/"), RecordingReceiver())
    assert (refused.value.status, refused.value.retry_after) == (429, 3.0)


@pytest.mark.parametrize(
    "url", ["http://venue.test/", "ws:///path", "ws://venue.test:99999/", "ws://v.test/#part"]
)
async def test_a_url_that_cannot_be_meant_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="url="):
        await FastConnector().connect(Endpoint(url=url), RecordingReceiver())


async def test_a_header_of_two_lines_is_refused() -> None:
    async with SocketServer() as server:
        endpoint = Endpoint(url=server.endpoint.url, headers={"X-Name": "a\r\nX-Other: b"})
        with pytest.raises(ConfigurationError, match="headers='X-Name'"):
            await FastConnector().connect(endpoint, RecordingReceiver())


async def test_compression_is_left_to_the_library() -> None:
    async with SocketServer(compression="deflate") as server:
        receiver = RecordingReceiver()
        endpoint = Endpoint(url=server.endpoint.url, compression=True)
        line = await FastConnector().connect(endpoint, receiver)
        assert isinstance(line, WebsocketsTransport)
        connection = await server.accept()
        await connection.send("x" * 10_000)
        await receiver.until(lambda: receiver.payloads == ["x" * 10_000])
        await line.close()


async def test_connecting_can_be_cancelled_without_a_trace() -> None:
    async with SocketServer() as server:
        server.hang()
        receiver = RecordingReceiver()
        connecting = asyncio.ensure_future(FastConnector().connect(server.endpoint, receiver))
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert not receiver.ends


async def test_only_the_answer_to_our_ping_is_a_pong(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, wire = opened(receiver)
    feed(line, serialized(Opcode.PONG, b"") + serialized(Opcode.PONG, b"1"))
    assert receiver.pongs == 0, "nobody has asked"
    line.ping()
    ((_, payload),) = our_frames(bytes(wire.written))
    feed(line, serialized(Opcode.PONG, b"") + serialized(Opcode.PONG, payload + b"0"))
    assert receiver.pongs == 0
    feed(line, serialized(Opcode.PONG, payload))
    feed(line, serialized(Opcode.PONG, payload))
    assert receiver.pongs == 1


async def test_the_answer_to_a_close_is_not_thrown_away_by_whoever_is_told_of_it(clock: VirtualClock) -> None:
    receiver = RecordingReceiver()
    line, wire = opened(receiver)
    receiver.lost = lambda error: line.abort()  # type: ignore[method-assign] # as a session does
    feed(line, serialized(Opcode.CLOSE, Close(4002, "go").serialize()))
    assert our_frames(bytes(wire.written)) == [(int(Opcode.CLOSE), Close(4002, "go").serialize())]
    assert (wire.aborted, wire.closed) == (False, True), (
        "an abort would drop what the socket has not taken yet"
    )
    await asyncio.sleep(2)
    assert wire.aborted, "and a peer that does not let go is not waited for"


async def test_a_code_that_no_close_frame_may_carry_is_refused(clock: VirtualClock) -> None:
    line, _wire = opened(RecordingReceiver())
    with pytest.raises(ConfigurationError, match="code=1006"):
        await line.close(1006)


async def test_the_repr_shows_the_host_only(clock: VirtualClock) -> None:
    line = FastTransport(Endpoint(url="wss://venue.test/socket?token=hush"), RecordingReceiver())
    assert repr(line) == "<FastTransport venue.test open>"
