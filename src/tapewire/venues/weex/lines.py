"""The sockets of one client: a pool of public ones and one private, opened when they are needed.

Rules: a hundred topics at most on each; every attempt to connect waits for the address's budget; the private socket is
signed anew on each attempt, by the venue's clock. The venue cuts off a socket without topics after a minute: such a one
is closed by us before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ...errors import ConfigurationError, SessionClosed
from ...protocols.base import ClientProtocol
from ...secrets import Secret
from ...session.options import SessionOptions, Statistics
from ...session.pool import Pool
from ...session.session import Session
from ...session.subscription import Subscription
from .errors import WEEXInvalidArgument
from .limits import CHANNELS_PER_CONNECTION, Operations
from .profile import Profile
from .protocol import WeexProtocol
from .spec import SPEC

__all__ = ["IDLE_SECONDS", "Lines"]

logger = logging.getLogger("tapewire.venues.weex")

IDLE_SECONDS: Final = 30.0
"""How long a socket may stay without a topic; the venue allows about 60."""

CHECK_SECONDS: Final = 5.0


class Lines:
    """The public sockets of a client, or its private one. `fields` are the session's options but for its protocol."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        fields: Mapping[str, Any],
        *,
        max_sessions: int,
        admit: Callable[[], Awaitable[None]],
    ) -> None:
        self._name = name
        self._profile = profile
        self._fields = dict(fields)
        self._protocols: dict[str, WeexProtocol] = {}
        self._on_lost: dict[str, Callable[[], Any]] = {}
        self._made = 0
        self._used: set[str] = set()  # since idle sockets were looked for last
        self._max_sessions = max_sessions
        self._pool = Pool(
            self._make_options, capacity=CHANNELS_PER_CONNECTION, max_sessions=max_sessions, admit=admit
        )
        self._opening: asyncio.Task[None] | None = None
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False
        self._gave_up = False  # the last socket that there was

    async def open(self) -> None:
        """Open the first socket now, or another where none is left. Raises what no retry can heal."""
        self._watch_idle()
        if self._opening is not None and self._opening.done() and not self._living():
            self._opening = None
        self._gave_up = False
        await asyncio.shield(self._open_soon())

    def subscribe(self, topic: str, **fields: Any) -> Subscription:
        """Want `topic`, on a socket that has room for it, or on a new one. `fields`: see `Session.subscribe`.

        Raises WEEXInvalidArgument where every socket that may be open is full.
        """
        if self._closed:
            raise SessionClosed("the client is closed")
        try:
            subscription = self._pool.subscribe(topic, **fields)
        except ConfigurationError:
            allowed = (
                f"more, for {topic} too: each {self._name} socket holds {CHANNELS_PER_CONNECTION} topics"
            )
            raise WEEXInvalidArgument("max_connections", self._max_sessions, allowed) from None
        self._used.add(self._pool.session_of(topic).options.name)
        self._gave_up = False
        _ = self._open_soon()
        self._watch_idle()
        return subscription

    def operations_of(self, topic: str) -> Operations | None:
        """The budget of the connection that serves `topic`; None where there is no connection."""
        protocol = self._protocols.get(self._name_of(topic) or "")
        return None if protocol is None else protocol.operations

    def watch_loss(self, topic: str, on_lost: Callable[[], Any] | None) -> None:
        """Call `on_lost` whenever the line of `topic` is lost, also while the topic is not served; None: no more."""
        if on_lost is None:
            self._on_lost.pop(topic, None)
        else:
            self._on_lost[topic] = on_lost

    @property
    def is_up(self) -> bool:
        """True while every socket that has topics is connected; False where the last one gave up."""
        living = self._living()
        if not living:
            return not (self._gave_up or any(session.state == "failed" for session in self._pool.sessions))
        return all(session.connected for session in living)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """One for each socket, in the order in which they were made."""
        return self._pool.sessions

    async def run_forever(self) -> None:
        """Wait until all is closed. Raises what a socket gave up for, or the error that ended a topic."""
        await self._pool.run_forever()

    def reconnect(self) -> None:
        """Drop every connection and make new ones."""
        for session in self._living():
            session.reconnect()

    def statistics(self) -> Statistics:
        """Frozen figures of all sockets together, with those of each."""
        return self._pool.statistics()

    async def close(self) -> None:
        """Close every socket. Bounded in time, idempotent."""
        self._closed = True
        tasks = [task for task in (self._reaper, self._opening) if task is not None]
        if self._reaper is not None:
            self._reaper.cancel()
        await self._pool.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _living(self) -> list[Session]:
        return [session for session in self._pool.sessions if session.state not in _OVER]

    def _make_options(self, number: int) -> SessionOptions:
        self._made += 1
        name = f"{SPEC.name} {self._name} {self._made}"

        def protocol(token: Secret | None) -> ClientProtocol:
            made: WeexProtocol = SPEC.protocol(self._profile, self._fields["clock"].time_ns)
            self._protocols[name] = made
            return made

        told = self._fields.get("on_state")

        def on_state(state: str) -> None:
            if state in _LOST:
                self._tell_lost(name)
            if told is not None:
                told(state)

        own = {"name": name, "protocol": protocol, "on_state": on_state}
        return SessionOptions(**(self._fields | own))

    def _tell_lost(self, name: str) -> None:
        for topic, on_lost in tuple(self._on_lost.items()):
            if self._name_of(topic) == name:
                on_lost()

    def _name_of(self, topic: str) -> str | None:
        """That of the socket which serves it; None where none does."""
        try:
            return self._pool.session_of(topic).options.name
        except ConfigurationError:
            return None

    def _open_soon(self) -> asyncio.Task[None]:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(
                self._pool.open(), name=f"weex {self._name} opening"
            )
            self._opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._opening

    def _watch_idle(self) -> None:
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.get_running_loop().create_task(
                self._close_idle(), name=f"weex {self._name} idle"
            )

    async def _close_idle(self) -> None:
        idle: dict[str, float] = {}
        living = True
        while living:
            await asyncio.sleep(CHECK_SECONDS)
            living = False
            used, self._used = self._used, set()
            for session in self._pool.sessions:
                name = session.options.name
                if session.state in _OVER:
                    self._protocols.pop(name, None)
                    if session.state == "failed":
                        self._gave_up = True
                        await session.close()  # its streams have raised why: it holds no place any more
                    continue
                living = True
                figures = session.statistics()
                opening = not figures.connections  # and somebody still waits for it
                if figures.subscriptions or opening or name in used:
                    idle.pop(name, None)
                    continue
                idle[name] = idle.get(name, 0.0) + CHECK_SECONDS
                if idle[name] >= IDLE_SECONDS:
                    logger.info("%s: closed, for nothing is subscribed", name)
                    await session.close()


_OVER: Final = ("closing", "closed", "failed")
_LOST: Final = ("waiting", "authorizing")
"""What follows a line that was up, or was to be."""
