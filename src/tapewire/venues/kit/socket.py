"""`VenueSocket`: the realtime class of a venue that has one session, all but the venue's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from ...clock import Clock
from ...protocols.base import ClientProtocol
from ...retry import RetryPolicy
from ...secrets import Secret
from ...session.consumer import Consumer
from ...session.credentials import Credentials
from ...session.options import ErrorHook, SessionOptions, Statistics
from ...session.session import Session
from ...session.subscription import Subscription
from ...transport.base import Endpoint
from .connection import Body, HomeLoop, session_fields
from .dialing import Dialer, SocketDialing, dialer_of
from .settings import Announcement
from .spec import VenueSpec

__all__ = ["SocketWords", "VenueSocket"]


class SocketWords(SocketDialing, total=False):
    """What every realtime class takes beside the way there.

    `retry`: how long an outage may last; without it the socket never gives up. `clock`: instead of the machine's.
    `on_error(error, item)`: told of exceptions of handlers, and of what ends a channel. `on_state`: told each new
    state. `connect_timeout`: seconds that the first connection may take, with all its tries, before NeverConnected is
    raised (None: no limit; later ones have none). `session_options`: any other field of tapewire's `SessionOptions`.
    """

    retry: RetryPolicy | None
    clock: Clock | None
    on_error: ErrorHook | None
    on_state: Callable[[str], None] | None
    connect_timeout: float | None
    session_options: Mapping[str, Any] | None


class VenueSocket:
    """What a realtime class with one session inherits: its line, in the words that are the same at every venue.

    `given`: what its user gave of `SocketWords`, and nothing else. `endpoint(token, dialer)` says where to connect,
    `protocol(token)` makes the protocol of one connection; both are called anew for each, with the token that
    `credentials` gave. `announcement` is said before the first connection. `fields`: further ones of `SessionOptions`;
    the user's `session_options` count over them. All errors are of the venue's tree. Raises its error for a wrong
    argument.
    """

    def __init__(
        self,
        spec: VenueSpec,
        given: Mapping[str, Any],
        *,
        endpoint: Callable[[Secret | None, Dialer], Endpoint],
        protocol: Callable[[Secret | None], ClientProtocol],
        credentials: Credentials | None = None,
        announcement: Announcement | None = None,
        **fields: Any,
    ) -> None:
        self._spec: VenueSpec = spec
        self._raising = spec.errors.raising()
        self._announcement = announcement
        self._body = Body()
        self._home = HomeLoop(self)
        dialer = dialer_of(given, spec.errors.refuse, only=SocketWords)
        words = {name: given.get(name) for name in ("retry", "clock", "on_error", "on_state")}
        with self._raising:
            chosen = session_fields(
                given.get("session_options"),
                **fields,
                **words,
                connect_timeout=given.get("connect_timeout", 30.0),
                connector=dialer.connector,
                credentials=credentials,
                name=spec.name,
            )
        own = {"endpoint": lambda token: endpoint(token, dialer), "protocol": protocol}
        ours = {"errors": spec.errors.mapped, "on_state": self._watched_by(chosen.get("on_state"))}
        self._session: Session = Session(SessionOptions(**{**own, **chosen, **ours}))

    async def connect(self) -> None:
        """Connect, and wait until channels can be joined. Failed tries are logged and repeated as `retry` says.

        Raises what no retry can heal, GaveUp where `retry` is exhausted, NeverConnected after `connect_timeout`.
        """
        with self._raising:
            self._home.check()
            if self._announcement is not None:
                self._announcement.say()
            await self._session.open()

    async def close(self) -> None:
        """Leave every channel and close the socket. Bounded in time, idempotent."""
        with self._raising:
            self._home.check()
            await self._session.close()

    async def run_forever(self) -> None:
        """Wait until the socket is closed. Raises what it gave up for, or the error that ended a channel."""
        with self._raising:
            self._home.check()
            await self._session.run_forever()

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once; channels are joined again and marked as after any loss."""
        with self._raising:
            self._home.check()
            self._session.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while the line is up."""
        return self._session.connected

    @property
    def state(self) -> str:
        """The connection's state, as in docs/states.md."""
        return self._session.state

    def statistics(self) -> Statistics:
        """Frozen figures: connections, gaps, errors, those of each channel, and of the session."""
        return Statistics.of(self._spec.name, [self._session.statistics()])

    def feed(self, channel: str, into: Consumer[Any], params: Any = None, **fields: Any) -> Subscription[Any]:
        """Have a channel feed a `Consumer` of your own, beside others; iterate that. Returns at once.

        It is put there undecoded. `params`: what the protocol sends along. `fields`: those of a `Delivery` that a topic
        has for itself. Raises the venue's error for what is no channel.
        """
        with self._raising:
            self._home.check()
            _ = self._spec.channel_of(channel)
            return self._session.subscribe(channel, params, into=into, **fields)

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        self._body.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        error = self._body.leave(*exc_info[1:2])
        await self.close()
        if error is not None:
            raise self._spec.errors.mapped(error) from error.__cause__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session!r}>"

    def _subscribe(self, topic: str, given: Mapping[str, Any], **ours: Any) -> Subscription[Any]:
        """Want a topic, delivered as its kind of channel is, but for what is `ours` and what its consumer has `given`.

        Returns at once.
        """
        with self._raising:
            self._home.check()
            return self._session.subscribe(topic, delivery=self._spec.delivery(topic, given, **ours))

    def _watched_by(self, on_state: Callable[[str], None] | None) -> Callable[[str], None]:
        """The owner's `on_state` with an eye of ours in it."""

        def changed(state: str) -> None:
            if state == "failed" and (error := self._session.unheard) is not None:
                self._body.give_up(error)
            if on_state is not None:
                on_state(state)

        return changed
