"""The markets channel, joined once for all who follow a market: books, tickers and trades of one venue's market.

The channel brings every market's changes: changed fields alone, without numbers. `MarketsChannel` holds the one join
and gives each follower what is of its market, inside the read. Rules:

* A follower stands on a row that was asked for over HTTP after the channel was joined, and on each change since. What
  the row holds already is told by the stamps (`merge.py`).
* After a lost line the session holds what comes until the rows of all followers are there, had in one call. Who comes
  later, or has to begin anew, is given a row of its own, and what comes meanwhile is held for it.
* A change that cannot be read is a gap of that follower alone; it begins anew. Where that goes on it waits longer.
* A market that is settled or voided, and one of which the venue has no row, is the end of its followers.
"""

from __future__ import annotations

import asyncio
import logging
import math
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

import msgspec

from ...clock import Clock
from ...errors import SessionClosed, UnknownInstrument, fresh_copy
from ...market.continuity import ContinuityInput
from ...marks import Gap, GapReason, Mark, Resynced, Subscribed, Subscribing
from ...model import Ticker
from ...protocols.phoenix import Frame
from ...retry import RetryPolicy
from ...secrets import sanitized
from ...session.consumer import Feed, Items
from ...session.subscription import Subscription
from ..kit.feeds import Port
from ..kit.fields import exact_json
from ..kit.intake import Intake
from .merge import Change, Line, MarketMerge, TradesChange, TradesWindow, is_later, object_of
from .translate import ending_of, field_of, published_ns, rows_of, stamp_ns, trade_key
from .unread import UnreadFields

__all__ = ["BookFollower", "Follower", "MarketsChannel", "Rows", "TickerFollower", "TradesFollower"]

logger = logging.getLogger("tapewire.venues.stx")

Rows = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
"""Market ids to the venue's rows of those it has; for a row that cannot be read, the error that says so."""

ROWS_SECONDS: Final = 10.0
"""How long rows are waited for."""

HELD: Final = 5_000
"""Changes of one market that are held while its row is fetched; with more the row is asked for anew."""

STEADY_SECONDS: Final = 30.0
"""A follower that stood for so long may begin anew at once again."""

_AGAIN: Final = RetryPolicy(max_attempts=None, initial_backoff=0.5, max_backoff=30.0)
_WHOLE, _CHANGED = "market_created", "market_updated"

_FIRST_ID: Final = slice(2, 38)
"""Where a message has the first of its markets, as it is written."""

_by_market = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_changes = msgspec.json.Decoder(dict[str, Change]).decode
_read_change = msgspec.json.Decoder(Change).decode
_read_trades = msgspec.json.Decoder(TradesChange).decode
_read_trades_changes = msgspec.json.Decoder(dict[str, TradesChange]).decode


