"""`except` the venue's root catches what its classes raise, whatever goes wrong; and the engine's class still does.

Every public method of every documented class is found by walking, and called while something is wrong.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import pickle
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tapewire import errors
from tapewire.errors import (
    BufferOverflow,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    GaveUp,
    HandshakeRefused,
    RequestLost,
    SessionClosed,
    SubscriptionRefused,
    TapewireError,
)
from tapewire.protocols.base import StreamPosition
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.session.consumer import Consumer
from tapewire.venues import stake, stx, sxbet, weex
from tapewire.venues.kit.errors import ErrorMap, joined
from tapewire.venues.stake.errors import ERRORS as OF_STAKE
from tapewire.venues.stake.socket import StakeLine
from tapewire.venues.stx.errors import ERRORS as OF_STX
from tapewire.venues.sxbet.errors import ERRORS as OF_SXBET
from tapewire.venues.weex.errors import ERRORS as OF_WEEX
from tests.test_errors import CASES
from tests.venues.kit.one_of_each import STAKE, STX_, SXBET, VENUES, WEEX, OneVenue
from tests.venues.kit.test_settings import nobody

MAPS: dict[str, ErrorMap] = {"stx": OF_STX, "sxbet": OF_SXBET, "stake": OF_STAKE, "weex": OF_WEEX}
each = pytest.mark.parametrize("venue", VENUES, ids=str)


# The mapping itself.


@each
@pytest.mark.parametrize("error", [error for error, _ in CASES], ids=lambda error: type(error).__name__)
def test_every_error_of_the_engine_is_the_venues_too_and_stays_what_it_is(
    venue: OneVenue, error: TapewireError
) -> None:
    mapped = MAPS[venue.name].mapped(error)
    assert isinstance(mapped, venue.root)
    assert isinstance(mapped, type(error))
    assert str(mapped).startswith(str(error))
    assert mapped.message == str(mapped)  # type: ignore[attr-defined]
    if type(error) is not ConfigurationError:
        assert (mapped.retryable, mapped.terminal) == (error.retryable, error.terminal)  # type: ignore[attr-defined]
    for travelled in (copy.copy(mapped), copy.deepcopy(mapped), pickle.loads(pickle.dumps(mapped))):
        assert type(travelled) is type(mapped)
        assert str(travelled) == str(mapped)
        assert vars(travelled).keys() == vars(mapped).keys()
    assert MAPS[venue.name].mapped(mapped) is mapped


@each
def test_what_is_not_ours_stays_as_it_is(venue: OneVenue) -> None:
    for error in (KeyError("x"), asyncio.CancelledError(), venue.root("x")):
        assert MAPS[venue.name].mapped(error) is error


@pytest.mark.parametrize(
    ("venue", "error", "kind"),
    [
        (STX_, HandshakeRefused("h", 401), stx.STXTokenExpiredException),
        (STX_, GaveUp(3, HandshakeRefused("h", 403)), stx.STXForbiddenException),
        (STX_, HandshakeRefused("h", 502), stx.STXServerException),
        (STX_, GaveUp(3, ConnectFailed("h", "no route")), stx.STXTransportException),
        (STX_, SubscriptionRefused("t", "no", reply={"a": 1}), stx.STXChannelException),
        (SXBET, HandshakeRefused("h", 401), sxbet.UnauthorizedError),
        (SXBET, ConnectionLost("invalid token", 3500), sxbet.UnauthorizedError),
        (SXBET, ConnectFailed("h", "no route"), sxbet.SXBetTransportError),
        (STAKE, HandshakeRefused("h", 401), stake.AuthenticationError),
        (STAKE, HandshakeRefused("h", 403), stake.AccessDeniedError),
        (STAKE, GaveUp(1, ConnectionLost("refused", 4403)), stake.AuthenticationError),
        (STAKE, HandshakeRefused("h", 429, 2.0), stake.RateLimitError),
        (WEEX, HandshakeRefused("h", 401), weex.WEEXAuthenticationError),
        (WEEX, GaveUp(3, HandshakeRefused("h", 403)), weex.WEEXPermissionError),
        (WEEX, HandshakeRefused("h", 429), weex.WEEXRateLimitError),
        (WEEX, ConnectFailed("h", "no route"), weex.WEEXNetworkError),
    ],
    ids=str,
)
def test_a_status_or_a_code_says_which_of_the_venues_it_is(
    venue: OneVenue, error: TapewireError, kind: type[Exception]
) -> None:
    mapped: Any = MAPS[venue.name].mapped(error)
    assert isinstance(mapped, kind)
    assert isinstance(mapped, type(error))
    last: Any = error.last if isinstance(error, GaveUp) else error
    status = mapped.status_code if hasattr(mapped, "status_code") else mapped.status
    assert status == getattr(last, "status", None)
    if isinstance(mapped, stake.RateLimitError | weex.WEEXRateLimitError):
        assert mapped.retry_after == (2.0 if venue is STAKE else 10.0)
    if status == 403:
        assert "403" in str(mapped)


def test_a_pair_of_classes_is_joined_once() -> None:
    assert joined(weex.WEEXError, GaveUp) is joined(weex.WEEXError, GaveUp)
    assert joined(weex.WEEXError, GaveUp).__module__ == "tapewire.venues.weex.errors"
    assert joined(sxbet.UnauthorizedError, errors.CredentialsRefused) is sxbet.UnauthorizedError


# Every method, while something is wrong.

CLASSES: dict[type[Any], OneVenue] = {
    stx.STX: STX_,
    stx.AsyncSTX: STX_,
    stx.STXWebSocket: STX_,
    sxbet.AsyncSXBet: SXBET,
    sxbet.SXBetClient: SXBET,
    sxbet.ChannelSubscription: SXBET,
    stake.StakeAPI: STAKE,
    stake.StakeWebSocket: STAKE,
    StakeLine: STAKE,
    weex.WeexAsyncClient: WEEX,
    weex.WeexWebSocketClient: WEEX,
    weex.Stream: WEEX,
}

HASH = "0x" + "a1" * 32
ADDRESS = "0x" + "b2" * 20
ORDER = {"market_id": "m", "order_type": "LIMIT", "action": "BUY", "price": 5, "quantity": 1}
ARGUMENTS: dict[str, Any] = {
    "channel": "a_channel",
    "event": "connected",
    "handler": lambda context: None,
    "payload": {},
    "symbol": "BTCUSDT",
    "symbols": ["BTCUSDT"],
    "interval": "1m",
    "limit": 15,
    "side": "buy",
    "size": "1",
    "price": "1",
    "order_id": "o",
    "order_ids": ["o"],
    "user_order": ORDER,
    "user_orders": [ORDER],
    "market_hash": HASH,
    "market_hashes": [HASH],
    "event_id": "e1",
    "league_id": 1,
    "address": ADDRESS,
    "maker": ADDRESS,
    "bettor": ADDRESS,
    "what": "orders",
    "query": "query { user { id } }",
    "code": "123456",
    "text": "{}",
    "data": {},
    "key": "k",
    "which": {},
    "params": None,
    "position": StreamPosition(0, "e"),
    "into": Consumer,
}  # fmt: skip
SPECIAL: dict[tuple[type[Any], str], dict[str, Any]] = {
    (stx.STX, "place_order"): {"params": {"user_order": ORDER}},
    (stx.AsyncSTX, "place_order"): {"params": {"user_order": ORDER}},
    (sxbet.AsyncSXBet, "trades"): {"market_hashes": [HASH]},
    (sxbet.AsyncSXBet, "best_odds"): {"market_hashes": [HASH]},
    (sxbet.AsyncSXBet, "orders"): {"market_hashes": [HASH]},
    (weex.WeexAsyncClient, "cancel_order"): {"order_id": "o"},
    (weex.WeexAsyncClient, "get_order"): {"order_id": "o"},
    (sxbet.ChannelSubscription, "on"): {"event": "publication", "handler": lambda context: None},
}
FOR_OTHERS = {
    "check_connected", "keep", "line_closed", "read", "resume", "session_for", "start_iteration", "take", "tell",
    "want",
}  # fmt: skip
"""Of SX Bet's classes, for the rooms beside them."""


