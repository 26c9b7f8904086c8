"""What goes out and what is awaited for it: numbers, batches, deadlines. Pure.

Rules: commands are numbered upwards from 1; what goes out at one time is put into as few WebSocket messages as
`Pacing.max_frame` allows; a deadline runs from the moment its command was handed out, which is when it was sent. Of
history at most a window of pages is under way: an answer may be a thousand publications.
"""

from __future__ import annotations

from collections import deque

from ..base import Payload
from .commands import CommandFrame, ConnectRequest, SubscribeRequest, encode_command
from .pacing import Pacing

__all__ = ["MAX_AWAITED", "MAX_WITHDRAWN", "Outbox"]

MAX_AWAITED = 10_000
"""Commands whose answer has not come, before no more are taken."""

MAX_WITHDRAWN = 1_000
"""Withdrawn commands that are remembered as never sent; the oldest is forgotten first."""

_PONG = b"{}"
_TIMED = frozenset({"connect", "subscribe", "unsubscribe"})


class Outbox:
    """The commands of one connection. `timeout` in seconds is that of `connect`, `subscribe` and `unsubscribe`."""

    def __init__(self, pacing: Pacing, timeout: float) -> None:
        self._pacing = pacing
        self._timeout = timeout
        self._last = 0
        self._greeting: bytes | None = None
        self._outgoing: list[tuple[str, bytes]] = []
        self._unsent: set[str] = set()
        self._withdrawn: dict[str, None] = {}
        self._awaited: dict[int, tuple[str, str]] = {}
        self._pages_waiting: deque[tuple[str, bytes]] = deque()
        self._pages: dict[int, str] = {}  # under way, with their channels
        self._unarmed: list[int] = []
        self._deadlines: dict[int, float] = {}
        self._own_commands = False
        self._batched = False

    @property
    def full(self) -> bool:
        """True when no more commands may be written."""
        return len(self._awaited) + len(self._outgoing) >= MAX_AWAITED

    @property
    def paging(self) -> set[str]:
        """Channels of which a page of history is under way."""
        return set(self._pages.values())

    @property
    def only_single_subscribes(self) -> bool:
        """True if every message so far was one small command of the protocol's own: nothing could be made smaller."""
        return not (self._batched or self._own_commands)

    def greet(self, request: ConnectRequest, now: float) -> None:
        """`connect` is to go out, alone and first."""
        self._last += 1
        self._greeting = encode_command(CommandFrame(self._last, connect=request))
        self._awaited[self._last] = ("connect", "")
        self._deadlines[self._last] = now + self._timeout

    def write(self, frame: CommandFrame, kind: str, topic: str) -> str:
        """Queue one command; returns its ref. `frame` gets its number here, unless it is a `send`, which has none."""
        number = self._last + 1
        if frame.send is None:
            frame.id = number
        message = encode_command(frame)
        self._last = number
        ref = str(number)
        if kind == "history":
            self._pages_waiting.append((ref, message))
        else:
            self._outgoing.append((ref, message))
        self._unsent.add(ref)
        if frame.id:
            self._awaited[number] = (kind, topic)
        if kind in _TIMED:
            self._unarmed.append(number)
        else:
            self._own_commands = True
        return ref

    def write_subscribe(self, request: SubscribeRequest) -> None:
        """Queue a subscription."""
        self.write(CommandFrame(subscribe=request), "subscribe", request.channel)

    def pong(self) -> None:
        """Answer one ping."""
        self._outgoing.append(("", _PONG))

    def take(self, connected: bool, now: float | None) -> list[Payload]:
        """The messages to write now: before the answer to `connect`, nothing but that."""
        if not connected:
            greeting, self._greeting = self._greeting, None
            return [] if greeting is None else [greeting]
        while self._pages_waiting and len(self._pages) < self._pacing.paging_window:
            page = self._pages_waiting.popleft()
            number = int(page[0])
            self._pages[number] = self._awaited[number][1]
            self._outgoing.append(page)
        if not self._outgoing:
            return []
        outgoing, self._outgoing = self._outgoing, []
        self._unsent.difference_update([ref for ref, _ in outgoing])
        if now is not None:
            self.tick(now)
        return self._batches([command for _, command in outgoing])

    def was_sent(self, ref: str) -> bool:
        return ref not in self._unsent and ref not in self._withdrawn

    def withdraw(self, ref: str) -> bool:
        """Forget a command of the user's that was not handed out; False where it was."""
        self._pages.pop(int(ref), None)  # nobody waits for it: it holds no place
        if ref not in self._unsent:
            return False
        self._unsent.discard(ref)
        if len(self._withdrawn) >= MAX_WITHDRAWN:
            del self._withdrawn[next(iter(self._withdrawn))]
        self._withdrawn[ref] = None
        self._outgoing = [item for item in self._outgoing if item[0] != ref]
        self._pages_waiting = deque(item for item in self._pages_waiting if item[0] != ref)
        self._awaited.pop(int(ref), None)
        return True

    def answered(self, number: int) -> tuple[str, str] | None:
        """Kind and channel of the command whose answer came; None where none is awaited."""
        awaited = self._awaited.pop(number, None)
        self._pages.pop(number, None)
        if self._deadlines.pop(number, None) is None and self._unarmed and number in self._unarmed:
            self._unarmed.remove(number)
        return awaited

    def tick(self, now: float) -> None:
        """The deadlines of what was handed out since the last `now` begin."""
        if self._unarmed and not self._outgoing:
            for number in self._unarmed:
                self._deadlines[number] = now + self._timeout
            self._unarmed.clear()

    @property
    def next_deadline(self) -> float | None:
        """When the earliest of the awaited answers is overdue. They are in order: their time is the same for all."""
        return next(iter(self._deadlines.values()), None)

    def excuse(self, now: float) -> None:
        """Answers could not be read until `now`: all that are awaited have their whole time anew."""
        self._deadlines = dict.fromkeys(self._deadlines, now + self._timeout)

    def expire(self, now: float) -> str | None:
        """The kind of the command that is overdue. Said once: none of those under way is judged again."""
        deadline = self.next_deadline
        if deadline is None or deadline > now:
            return None
        kind, _ = self._awaited[next(iter(self._deadlines))]
        self._deadlines.clear()
        return kind

    def _batches(self, commands: list[bytes]) -> list[Payload]:
        most, batches = self._pacing.max_frame, []
        batch: list[bytes] = []
        size = 0
        for command in commands:
            if batch and size + len(command) + 1 > most:
                batches.append(batch)
                batch, size = [], 0
            batch.append(command)
            size += len(command) + 1
        batches.append(batch)
        self._batched = self._batched or any(len(batch) > 1 for batch in batches)
        return [b"\n".join(batch) for batch in batches]
