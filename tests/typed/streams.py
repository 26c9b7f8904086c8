"""What streams yield, and what handlers are given, as type checkers see it: nothing is Any where a type is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

from tapewire import Gap, Mark, Session, Subscription, connect, is_mark, merge, sync
from tapewire.market import BookView, Feed
from tapewire.model import Trade
from tapewire.venues.stake import StakeMessage, StakeWebSocket
from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket
from tapewire.venues.sxbet import ErrorContext, PublicationContext, SubscribedContext, SXBetClient
from tapewire.venues.weex import WeexMessage, WeexWebSocketClient


async def stx(ws: STXWebSocket) -> None:
    joined = await ws.join(Channels.MARKETS)
    assert_type(joined, Subscription[ChannelMessage])
    async for item in joined:
        if is_mark(item):
            assert_type(item, Mark)
            if isinstance(item, Gap):
                assert_type(item.missed, int | None)
        else:
            assert_type(item, ChannelMessage)
    async for batch in joined.batches():
        assert_type([item for item in batch if not is_mark(item)], list[ChannelMessage])
    await ws.join(Channels.ORDERS, lambda message: print(message.event), on_mark=print)


async def stake(ws: StakeWebSocket) -> None:
    async for item in ws.watch("game:crash"):
        if not is_mark(item):
            assert_type(item, StakeMessage)


async def weex(client: WeexWebSocketClient) -> None:
    async for message in client.stream_trades("BTCUSDT", on_mark=print):
        assert_type(message, WeexMessage)


async def sxbet(client: SXBetClient) -> None:
    trades = client.new_subscription("recent_trades:global")

    @trades.on("publication")
    async def on_trade(context: PublicationContext) -> None:
        print(context.offset)

    as_given: Callable[[PublicationContext], Awaitable[None]] = on_trade
    print(as_given)
    trades.on("subscribed", lambda context: print(context.recovered))
    trades.on("mark", lambda mark: print(isinstance(mark, Gap)))
    client.on("error", on_error)
    client.on("error", on_subscribed)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    async for item in trades:
        if not is_mark(item):
            assert_type(item, PublicationContext)


def on_error(context: ErrorContext) -> None: ...
def on_subscribed(context: SubscribedContext) -> None: ...


def session(session: Session, number: Callable[[Any], int]) -> None:
    assert_type(session.subscribe("numbers", decode=number), Subscription[int])
    assert_type(session.subscribe("anything"), Subscription[Any])


async def merged(ours: Subscription[ChannelMessage], others: Subscription[ChannelMessage]) -> None:
    async for stream, item in merge(ours, others):
        assert_type(stream, Subscription[ChannelMessage])
        if not is_mark(item):
            assert_type(item, ChannelMessage)


async def two_nouns() -> None:
    async with connect("weex") as venue:
        books, trades = venue.watch_order_book("BTCUSDT"), venue.watch_trades("BTCUSDT")
        async for feed, item in merge(books, trades):
            assert_type(feed, Feed[BookView] | Feed[Trade])
            if not is_mark(item):
                assert_type(item, BookView | Trade)


def blocking() -> None:
    with sync.connect("weex") as venue:
        book = venue.watch_order_book("BTCUSDT", depth=5)
        assert_type(book, sync.Feed[BookView])
        for item in book:
            if not is_mark(item):
                assert_type(item, BookView)
        for feed, each in sync.merge(venue.watch_trades("A"), venue.watch_trades("B")):
            assert_type(feed, sync.Feed[Trade])
            if not is_mark(each):
                assert_type(each, Trade)