def methods_of(kind: type[Any]) -> list[str]:
    names = {"__aiter__"} if kind is sxbet.ChannelSubscription else set()
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        is_property = isinstance(member, property | staticmethod | classmethod)
        if not name.startswith("_") and callable(getattr(kind, name)) and not is_property:
            names.add(name)
    return sorted(names - FOR_OTHERS)


METHODS = [(kind, name) for kind in CLASSES for name in methods_of(kind)]


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[str]:
    """A server that answers everything with that status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = re.findall(rb"(?i)content-length: *(\d+)", head)
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


TROUBLES = ("wrong host", "closed", "wrong key", "failing", "silent")


@asynccontextmanager
async def in_trouble(trouble: str) -> AsyncIterator[str]:
    if trouble in ("wrong host", "closed"):
        yield nobody()
    elif trouble == "silent":
        with socket.create_server(("127.0.0.1", 0)) as deaf:  # it takes connections and says nothing
            yield f"http://127.0.0.1:{deaf.getsockname()[1]}"
    else:
        async with answering(401 if trouble == "wrong key" else 500) as url:
            yield url


async def made_of(kind: type[Any], url: str) -> tuple[Any, Any]:
    """An object of the class, and the client to close."""
    venue = CLASSES[kind]
    where: dict[str, Any] = {venue.host: url}
    if kind is stx.STX:
        client = stx.STX(
            host=url, user=stx.User.new(), email="a@b.c", password="x", retry=RetryPolicy(1), timeout=0.1
        )
        return client, client
    calling = kind in (stx.AsyncSTX, sxbet.AsyncSXBet, stake.StakeAPI, weex.WeexAsyncClient)
    if calling or venue in (STX_, SXBET, WEEX):
        where["timeout"] = 0.1
    client = (venue.calling if calling else venue.streaming)(**where)
    if kind is sxbet.ChannelSubscription:
        return client.new_subscription("a_channel"), client
    if kind is weex.Stream:
        return client.stream_tickers(["BTCUSDT"]), client
    if kind is StakeLine:
        return StakeLine(client._line()), client
    return client, client


def arguments_for(kind: type[Any], name: str, method: Callable[..., Any]) -> dict[str, Any]:
    if (kind, name) in SPECIAL:
        return SPECIAL[kind, name]
    chosen = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            assert parameter.name in ARGUMENTS, f"say in ARGUMENTS what {kind.__name__}.{name} may be given"
            value = ARGUMENTS[parameter.name]
            chosen[parameter.name] = Consumer("a consumer") if value is Consumer else value  # each ends once
    return chosen


async def finished(result: Any) -> None:
    """Wait for whatever a method gave: its value, its first item, its confirmation."""
    if inspect.isawaitable(result):
        result = await result
    if callable(getattr(result, "confirmed", None)):
        await result.confirmed()
    elif hasattr(result, "__anext__"):
        await anext(result)


async def close(client: Any) -> None:
    for name in ("disconnect", "aclose", "close"):
        if hasattr(client, name):
            closing = getattr(client, name)()
            if inspect.isawaitable(closing):
                await closing
            return


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize(("kind", "name"), METHODS, ids=[f"{kind.__name__}.{name}" for kind, name in METHODS])
async def test_whatever_a_method_raises_is_of_the_venues_tree(
    kind: type[Any], name: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "tapewire")
    raised: list[BaseException] = []
    async with in_trouble(trouble) as url:
        made, client = await made_of(kind, url)
        if trouble == "closed":
            await close(client)
        method = getattr(made, name)
        arguments = arguments_for(kind, name, method)
        try:
            async with asyncio.timeout(0.25):
                if kind is stx.STX:
                    await asyncio.to_thread(method, **arguments)
                else:
                    await finished(method(**arguments))
        except TimeoutError:
            pass  # it waits, as a stream may
        except Exception as error:
            raised.append(error)
        await asyncio.wait_for(close(client), 10)
    for error in raised:
        assert isinstance(error, CLASSES[kind].root), f"{type(error).__mro__}: {error}"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
async def test_a_client_that_was_closed_says_so(kind: type[Any]) -> None:
    if kind not in (stx.AsyncSTX, sxbet.AsyncSXBet, stake.StakeAPI, weex.WeexAsyncClient):
        return
    venue = CLASSES[kind]
    made, client = await made_of(kind, nobody())
    await close(client)
    with pytest.raises(SessionClosed) as closed:
        await venue.call(made)
    assert isinstance(closed.value, venue.root)


@each
async def test_a_line_that_gave_up_is_both(venue: OneVenue) -> None:
    made = venue.streaming(**{venue.host: nobody()})
    with pytest.raises((GaveUp, errors.CredentialsError) if venue is SXBET else venue.root) as raised:
        await getattr(made, venue.open)()
    assert isinstance(raised.value, venue.root)
    await close(made)


def stx_socket(url: str) -> stx.STXWebSocket:
    return stx.STXWebSocket(host=url, user=stx.User.new(), email="a@b.c", password="x")


async def _stx_stream(url: str) -> Any:
    ws = stx_socket(url)
    await ws.connect()
    return ws, await ws.join(stx.Channels.MARKETS, policy="fail", capacity=1)


async def _sxbet_stream(url: str) -> Any:
    client = sxbet.SXBetClient(host=url, api_key="sandbox-sxbet-key")
    await client.connect()
    channel = client.new_subscription("recent_trades:global", policy="fail", capacity=1)
    await channel.ready()
    return client, channel


async def _stake_stream(url: str) -> Any:
    ws = stake.StakeWebSocket("a-token", base_url=url)
    await ws.open()
    channel = ws.watch("game:crash", policy="fail", capacity=1)
    await channel.confirmed()
    return ws, channel


async def _weex_stream(url: str) -> Any:
    client = weex.WeexWebSocketClient(weex.WeexConfig(host=url))
    await client.connect()
    stream = client.stream_tickers(["BTCUSDT"], policy="fail", capacity=1)
    await stream.confirmed()
    return client, stream


STREAMS = {"stx": _stx_stream, "sxbet": _sxbet_stream, "stake": _stake_stream, "weex": _weex_stream}


async def taken_slowly(stream: Any) -> None:
    async for _ in stream:
        await asyncio.sleep(0.3)


@each
async def test_an_overflow_of_an_iteration_is_both(venue: OneVenue) -> None:
    async with Sandbox(rate=400, venues=[venue.name]) as sandbox:
        client, stream = await STREAMS[venue.name](sandbox.url)
        with pytest.raises(BufferOverflow) as overflow:
            await asyncio.wait_for(taken_slowly(stream), 20)
        assert isinstance(overflow.value, venue.root)
        await close(client)


async def test_a_refused_join_and_a_lost_request_are_both() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, stx_socket(sandbox.url) as ws:
        with pytest.raises(stx.STXChannelException, match=r"Channels\.MARKETS") as refused:
            await ws.join("no_such_topic")
        assert isinstance(refused.value, SubscriptionRefused)
        await ws.join(stx.Channels.MARKETS)
        asking = asyncio.create_task(ws.request(stx.Channels.MARKETS, "ping", {}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ws.reconnect()
        with pytest.raises(stx.STXTransportException) as lost:
            await asking
        assert isinstance(lost.value, RequestLost)
        assert lost.value.outcome_unknown is lost.value.sent is True


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_a_token_that_was_set_by_hand_keeps_its_status(status: int) -> None:
    user = stx.User.new()
    user.set_params({"token": "by-hand", "uid": "u-1"})
    async with answering(status) as url:
        ws = stx.STXWebSocket(host=url, user=user, retry=RetryPolicy(3, 0.01, 0.01))
        client = stx.AsyncSTX(host=url, user=user, retry=RetryPolicy(1))
        for call in (ws.connect, client.markets):
            with pytest.raises(stx.STXException, match=str(status)) as refused:
                await call()
            assert refused.value.status_code == status
            assert "by-hand" not in str(refused.value)
        await ws.close()
        await client.close()
        keys = {"api_key": "k", "secret_key": "s", "passphrase": "p"}
        policy = RetryPolicy(3, 0.01, 0.01)
        others: list[tuple[Any, Any]] = [
            (stake.StakeWebSocket("by-hand", base_url=url, retry=policy), "open"),
            (weex.WeexWebSocketClient(weex.WeexConfig(host=url, **keys), retry=policy), "connect"),
            (sxbet.SXBetClient(host=url, api_key="by-hand"), "connect"),
        ]
        for made, opening in others:
            with pytest.raises(TapewireError, match=str(status)) as other:
                await getattr(made, opening)()
            assert getattr(other.value, "status_code", getattr(other.value, "status", None)) == status
            await close(made)