class MarketsChannel:
    """`join(into, **fields)` has the channel feed a consumer; `rows` asks for rows; `missing` says why none is."""

    def __init__(
        self,
        join: Callable[..., Subscription],
        rows: Rows,
        missing: Callable[[str], Awaitable[BaseException]],
        clock: Clock,
    ) -> None:
        self.rows: Rows = rows
        self.clock: Clock = clock
        self.heard_at: float = clock.monotonic()
        """When it brought a change of any market last."""
        self._join = join
        self._missing = missing
        self._followers: dict[str, tuple[Follower, ...]] = {}
        self._intake: Intake | None = None
        self._stands = False  # the rows of this connection's followers are there
        self._wanting: dict[Follower, list[Any]] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- who follows ------------------------------------------------------------------------------------------------

    def follow(self, follower: Follower) -> None:
        """It is given its market from now on, first a row of it."""
        self._followers[follower.market_id] = (*self._followers.get(follower.market_id, ()), follower)
        if self._intake is None:
            self._intake = Intake(
                "stx: markets",
                self._take,
                self._mark,
                on_failed=self._lose_all,
                on_ended=self._ended,
                clock=self.clock,
            )
            self._join(self._intake, announce=True, snapshot=self._rows_of_all, snapshot_timeout=ROWS_SECONDS)
        elif self._stands:
            self.refetch(follower)

    def leave(self, follower: Follower) -> None:
        """It follows no more; the last one takes the join with it."""
        others = tuple(each for each in self._followers.get(follower.market_id, ()) if each is not follower)
        if others:
            self._followers[follower.market_id] = others
        else:
            self._followers.pop(follower.market_id, None)
        self._wanting.pop(follower, None)
        if not self._followers and self._intake is not None:
            intake, self._intake = self._intake, None
            self._stands = False
            intake.end()
            for task in (self._fetching, *self._tasks):
                if task is not None:
                    task.cancel()

    def refetch(self, follower: Follower) -> None:
        """A row of its own. While the line is down it waits for that of all."""
        if not self._stands or follower not in self._followers.get(follower.market_id, ()):
            return
        self._wanting[follower] = follower.hold()
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(
                self._fetch_wanted(), name="tapewire stx rows"
            )

    @property
    def _all(self) -> list[Follower]:
        return [follower for each in self._followers.values() for follower in each]

    # --- the session's calls, inside the read -----------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        event, payload = frame.event, frame.payload
        if event != _CHANGED and event != _WHOLE:
            return
        self.heard_at = self.clock.monotonic()
        now_ns = self.clock.time_ns()
        if event == _CHANGED:
            market_id = str(memoryview(payload)[_FIRST_ID], "latin-1")
            followers = self._followers.get(market_id)
            if followers is not None and (change := _only(market_id, followers, payload)) is not None:
                message = Message(now_ns, False, market_id, payload, None, change)
                for follower in followers:
                    follower.hear(message)
                return
        try:
            written = _by_market(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError, TypeError) as error:
            self._lose_all(error)
            return
        for market_id, raw in written.items():
            message = Message(now_ns, event == _WHOLE, market_id, payload, raw)
            for follower in self._followers.get(market_id, ()):
                follower.hear(message)

    def _mark(self, mark: Mark) -> None:
        if isinstance(mark, Resynced):
            self._stands = True
            for follower in self._all:
                row = mark.snapshot.get(follower.market_id)
                if row is not None:
                    follower.stand_on(row, mark.at_ns)
                else:  # it came while they were fetched, or there is none
                    self.refetch(follower)
        elif not isinstance(mark, Subscribed):
            if isinstance(mark, Subscribing | Gap):
                self._stands = False
                self._wanting.clear()
            for follower in self._all:
                follower.lose(mark)

    def _lose_all(self, error: Exception) -> None:
        """A message may have been of any market."""
        for follower in self._all:
            if follower.is_following:
                follower.corrupt(error)

    def _ended(self) -> None:
        """Nothing more comes: it was left by its last follower, or is over for all of them."""
        if self._intake is not None:
            error = self._intake.error or SessionClosed("stx: markets")
            self._intake, self._stands = None, False
            for follower in self._all:
                follower.end(fresh_copy(error))

    # --- rows -------------------------------------------------------------------------------------------------------

    async def _rows_of_all(self) -> Mapping[str, Any]:
        """Of all who follow now."""
        return await self.rows(list(self._followers))

    async def _fetch_wanted(self) -> None:
        failures = 0
        while self._wanting:
            wanted, self._wanting = self._wanting, {}
            try:
                async with asyncio.timeout(ROWS_SECONDS):
                    found = await self.rows(list({follower.market_id for follower in wanted}))
            except Exception as error:  # whatever it is, they have no row
                failures += 1
                self._unfetched(wanted, error)
                await asyncio.sleep(_AGAIN.delay(failures))
                continue
            failures = 0
            now_ns = self.clock.time_ns()
            for follower, hold in wanted.items():
                if follower.is_held(hold):
                    row = found.get(follower.market_id)
                    if row is None:
                        self._end_missing(follower)
                    else:
                        follower.stand_on(row, now_ns)

    def _unfetched(self, wanted: Mapping[Follower, list[Any]], error: Exception) -> None:
        detail = sanitized(str(error) or type(error).__name__)
        logger.warning("markets: rows of %d could not be had: %s", len(wanted), detail)
        for follower, hold in wanted.items():
            if follower.is_held(hold):
                follower.broken("reseed failed", detail)
                self._wanting.setdefault(follower, hold)

    def _end_missing(self, follower: Follower) -> None:
        async def end() -> None:
            error = await self._missing(follower.market_id)
            if isinstance(error, UnknownInstrument):
                follower.end(error)
            else:  # that there is none was not said
                follower.corrupt(error, "reseed failed")

        task = asyncio.get_running_loop().create_task(end(), name=f"tapewire stx {follower.market_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __repr__(self) -> str:
        return f"<MarketsChannel of {len(self._followers)} markets>"


def _only(market_id: str, followers: Sequence[Follower], payload: Any) -> Change | TradesChange | None:
    """What a message of one market says, as nearly always, of what any of these wants to know; None for any other."""
    read: Callable[[Any], Mapping[str, Any]] = _read_trades_changes
    for follower in followers:
        if follower.wants_levels:
            read = _read_changes
            break
    try:
        changes = read(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # of one of them
    return changes.get(market_id) if len(changes) == 1 else None


class Message(msgspec.Struct, eq=False):
    """What one message has of one market: read further when that is asked for, once for all who ask.

    `now_ns`: when it came. `is_whole`: it is of a market that has just been listed, and has all of it. `written`: what
    of the payload is of the market, None where that was read already, as `decoded`.
    """

    now_ns: int
    is_whole: bool
    market_id: str
    payload: Any
    written: msgspec.Raw | None
    decoded: Change | TradesChange | None = None
    checked: Change | None = None
    said_ending: str | None = None

    @property
    def may_end(self) -> bool:
        """False where it surely says nothing of an end."""
        return self.decoded is None or self.decoded.status is not None

    @property
    def fields(self) -> Any:
        """All of it. Raises ValueError."""
        if self.written is None:
            return exact_json(self.payload)[self.market_id]
        return exact_json(self.written)

    @property
    def change(self) -> Change:
        """What is kept of it. Raises ValueError (InvalidField is one)."""
        if self.checked is None:
            decoded = self.decoded or self._at_once()
            self.checked = decoded.check() if decoded.__class__ is Change else Change.of(self.fields)
        return self.checked

    @property
    def trades(self) -> tuple[Any, int | None]:
        """The last trades, as they are written or read, None where it has none; and when those were published.

        Raises ValueError (InvalidField is one).
        """
        decoded: Change | TradesChange | None = self.decoded
        if decoded is None:
            try:
                decoded = _read_trades(self.written or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                fields = object_of(self.fields)  # its trades may be right, whatever else is wrong
                return field_of(fields, "recent_trades"), published_ns(fields)
        rows = decoded.recent_trades
        return (rows, stamp_ns(decoded.timestamp)) if rows else _NO_TRADES

    @property
    def ending(self) -> str:
        """How the market has ended; empty while it has not. What cannot be read says nothing."""
        if self.said_ending is None:
            self.said_ending = ""
            with suppress(ValueError):
                self.said_ending = ending_of(self.fields)
        return self.said_ending

    def _at_once(self) -> Change | None:
        """All of it as it nearly always is; None where it has to be read field by field."""
        try:
            self.decoded = _read_change(self.written or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return self.decoded


_NO_TRADES: Final = (None, None)


class Follower(Feed):
    """One feed's place at the channel. What feeds its port: it can be left, and begin anew."""

    wants_levels: bool = True
    """False where nothing but trades, and the market's end, is of interest."""

    def __init__(self, channel: MarketsChannel, market_id: str) -> None:
        self.market_id: str = market_id
        self._channel = channel
        self._port: Port | None = None
        self._begun = asyncio.Event()
        self._stands = False
        self._held: list[Any] | None = None  # while a row of its own is fetched
        self._stood_at = math.inf  # when it began to stand, until something spoils it
        self._spoiled = 0

    def begin(self, port: Port) -> Self:
        """It feeds `port` from now on."""
        self._port = port
        self._channel.follow(self)
        return self

    @property
    def port(self) -> Port:
        """What it feeds."""
        assert self._port is not None
        return self._port

    @property
    def is_following(self) -> bool:
        """True while it stands on a row, or holds what follows the one that it waits for."""
        return self._stands or self._held is not None

    # --- what its port asks -----------------------------------------------------------------------------------------

    async def confirmed(self) -> None:
        """Wait until it stands on a row."""
        await self._begun.wait()

    def unsubscribe(self) -> None:
        """Follow no more."""
        self._channel.leave(self)
        self._begun.set()
        self.port.consumer.part(self)

    def resync(self) -> None:
        """Begin anew, with a fresh row."""
        self._channel.refetch(self)

    async def probe(self) -> bool:
        """True if the channel brings changes of others, or a fresh row says nothing that is not known."""
        quiet = self.port.source.quiet or 0.0
        if self._channel.clock.monotonic() - self._channel.heard_at < quiet:
            return True
        arrivals = self.port.arrivals
        row = (await self._channel.rows([self.market_id])).get(self.market_id)
        if not self._stands or self.port.arrivals != arrivals:
            return True  # it spoke meanwhile, or says already that it is not current
        if isinstance(row, Mapping) and not self._is_news(row):
            return True
        self.port.resync_soon()
        return False

    # --- what the channel tells -------------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Its market's part of a message."""
        if self._stands:  # and then nothing is held
            try:
                if message.is_whole:
                    row = message.fields
                    self._replace(row)
                    self._tell(row, message.now_ns)
                else:
                    self._change(message)
                if message.may_end and message.ending:
                    self.port.finish(message.ending)
            except Exception as error:  # something is corrupt in it: its market is not what it was
                self.corrupt(error)
        elif self._held is not None:
            self._held.append(message)
            if len(self._held) > HELD:
                self._channel.refetch(self)

    def stand_on(self, row: Any, now_ns: int) -> None:
        """A fresh row, or the error that it is; what was held follows it."""
        held, self._held = self._held or [], None
        try:
            if isinstance(row, Exception):
                raise row
            self._replace(row)
        except Exception as error:
            self.corrupt(error)
            return
        if ending := ending_of(row):  # it was over before it was asked for, or while the line was down
            self._tell_last(now_ns)
            self._begun.set()
            self.port.finish(ending)
            return
        self._stands, self._stood_at = True, self._channel.clock.monotonic()
        self.port.mark(Resynced(at_ns=now_ns, snapshot=row))
        self._tell(row, now_ns)
        self._begun.set()
        for message in held:
            self.hear(message)

    def hold(self) -> list[Any]:
        """Keep what comes until a row is there that is asked for now."""
        self._stands, self._held = False, []
        return self._held

    def is_held(self, hold: list[Any]) -> bool:
        """True if it is that hold that a row is awaited for."""
        return self._held is hold

    def lose(self, mark: Mark) -> None:
        """The line has lost it, or failed to have its row: it stands on nothing until there is another."""
        if isinstance(mark, Subscribing | Gap):
            self._stands, self._held = False, None
        if self._begun.is_set() or not isinstance(mark, Gap) or mark.reason == "reseed failed":
            self.port.mark(mark)  # else there was nothing yet that could break

    def corrupt(self, error: BaseException, reason: GapReason = "undecodable") -> None:
        """Something of its market cannot be read, or had."""
        now = self._channel.clock.monotonic()
        self._spoiled = 1 if now - self._stood_at >= STEADY_SECONDS else self._spoiled + 1
        self._stands, self._held, self._stood_at = False, None, math.inf
        detail = sanitized(f"{type(error).__name__}: {error}")
        self.broken(reason, detail)
        delay = 0.0 if self._spoiled == 1 else _AGAIN.delay(self._spoiled - 1)
        logger.warning("%s: %s; beginning anew in %.1f s", self.port.consumer.name, detail, delay)
        asyncio.get_running_loop().call_later(delay, partial(self._begin_anew, self._spoiled))

    def _begin_anew(self, spoiled: int) -> None:
        if not self._stands and self._held is None and self._spoiled == spoiled:
            self._channel.refetch(self)

    def broken(self, reason: GapReason, detail: str) -> None:
        """It is no more what the venue has, until it stands on a row again."""
        now_ns = self._channel.clock.time_ns()
        self.port.mark(Gap(reason=reason, since_ns=now_ns, until_ns=now_ns, detail=detail[:200]))

    def end(self, error: BaseException) -> None:
        """Nothing more comes."""
        self.port.consumer.end(error)

    # --- what it makes of its market --------------------------------------------------------------------------------

    @abstractmethod
    def _replace(self, row: Any) -> None:
        """The whole market. Raises InvalidField, and is then as it was."""

    @abstractmethod
    def _tell(self, row: Any, now_ns: int) -> None:
        """Tell the port of the whole market, which was just taken."""

    def _tell_last(self, now_ns: int) -> None:
        """The whole market that was just taken is over: tell the port what happened there and was not told yet."""
        return

    @abstractmethod
    def _change(self, message: Message) -> None:
        """Changed fields of it. Raises ValueError (InvalidField is one)."""

    @abstractmethod
    def _is_news(self, row: Mapping[str, Any]) -> bool:
        """True if a whole market says something that was not told. Raises InvalidField."""


class _MergedFollower(Follower):
    def __init__(self, channel: MarketsChannel, market_id: str) -> None:
        super().__init__(channel, market_id)
        self._merge = MarketMerge(market_id)

    def _replace(self, row: Any) -> None:
        self._merge.replace(row)

    def _fresh(self, row: Mapping[str, Any]) -> MarketMerge:
        fresh = MarketMerge(self.market_id)
        fresh.replace(row)
        return fresh


class BookFollower(_MergedFollower):
    """The book of a market."""

    @property
    def levels(self) -> MarketMerge:
        """What its feed's view shows."""
        return self._merge

    def _tell(self, row: Any, now_ns: int) -> None:
        self._merge.received_at_ns = now_ns
        self.port.changed(is_right=True)

    def _change(self, message: Message) -> None:
        change, merge = message.change, self._merge
        if merge.merge(change) and not (change.bids is change.offers is msgspec.UNSET):
            merge.received_at_ns = message.now_ns
            self.port.changed(is_right=True, is_crossed=merge.is_crossed)

    def _is_news(self, row: Mapping[str, Any]) -> bool:
        return self._fresh(row).sides != self._merge.sides


class TickerFollower(_MergedFollower):
    """The line that a market is in short."""

    _line: Line | None = None  # that was told last

    def decode(self, told: tuple[Line, int | None, int, Any]) -> Ticker:
        """What was put is what was known then."""
        line, published, now_ns, raw = told
        return line.ticker(self.market_id, published, now_ns, raw)

    def _tell(self, row: Any, now_ns: int) -> None:
        self._line = self._merge.line
        self.port.consumer.put((self._line, self._merge.venue_time_ns, now_ns, row))

    def _change(self, message: Message) -> None:
        merge = self._merge
        if merge.merge(message.change) and (line := merge.line) != self._line:
            self._line = line
            raw = UnreadFields(message.payload, self.market_id)
            self.port.consumer.put((line, merge.venue_time_ns, message.now_ns, raw))

    def _is_news(self, row: Mapping[str, Any]) -> bool:
        return self._fresh(row).line != self._merge.line


class TradesFollower(Follower):
    """The last trades of a market, each told once. What happened before it was followed is not told."""

    wants_levels = False

    def __init__(self, channel: MarketsChannel, market_id: str) -> None:
        super().__init__(channel, market_id)
        self._window = TradesWindow(market_id)
        self._row_at_ns: int | None = None
        self._rows: Any = None  # the window that was heard last
        self._is_first = True

    def decode(self, told: tuple[Any, int]) -> Any:
        """A window: what is new in it, behind a gap where it does not reach back to the one before."""
        rows, now_ns = told
        news, is_whole = self._window.take(rows, now_ns)
        if is_whole:
            return news[0] if len(news) == 1 else Items(news)  # which cost a queue
        detail = "more trades than the venue's window holds"
        at_ns = self._channel.clock.time_ns()
        gap = Gap(reason="sequence", since_ns=at_ns, until_ns=at_ns, detail=detail)
        return Items([*self.port.hole(gap, detail), *news])

    def _replace(self, row: Any) -> None:
        row = object_of(row)
        rows, published = field_of(row, "recent_trades"), published_ns(row)
        if self._is_first:
            self._window.begin(rows)
        self._rows, self._row_at_ns = rows, published

    def _tell(self, row: Any, now_ns: int) -> None:
        self._tell_last(now_ns)
        self._is_first = False
        self.port.handle(ContinuityInput.PROVEN)

    def _tell_last(self, now_ns: int) -> None:
        if not self._is_first:
            self.port.consumer.put((self._rows, now_ns))

    def _change(self, message: Message) -> None:
        rows, published = message.trades
        if rows is not None and is_later(published, self._row_at_ns):
            self._rows = rows
            self.port.consumer.put((rows, message.now_ns))

    def _is_news(self, row: Mapping[str, Any]) -> bool:
        return bool(_newest(field_of(row, "recent_trades")) != _newest(self._rows))


def _newest(rows: Any) -> Any:
    """The newest of a window of trades, by its key; None of an empty one. Raises InvalidField."""
    if isinstance(rows, msgspec.Raw):
        rows = exact_json(rows)
    keys = [trade_key(row) for row in rows_of(rows, "recent_trades")]
    return max(keys, key=lambda key: key[0], default=None)
