"""What a client makes of everything but the ordinary publication: answers, pushes, repeats, gaps. Pure.

`Control` keeps the state of one connection: the live channels, what is asked for, what is known of the rest. The
client's reader looks channels up in `live` and hands it whatever is off the fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..base import (
    Confirmed,
    CredentialsExpiring,
    Ended,
    Failed,
    Interrupted,
    Ready,
    Refused,
    Replied,
    StreamPosition,
)
from .channel import Channel, DeltaLost
from .codes import (
    ALREADY_SUBSCRIBED,
    LIMIT_EXCEEDED,
    MESSAGE_TOO_BIG,
    SLOW,
    STATE_INVALIDATED,
    SUBSCRIPTION_EXPIRED,
    TOKEN_EXPIRED,
    UNRECOVERABLE_POSITION,
    UNSUBSCRIBES,
    close_meaning,
    error_text,
    is_temporary,
    resubscribes,
)
from .commands import INVALIDATED, ChannelRequest, CommandFrame
from .frames import ConnectResult, ErrorReply, Frame, Publication, Push, SubscribeResult
from .outbox import Outbox
from .pacing import Pacing
from .positions import Positions
from .subscribing import Asked, Subscribing

__all__ = ["Control", "Counts"]

REFRESH_AGAIN = 10.0
"""Seconds within which another token is asked for where the server did not take one this time."""


class Counts(msgspec.Struct):
    """What was dropped, and why. `stale`: of channels left. `unknown`: messages of a kind we do not know."""

    stale: int = 0
    duplicates: int = 0
    skipped: int = 0
    unrouted: int = 0
    unknown: int = 0
    undecodable: int = 0


class Control:
    """The state of one connection. Once `over`, nothing more goes out or comes in."""

    def __init__(self, pacing: Pacing, command_timeout: float) -> None:
        self.pacing = pacing
        self.live: dict[str, Channel] = {}
        self.subscribing = Subscribing(pacing)
        self.positions = Positions()
        self.outbox = Outbox(pacing, command_timeout)
        self.counts = Counts()
        self.resumed: dict[str, StreamPosition] = {}
        """Where each channel that goes on from a position was to go on from; its pages belong to that."""
        self.connected: ConnectResult | None = None
        self.over = False
        self._largest, self._largest_size = "", 0  # the channel of the largest replay answered, in bytes

    def handle(self, frame: Frame, items: list[Any]) -> bool:
        """One message that is no publication. False for an empty one: a ping, or of a kind unknown."""
        if frame.id:
            self._answered(frame, items)
        elif frame.push is not None:
            self._pushed(frame.push, items)
        else:
            return False
        return True

    def closed(self, code: int, reason: str = "") -> Failed:
        """The transport was closed with `code`: what that means. Call it before you read positions."""
        meaning = close_meaning(code, reason)
        too_big_alone = False
        if not self.over:
            if meaning.resets_positions:
                self._invalidate_all()
            if meaning.shrinks:
                self.pacing.shrink(code)
                theirs_was_too_large = self.too_large(answered=code == SLOW)
                if code == MESSAGE_TOO_BIG and not theirs_was_too_large:
                    too_big_alone = self.outbox.only_single_subscribes
        self.over = True
        return Failed(meaning.reason, code, meaning.terminal or too_big_alone, meaning.unauthorized)

    def too_large(self, *, answered: bool = False) -> bool:
        """An answer that is under way was too large, for the server's queue or for us. False where there is none.

        With `answered` it may have come whole: the server writes on while it closes, so that the end comes behind the
        answer that was too large, when the next is under way. The largest of this connection is blamed beside it.
        """
        blamed = self.subscribing.recovering | {
            topic: self.resumed.get(topic) for topic in self.outbox.paging
        }
        found = bool(blamed)
        if answered and self._largest:
            blamed.setdefault(self._largest, self.resumed.get(self._largest))
        self.pacing.replays.too_large(blamed.items())
        return found

    def lasted(self) -> None:
        """The connection has held out a while: what is under way may be more again, and the replays are behind it."""
        self.pacing.relax()
        self._largest, self._largest_size = "", 0

    def examine(self, channel: Channel, publication: Publication, append: Callable[[Any], None]) -> bool:
        """One publication off the fast path: deliver it, drop it, or say what is missing. True where delivered."""
        try:
            verdict = channel.admit(publication)
        except DeltaLost as error:
            self.counts.undecodable += 1
            self.drop_live(channel.topic)
            self.unsubscribe(channel.topic)
            append(Interrupted(channel.topic, f"a delta could not be applied: {error}"))
            return False
        if verdict is False:
            self.counts.duplicates += 1
            return False
        if verdict is not True:
            self.counts.skipped += 1
            append(verdict)
        if channel.positioned and publication.offset <= 0:
            self.pacing.replays.saw_unnumbered(channel.topic)
        publication.topic = channel.topic
        publication.epoch = channel.epoch if publication.offset else ""
        append(publication)
        return True

    def unroutable(self, topic: str, publication: Publication) -> None:
        """A publication of a channel that is not live: one on its way while we left, or one nobody asked for."""
        if self.subscribing.is_leaving(topic):
            self.counts.stale += 1
        else:
            self.counts.unrouted += 1
            self.positions.server_published(topic, publication.offset)

    # --- what the server says ---------------------------------------------------------------------------------------

    def _pushed(self, push: Push, items: list[Any]) -> None:
        topic, channel = push.channel, self.live.get(push.channel)
        if push.disconnect is not None:
            items.append(self.closed(push.disconnect.code, push.disconnect.reason))
        elif push.unsubscribe is not None:
            self.positions.server_left(topic)
            if channel is None:
                self.counts.stale += 1
            else:
                items.append(self._unsubscribed(topic, push.unsubscribe.code, push.unsubscribe.reason))
        elif push.subscribe is not None:
            self.positions.server_joined(topic, push.subscribe)
        elif channel is not None and (who := push.join or push.leave) is not None:
            event = "join" if push.join is not None else "leave"
            items.append(Publication(info=who.info, topic=topic, event=event))
        else:
            self.counts.unknown += 1

    def _unsubscribed(self, topic: str, code: int, reason: str) -> Interrupted | Ended:
        position = self.drop_live(topic)
        reason = reason[:200] or UNSUBSCRIBES.get(code, "no reason given")
        if not resubscribes(code):
            return Ended(topic, reason, code)
        if code == STATE_INVALIDATED and position is not None:
            self.positions.set(topic, INVALIDATED)
        return Interrupted(topic, reason, code, code in (SUBSCRIPTION_EXPIRED, STATE_INVALIDATED))

    def _answered(self, frame: Frame, items: list[Any]) -> None:
        awaited = self.outbox.answered(frame.id)
        if awaited is None:
            self.counts.unknown += 1
            return
        kind, topic = awaited
        error = frame.error
        if kind == "connect":
            self._greeted(error, frame.connect or ConnectResult(), items)
        elif kind == "subscribe":
            self._subscribe_answered(topic, error, frame.subscribe or SubscribeResult(), items)
        elif kind == "unsubscribe":
            self.subscribing.left(topic)
            if error is not None:
                items.append(Failed(f"unsubscribe refused: {error_text(error.code, error.message)}"))
        elif error is not None:
            items.append(Replied(str(frame.id), False, error))
            if kind in ("refresh", "sub_refresh"):
                self._not_refreshed(topic, error, items)
        else:
            self._replied(frame, kind, topic, items)

    def _not_refreshed(self, topic: str, error: ErrorReply, items: list[Any]) -> None:
        """A fresh token was not taken: of `topic`, or of the connection where that is empty."""
        text = error_text(error.code, error.message)
        if error.code == TOKEN_EXPIRED or _temporary(error):
            items.append(CredentialsExpiring(REFRESH_AGAIN, topic or None, text, error.code))
        elif not topic:
            self.over = True
            items.append(Failed(text, error.code, terminal=True))
        elif topic in self.live:
            self.drop_live(topic)
            self.unsubscribe(topic)
            items.append(Ended(topic, text, error.code))

    def _greeted(self, error: ErrorReply | None, result: ConnectResult, items: list[Any]) -> None:
        if error is not None:
            self.over = True  # the server takes nothing more on this connection
            expired = error.code == TOKEN_EXPIRED
            terminal = not expired and not _temporary(error)
            text = error_text(error.code, error.message)
            items.append(Failed(text, error.code, terminal, unauthorized=expired, expired=expired))
            return
        for topic, subscription in (result.subs or {}).items():
            self.positions.server_joined(topic, subscription)
        result.subs = None
        self.connected = result
        items.append(Ready())
        if result.expires:
            items.append(CredentialsExpiring(float(max(1, result.ttl))))

    def _subscribe_answered(
        self, topic: str, error: ErrorReply | None, result: SubscribeResult, items: list[Any]
    ) -> None:
        asked = self.subscribing.answered(topic)
        assert asked is not None
        if asked.given_up:
            if error is None:
                self.unsubscribe(topic, asked.successor)
            else:
                self.subscribing.refused(asked)
        elif error is None:
            self._confirmed(asked, result, items)
        elif error.code == ALREADY_SUBSCRIBED and (known := self.positions.server_side(topic)) is not None:
            self._confirmed(asked, known, items)  # the server had subscribed us by itself
        else:
            self._refused(topic, error, items)

    def _refused(self, topic: str, error: ErrorReply, items: list[Any]) -> None:
        retryable, expired = _temporary(error), error.code == TOKEN_EXPIRED
        if error.code == ALREADY_SUBSCRIBED:
            # The server holds a subscription that we do not know: end it, so that asking again can help.
            self.unsubscribe(topic)
            retryable = True
        elif error.code == UNRECOVERABLE_POSITION:
            self.positions.set(topic, INVALIDATED)
            retryable = True
        text, full = error_text(error.code, error.message), error.code == LIMIT_EXCEEDED
        items.append(
            Refused(topic, text, error.code, retryable or expired, error, full=full, unauthorized=expired)
        )

    def _confirmed(self, asked: Asked, result: SubscribeResult, items: list[Any]) -> None:
        request, topic = asked.request, asked.request.channel
        publications, result.publications = result.publications or [], None
        self._weigh(topic, publications)
        channel = Channel(request, result)
        self.live[topic] = channel
        recovered = self._is_recovered(asked, result, bool(publications))
        if request.recover and result.recovered:
            channel.next = request.offset + 1
        position = channel.position
        followed: list[Any] = []
        replayed = 0
        for publication in publications:
            publication.replayed = True
            replayed += self.examine(channel, publication, followed.append)
            if topic not in self.live:
                break
        items.append(Confirmed(topic, result, position, asked.since is not None, recovered, replayed))
        items.extend(followed)
        if result.expires:
            items.append(CredentialsExpiring(float(max(1, result.ttl)), topic))

    def _is_recovered(self, asked: Asked, result: SubscribeResult, brought: bool) -> bool:
        """True where it is proven that nothing is missing since the position, but for what the answer brings.

        What the server says of itself proves nothing where no number ever moved: it says so of channels, too, of which
        it keeps nothing, and of those nobody can tell what was missed.
        """
        request, since = asked.request, asked.since
        if since is None or not self.pacing.replays.is_numbered(request.channel):
            return False
        # Nothing was asked for: nothing is missing where the stream stands where it stood.
        if not request.recover:
            return result.epoch == since.epoch and result.offset == since.offset > 0
        # Where we gave no epoch the server compares none: only "from the very first on" proves anything then (unless
        # the server has lost what it numbered first and begun anew within this one outage, which nobody can tell).
        proven = since.epoch == result.epoch if since.epoch else since.offset == 0
        return result.recovered and proven and (brought or since.offset > 0)

    def _replied(self, frame: Frame, kind: str, topic: str, items: list[Any]) -> None:
        reply: Any = None
        if kind == "history":
            reply = frame.history
            if reply is not None:
                reply.publications = reply.publications or []
                self._weigh(topic, reply.publications)
                for publication in reply.publications:
                    publication.topic, publication.epoch = topic, reply.epoch
        elif kind == "rpc":
            reply = (frame.rpc.data or None) if frame.rpc is not None else None
        elif kind == "presence":
            reply = frame.presence
        elif kind == "presence_stats":
            reply = frame.presence_stats
        elif kind in ("refresh", "sub_refresh"):
            reply = frame.refresh if kind == "refresh" else frame.sub_refresh
        items.append(Replied(str(frame.id), True, reply))
        if kind in ("refresh", "sub_refresh") and reply is not None and reply.expires:
            about = topic if kind == "sub_refresh" else None
            items.append(CredentialsExpiring(float(max(1, reply.ttl)), about))

    # --- small steps ------------------------------------------------------------------------------------------------

    def unsubscribe(self, topic: str, successor: Asked | None = None) -> None:
        """Tell the server to end it; `successor` is asked for when it has."""
        self.subscribing.leave(topic, successor)
        self.outbox.write(CommandFrame(unsubscribe=ChannelRequest(topic)), "unsubscribe", topic)

    def _weigh(self, topic: str, replay: list[Publication]) -> None:
        size = sum([len(publication.data) for publication in replay])
        if size > self._largest_size:
            self._largest, self._largest_size = topic, size

    def drop_live(self, topic: str) -> StreamPosition | None:
        """It is live no more; its position is kept, and returned."""
        position = self.live.pop(topic).position
        self.positions.set(topic, position)
        return position

    def _invalidate_all(self) -> None:
        for topic in tuple(self.live):
            self.drop_live(topic)
        self.positions.invalidate()


def _temporary(error: ErrorReply) -> bool:
    return is_temporary(error.code, error.temporary)
