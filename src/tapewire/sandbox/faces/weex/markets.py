"""The contracts of the played WEEX: their markets, books and tapes, and what is published of them. Pure.

Changes are noted as they happen; what is conflated of them (books, tickers, candles) is taken when it is due.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...core.events import BookChanged, MarketCreated, Trade, Traded
from ...core.exchange import Exchange, Market
from ...play import Message
from .books import DEPTHS, FIRST_VERSION, BookStream
from .contracts import Contract
from .tape import Tape
from .topics import depth_of, kline_of

__all__ = ["WeexMarkets"]


class WeexMarkets:
    """What is listed at `exchange`, each by its symbol. `delisted` ones take subscriptions but are dead."""

    def __init__(
        self, exchange: Exchange, contracts: Sequence[Contract], delisted: Sequence[str], seed: int | str
    ) -> None:
        self.contracts: dict[str, Contract] = {each.symbol: each for each in contracts}
        self.delisted = set(delisted)
        self.open: dict[str, Market] = {}
        self.tapes: dict[str, Tape] = {}
        self.books: dict[tuple[str, int], BookStream] = {}
        self.versions: dict[str, int] = {}
        self._exchange = exchange
        self._seed = seed
        self._draw = random.Random(f"weex-weex-{seed}")
        self._candle_topics: dict[str, None] = {}
        self._changed_books: set[str] = set()
        self._changed_tickers: set[str] = set()
        self._traded: set[str] = set()

    @property
    def known_symbols(self) -> set[str]:
        """What can be subscribed to."""
        return self.contracts.keys() | self.delisted

    def symbol_of(self, market_id: str) -> str:
        """The contract of a market."""
        market = self._exchange.find_market(market_id)
        return market.facts["symbol"] if market else ""

    def contract_of(self, market_id: str) -> Contract | None:
        """The contract of a market; None where it is not traded any more."""
        return self.contracts.get(self.symbol_of(market_id))

    # What happens.

    def begin(self, event: MarketCreated, now_ns: int) -> None:
        """A contract's market has begun."""
        symbol = event.facts["symbol"]
        contract, market = self.contracts[symbol], self._exchange.markets[event.market_id]
        self.open[symbol] = market
        self.versions[symbol] = FIRST_VERSION + self._draw.randrange(10**6)
        self.tapes[symbol] = Tape(contract, market, now_ns // 1_000_000, self._seed)
        for depth in DEPTHS:
            self.books[symbol, depth] = BookStream(contract, market, depth, self.versions[symbol])

    def note(self, event: BookChanged | Traded) -> None:
        """Something has changed."""
        symbol = self.symbol_of(event.market_id)
        if symbol not in self.contracts:
            return
        self._changed_tickers.add(symbol)
        if isinstance(event, BookChanged):
            self.versions[symbol] += 1
            self._changed_books.add(symbol)
        else:
            self.tapes[symbol].add(event.trade)
            self._traded.add(symbol)

    def follow_candles(self, topic: str) -> None:
        """Candles are published only once somebody has subscribed to them."""
        if kline_of(topic):
            self._candle_topics[topic] = None

    def delist(self, symbol: str) -> None:
        """A contract is not traded any more."""
        self.delisted.add(symbol)
        self.contracts.pop(symbol)
        for topic in [topic for topic in self._candle_topics if topic.startswith(f"{symbol}@")]:
            del self._candle_topics[topic]

    # What is published: topic, event and fields.

    def trades(self, made: Sequence[Trade]) -> Iterator[Message]:
        """One message for the trades of each contract."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for trade in made:
            contract = self.contract_of(trade.market_id)
            if contract is not None:
                rows.setdefault(contract.symbol, []).append(_trade_row(trade, contract))
        for symbol, found in rows.items():
            yield Message(f"{symbol}@trade", "trade", {"d": found})

    def take_books(self) -> Iterator[Message]:
        """What has changed in books since they were taken last."""
        changed, self._changed_books = sorted(self._changed_books), set()
        for symbol in changed:
            for depth in DEPTHS:
                delta = self.books[symbol, depth].publish(self.open[symbol], self.versions[symbol])
                if delta is not None:
                    yield Message(f"{symbol}@depth{depth}", "depth", delta)

    def take_tickers(self, now_ms: int) -> Iterator[Message]:
        """The tickers that have changed since they were taken last, and the candles that somebody follows."""
        changed, self._changed_tickers = sorted(self._changed_tickers), set()
        for symbol in changed:
            row = self.tapes[symbol].ticker(self.open[symbol], now_ms)
            yield Message(f"{symbol}@ticker", "ticker", {"d": [row]})
        traded, self._traded = self._traded, set()
        for topic in list(self._candle_topics) if traded else ():
            symbol, kline = topic.partition("@")[0], kline_of(topic)
            if symbol in traded and kline is not None:
                yield Message(topic, "kline", self._candle(symbol, *kline, now_ms))

    def snapshot(self, topic: str, book: Mapping[str, Any] | None, now_ms: int) -> Message | None:
        """What a subscription begins with: the `book` of a topic of books; None where it begins with nothing."""
        symbol = topic.partition("@")[0]
        if depth_of(topic) is not None:
            return Message(topic, "depthSnapshot", book)
        if symbol in self.delisted:
            return None
        kline = kline_of(topic)
        if kline is not None:
            return Message(topic, "klineSnapshot", self._candle(symbol, *kline, now_ms))
        if topic.endswith("@trade"):
            contract = self.contracts[symbol]
            rows = [_trade_row(trade, contract) for trade in self.open[symbol].trades]
            return Message(topic, "tradeSnapshot", {"d": rows})
        return None

    def _candle(self, symbol: str, interval: str, price_type: str, now_ms: int) -> dict[str, Any]:
        tape = self.tapes[symbol]
        [candle] = tape.candles(interval, 1, now_ms)
        return {"p": price_type, "d": [tape.row(candle, interval)]}


def _trade_row(trade: Trade, contract: Contract) -> dict[str, Any]:
    return {
        "T": trade.at_ns // 1_000_000,
        "t": trade.trade_id,
        "p": contract.price(trade.price),
        "q": contract.size(trade.quantity),
        "v": contract.money(trade.price * trade.quantity, trade.quantity),
        "m": trade.taker_side == "sell",
    }
