"""A scripted Centrifugo venue in this process, over the memory network: what a numbered session's tests talk to.

How to use it::

    async def test_it(clock):
        network = MemoryNetwork()
        async with CentrifugoPeer(network) as peer:
            session = ...                       # with connector=network, and a CentrifugoClient as its protocol
            await peer.subscribed("book")       # the first granted subscription, on any connection
            peer.publish("book", {"n": 1})
            peer.drop(3001)                     # close the newest connection with that code
            peer.publish("book", {"n": 2})      # into the history: nobody is there
            await peer.subscribed("book", 2)    # ... and the session has come back, and recovered

It lets every client in, grants every subscription, keeps one history per channel over all connections (offsets and
epochs are real), answers `history`, `refresh`, `sub_refresh` and `publish`, and sends pings; anything else is error
108. Order otherwise, before or while it runs:

* connecting: `refuse_connect(code, times)` (from 3000 on a disconnect, below an error), `refuse_token(token, code)`,
  of the connection or of a channel; `token_ttl` seconds of life for every token, after which and a grace of 25 s the
  client is dropped with 3005; `channel_token_ttl` likewise for tokens that come with a subscription, ended with 2501.
* subscriptions: `refuse_subscribe(channel, code, times)`, `ignore_subscribe(channel, times)`, `hold_subscribes()` and
  `answer_held()`, `unsubscribe(channel, code)`; `without_history(*channels)`, before anything is published there.
* histories: `publish`, `lose` (published, and never pushed to who is there), `repeat` (the last one comes again),
  `prune(channel, keep)`, `restart(channel, epoch)`, `duplicate_next_recovery()`, `refuse_history(code, times)`.
* the line: `drop`, `abort`, `half_open` (of the newest connection unless one is given), `mute_pings`, `unmute_pings`;
  and at the network itself `refuse`, `unreachable`, `hang`. `raw` sends bytes of any kind.
* what it saw: `commands` (every one received), `sizes` (of every message), `tokens`, `log(channel)` (all that was ever
  published), `connections`; to wait for it: `subscribed`, `connected`, `received`. These return at once if it has
  happened already.

Connections are numbered from 1. Each call that says something arrives as one read. Timers run on the loop's time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from ..protocols.base import Payload
from ..protocols.centrifugo import (
    CentrifugoServer,
    ChannelHistory,
    ConnectRequested,
    Disconnected,
    HistoryRequested,
    NoHistory,
    Publication,
    PublishRequested,
    RefreshRequested,
    RefreshResult,
    SendReceived,
    ServerRequest,
    SubRefreshRequested,
    SubscribeRequested,
    UnsubscribeReceived,
    encode_publication,
)
from ..transport.memory import MemoryNetwork, MemoryPeer
from .centrifugo_channels import Channels
from .centrifugo_connection import CentrifugoPeerConnection, ReceivedCommand
from .scripted import ScriptedVenue

__all__ = ["CentrifugoPeer", "CentrifugoPeerConnection", "ReceivedCommand"]

MAX_COMMANDS = 200_000
"""Commands and sizes kept for assertions; beyond, the older half is forgotten."""

MESSAGE_TOO_BIG = 1009
EXPIRED = 3005
CHANNEL_EXPIRED = 2501
GRACE = 25.0
"""Seconds that an expired token is still borne with."""


class CentrifugoPeer(ScriptedVenue[CentrifugoPeerConnection]):
    """A scripted venue that speaks the Centrifugo protocol; see the head of this file. Use it as `async with`.

    Its limits are keyword arguments: pings (`ping_interval` 0: none), channels on one connection, bytes in one
    message of a client, size and age of histories, publications in one recovery or page, bytes that may wait for one
    client (`queue_limit` 0: any number; beyond, it is closed with 3008), the life of tokens in seconds, of connections
    and of channels (0: they do not end); `lazy`: a stream has no epoch before its first publication.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        *,
        ping_interval: int = 25,
        pong_timeout: float = 8.0,
        channel_limit: int = 512,
        message_limit: int = 65_536,
        history_size: int = 5000,
        history_ttl: float = 300.0,
        recovery_limit: int = 1000,
        page_limit: int = 1000,
        queue_limit: int = 0,
        token_ttl: int = 0,
        channel_token_ttl: int = 0,
        lazy: bool = False,
    ) -> None:
        super().__init__(network)
        self.commands: list[ReceivedCommand] = []
        self.sizes: list[int] = []
        self.tokens: list[str] = []
        self.token_ttl = token_ttl
        self.channel_token_ttl = channel_token_ttl
        self._server: dict[str, Any] = {
            "ping_interval": ping_interval,
            "pong_timeout": pong_timeout,
            "channel_limit": channel_limit,
        }
        self._channels = Channels(
            size=history_size,
            ttl=history_ttl,
            recovery_limit=recovery_limit,
            page_limit=page_limit,
            lazy=lazy,
        )
        self._message_limit = message_limit
        self._queue_limit = queue_limit
        self._scripts: defaultdict[str, deque[int | None]] = defaultdict(deque)
        self._connects: deque[int] = deque()
        self._pages: deque[int] = deque()
        self._bad_tokens: dict[str, int] = {}
        self._muted = False
        self._held: list[tuple[CentrifugoPeerConnection, SubscribeRequested]] | None = None
        self._granted: defaultdict[str, int] = defaultdict(int)

    # Orders about connections and subscriptions.

    def refuse_connect(self, code: int, times: int = 1) -> None:
        """The next `times` clients are not let in: disconnected from code 3000 on, else told an error."""
        self._connects.extend([code] * times)

    def refuse_token(self, token: str, code: int = 109) -> None:
        """Who comes with `token`, refreshes to it, or subscribes with it, is refused with `code`."""
        self._bad_tokens[token] = code

    def refuse_subscribe(self, channel: str, code: int = 103, times: int = 1) -> None:
        """Refuse the next `times` subscriptions of `channel`."""
        self._scripts[channel].extend([code] * times)

    def ignore_subscribe(self, channel: str, times: int = 1) -> None:
        """Never answer the next `times` subscriptions of `channel`."""
        self._scripts[channel].extend([None] * times)

    def hold_subscribes(self) -> None:
        """Answer no subscription until `answer_held`."""
        self._held = [] if self._held is None else self._held

    def answer_held(self) -> int:
        """Answer the subscriptions held so far, and hold the next ones. Returns how many."""
        held, self._held = self._held or [], None
        for connection, request in held:
            self._grant(connection, request)
            connection.flush()
        self._held = []
        return len(held)

    def release_subscribes(self) -> None:
        """Answer what is held, and everything at once from now on."""
        self.answer_held()
        self._held = None

    def unsubscribe(self, channel: str, code: int = 2500) -> None:
        """Every client of `channel` is told that its subscription has ended."""
        self._everywhere(lambda connection: connection.server.unsubscribe(channel, code))

    # Orders about histories.

    def history(self, channel: str) -> ChannelHistory | None:
        """The history of `channel`, made at its first use; None where it keeps none."""
        return self._channels.history(channel)

    def without_history(self, *channels: str, claims: bool = False) -> None:
        """These channels keep no history and number nothing; with `claims` they say "recovered" all the same."""
        self._channels.without_history.update(channels)
        if claims:
            self._channels.claiming |= {channel: NoHistory(f"{channel}-1") for channel in channels}

    def publish(
        self, channel: str, data: Any = None, *, tags: Mapping[str, str] | None = None
    ) -> Publication:
        """Publish to the history, and to every client that is subscribed."""
        publication = self._log(channel, data, tags)
        self._everywhere(lambda connection: connection.server.publish(channel, publication))
        return publication

    def publish_many(self, channel: str, count: int) -> None:
        """Publish the numbers that follow the log's length, as one read for each client."""
        for connection in self._open():
            connection.flush()
        for _ in range(count):
            publication = self._log(channel, len(self.log(channel)) + 1, None)
            for connection in self._open():
                connection.server.publish(channel, publication)
        self._everywhere(lambda connection: None)

    def lose(self, channel: str, data: Any = None) -> Publication:
        """Publish one that is in the history, and that no client gets: the numbering jumps for them."""
        publication = self._log(channel, data, None)
        for connection in self._open():
            connection.flush()
            connection.server.publish(channel, publication)
            connection.server.data_to_send()
        return publication

    def repeat(self, channel: str) -> None:
        """Push the last publication of `channel` once more."""
        encoded = encode_publication(channel, self.log(channel)[-1])
        for connection in self._open():
            if channel in connection.server.subscribed:
                connection.server.forward(encoded)
                connection.flush()

    def prune(self, channel: str, keep: int = 0) -> None:
        """Forget all but the last `keep` publications of the history."""
        if (history := self.history(channel)) is not None:
            history.prune(keep)

    def restart(self, channel: str, epoch: str) -> None:
        """The stream is lost and numbered anew under `epoch`; who is subscribed is told so with 2500."""
        if (history := self.history(channel)) is not None:
            history.restart(epoch)
        self.unsubscribe(channel, 2500)

    def duplicate_next_recovery(self) -> None:
        """The next recovery that brings something brings each publication twice."""
        self._channels.doubling = True

    def refuse_history(self, code: int = 108, times: int = 1) -> None:
        """Answer the next `times` requests for a page with an error."""
        self._pages.extend([code] * times)

    def log(self, channel: str) -> list[Publication]:
        """Everything that was ever published on `channel`, in order: the truth."""
        return self._channels.logs[channel]

    # The line.

    def drop(
        self, code: int = 3001, reason: str = "", connection: CentrifugoPeerConnection | None = None
    ) -> None:
        """Close with a close frame; what was not written is lost."""
        connection = connection or self.newest
        connection.end(connection.server.disconnect(code, reason))

    def mute_pings(self) -> None:
        """Send no pings; everything else goes on."""
        self._muted = True

    def unmute_pings(self) -> None:
        """Send pings again."""
        self._muted = False
        for connection in self._open():
            self._arm(connection)

    # What it saw.

    def of(self, kind: str, channel: str | None = None) -> list[ReceivedCommand]:
        """The commands of one kind (`subscribe`, `history`, `refresh`, `pong`, ...), in order."""
        return [
            command
            for command in self.commands
            if command.kind == kind and channel in (None, command.channel)
        ]

    async def subscribed(self, channel: str, n: int = 1) -> None:
        """Wait until a subscription of `channel` was granted for the nth time."""
        await self._until(lambda: self._granted[channel] >= n)

    async def received(self, kind: str, channel: str | None = None, n: int = 1) -> ReceivedCommand:
        """Wait for the nth command of a kind; returns it."""
        await self._until(lambda: len(self.of(kind, channel)) >= n)
        return self.of(kind, channel)[n - 1]

    def __repr__(self) -> str:
        return f"<CentrifugoPeer connections={len(self.connections)} commands={len(self.commands)}>"

    # Inside.

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _everywhere(self, say: Callable[[CentrifugoPeerConnection], None]) -> None:
        for connection in self._open():
            say(connection)
            connection.flush()

    def _welcome(self, number: int, link: MemoryPeer) -> CentrifugoPeerConnection:
        server = CentrifugoServer(**self._server)
        connection = CentrifugoPeerConnection(number, link, server, self._queue_limit)
        connection.server.open(self._now())
        self._arm(connection)
        return connection

    def _over(self, connection: CentrifugoPeerConnection) -> None:
        connection.arm(None, self._tick)

    def _take(self, connection: CentrifugoPeerConnection, payload: Payload) -> None:
        self._note(connection, payload)
        if len(payload) > self._message_limit:
            connection.link.close(MESSAGE_TOO_BIG, "message size limit")
            return
        for request in connection.server.receive(payload, self._now()):
            self._answer(connection, request)
        self._arm(connection)

    def _note(self, connection: CentrifugoPeerConnection, payload: Payload) -> None:
        for kept in (self.sizes, self.commands):
            if len(kept) >= MAX_COMMANDS:
                del kept[: MAX_COMMANDS // 2]
        self.sizes.append(len(payload))
        self.commands += connection.commands_of(payload, self._now())

    def _answer(self, connection: CentrifugoPeerConnection, request: ServerRequest) -> None:
        server = connection.server
        if isinstance(request, Disconnected):
            connection.end(request)
        elif isinstance(request, ConnectRequested):
            self._let_in(connection, request)
        elif isinstance(request, SubscribeRequested):
            self._consider(connection, request)
        elif isinstance(request, HistoryRequested):
            history = self.history(request.channel)
            if self._pages or history is None:
                server.refuse(request, self._pages.popleft() if self._pages else 108)
            else:
                server.reply(
                    request, history.page(request.limit, request.since, request.reverse, self._now())
                )
        elif isinstance(request, RefreshRequested):
            self._refresh(connection, request)
        elif isinstance(request, SubRefreshRequested):
            self._refresh_channel(connection, request)
        elif isinstance(request, PublishRequested):
            server.reply(request)
            self.publish(request.channel, request.data)
        elif not isinstance(request, UnsubscribeReceived | SendReceived):
            server.refuse(request, 108)

    def _let_in(self, connection: CentrifugoPeerConnection, request: ConnectRequested) -> None:
        token = request.token.reveal()
        self.tokens.append(token)
        code = self._connects.popleft() if self._connects else self._bad_tokens.get(token, 0)
        if not code:
            fields = {"client": f"client-{connection.number}", **self._lifetime(connection)}
            for ahead in connection.server.accept(request, self._now(), **fields):
                self._answer(connection, ahead)
        else:
            self._turn_away(connection, request, code)

    def _refresh(self, connection: CentrifugoPeerConnection, request: RefreshRequested) -> None:
        token = request.token.reveal()
        self.tokens.append(token)
        if code := self._bad_tokens.get(token, 0):
            self._turn_away(connection, request, code)
        else:
            result = RefreshResult(f"client-{connection.number}", **self._lifetime(connection))
            connection.server.reply(request, result)

    def _turn_away(self, connection: CentrifugoPeerConnection, request: ServerRequest, code: int) -> None:
        if code >= 3000:
            connection.end(connection.server.disconnect(code))
        else:
            connection.server.refuse(request, code)

    def _lifetime(self, connection: CentrifugoPeerConnection) -> dict[str, Any]:
        if not self.token_ttl:
            return {}
        connection.expires_at = self._now() + self.token_ttl + GRACE
        return {"expires": True, "ttl": self.token_ttl}

    def _refresh_channel(self, connection: CentrifugoPeerConnection, request: SubRefreshRequested) -> None:
        if code := self._bad_tokens.get(request.token.reveal(), 0):
            self._turn_away(connection, request, code)
        else:
            result = RefreshResult(**self._channel_lifetime(connection, request))
            connection.server.reply(request, result)

    def _channel_lifetime(
        self, connection: CentrifugoPeerConnection, request: SubscribeRequested | SubRefreshRequested
    ) -> dict[str, Any]:
        connection.channels_expire_at.pop(request.channel, None)
        if not self.channel_token_ttl or not request.token:
            return {}
        connection.channels_expire_at[request.channel] = self._now() + self.channel_token_ttl + GRACE
        return {"expires": True, "ttl": self.channel_token_ttl}

    def _consider(self, connection: CentrifugoPeerConnection, request: SubscribeRequested) -> None:
        if code := self._bad_tokens.get(request.token.reveal(), 0):
            self._turn_away(connection, request, code)
        elif self._held is None:
            self._grant(connection, request)
        else:
            self._held.append((connection, request))

    def _grant(self, connection: CentrifugoPeerConnection, request: SubscribeRequested) -> None:
        script = self._scripts[request.channel]
        if script:
            code = script.popleft()
            if code is not None:
                connection.server.refuse(request, code)
            return
        now, life = self._now(), self._channel_lifetime(connection, request)
        history = self._channels.recovering(request.channel, request.position, now)
        self._granted[request.channel] += connection.server.grant(request, now, history, **life)
        self._changed.set()

    def _log(self, channel: str, data: Any, tags: Mapping[str, str] | None) -> Publication:
        return self._channels.publish(channel, data, tags, self._now())

    # Timers.

    def _arm(self, connection: CentrifugoPeerConnection) -> None:
        ping_at = None if self._muted else connection.server.next_deadline()
        deadlines = [connection.expires_at, ping_at, *connection.channels_expire_at.values()]
        connection.arm(min((at for at in deadlines if at is not None), default=None), self._tick)

    def _tick(self, connection: CentrifugoPeerConnection) -> None:
        now = self._now()
        if connection.expires_at is not None and connection.expires_at <= now:
            connection.expires_at = None
            connection.end(connection.server.disconnect(EXPIRED))
        for channel in [channel for channel, at in connection.channels_expire_at.items() if at <= now]:
            del connection.channels_expire_at[channel]
            connection.server.unsubscribe(channel, CHANNEL_EXPIRED)
        if not self._muted:
            for disconnected in connection.server.handle_timer(now):
                connection.end(disconnected)
        connection.flush()
        self._arm(connection)
