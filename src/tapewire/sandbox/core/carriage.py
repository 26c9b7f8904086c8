"""Which connection was given which of the ledger's numbers, and what a fault kept from it. Pure, and no clock is read.

The ledger says what was published; this says to whom it was given. A `Serving` is one subscription's life: from the
number at which it began to the one at which it ended. What a fault did to it is `Touched`, in numbers: so a hole in
somebody's stream is explained by the numbers that faults touched, and by nothing else.

Kept are the last `SERVINGS` of a topic, of the last `TOPICS` topics; and `TOUCHES` of each serving and each order.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from .faults import Injected, Touched

__all__ = ["SERVINGS", "TOPICS", "TOUCHES", "Carriage", "Serving"]

SERVINGS = 200
"""Servings remembered of one topic; the oldest are forgotten."""

TOPICS = 2_000
"""Topics of which servings are remembered; those of the one longest unserved are forgotten."""

TOUCHES = 1_000
"""What an order is shown to have touched first, and what is remembered of a serving's end, each."""

_Topic = tuple[str, str]


class Serving(msgspec.Struct, kw_only=True):
    """One topic, as one connection was given it: the numbers after `after`, up to `until` (None: still).

    `line_over`: it ended with its connection, so that the last of what was given may never have arrived. `touched` is
    what faults did to it, in the order in which they did; `reseeded` are the numbers at which a snapshot of the topic
    was given beside the stream, from which whoever has lost one may go on.
    """

    connection: int
    after: int
    until: int | None = None
    line_over: bool = False
    touched: deque[Touched] = msgspec.field(default_factory=lambda: deque(maxlen=TOUCHES))
    reseeded: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=TOUCHES))


class Carriage:
    """The servings of one sandbox. `last_sequence(venue, topic)` is the number that the topic stands at."""

    def __init__(self, last_sequence: Callable[[str, str], int]) -> None:
        self._last_sequence = last_sequence
        self._topics: OrderedDict[_Topic, deque[Serving]] = OrderedDict()
        self._current: dict[int, dict[_Topic, Serving]] = {}  # by connection
        self._blamed: Injected | None = None

    # What faces tell.

    def begin(self, venue: str, topic: str, connection: int) -> None:
        """The topic is served to the connection from here on; if it was before, that serving is over."""
        self.end(venue, topic, connection)
        serving = Serving(connection=connection, after=self._last_sequence(venue, topic))
        self._current.setdefault(connection, {})[venue, topic] = serving
        servings = self._topics.setdefault((venue, topic), deque(maxlen=SERVINGS))
        servings.append(serving)
        self._topics.move_to_end((venue, topic))
        if len(self._topics) > TOPICS:
            self._topics.popitem(last=False)

    def end(self, venue: str, topic: str, connection: int, *, line_over: bool = False) -> None:
        """The topic is served to the connection no more; inside `because`, an order has done it."""
        current = self._current.get(connection, {})
        serving = current.pop((venue, topic), None)
        if serving is None:
            return
        if not current:
            del self._current[connection]
        number = self._last_sequence(venue, topic)
        serving.until, serving.line_over = number, line_over
        if self._blamed is not None:
            self._note(self._blamed, serving, (venue, topic), number + 1, None)

    def reseed(self, venue: str, topic: str) -> None:
        """A snapshot of the topic was given beside its stream: whoever has it may go on from here."""
        for current in self._current.values():
            if (serving := current.get((venue, topic))) is not None:
                serving.reseeded.append(self._last_sequence(venue, topic))

    # What faults do.

    @contextmanager
    def because(self, order: Injected) -> Iterator[None]:
        """Whatever ends in this block is ended by that order."""
        self._blamed = order
        try:
            yield
        finally:
            self._blamed = None

    def cut(self, order: Injected, connection: int) -> None:
        """Nothing reaches the connection any more: what it was given last may never have arrived."""
        with self.because(order):
            for venue, topic in list(self._current.get(connection, {})):
                self.end(venue, topic, connection, line_over=True)

    def trouble(self, order: Injected, connection: int) -> None:
        """Something lasting is wrong with the connection, for which its client may leave it."""
        for topic, serving in self._current.get(connection, {}).items():
            self._note(order, serving, topic, self._last_sequence(*topic) + 1, None)

    def disturb(self, order: Injected, connection: int) -> None:
        """Something of no meaning came between two publications: nothing was lost, but nobody can know."""
        for topic, serving in self._current.get(connection, {}).items():
            number = self._last_sequence(*topic)
            self._note(order, serving, topic, number + 1, number)

    def lose(
        self, order: Injected, venue: str, topic: str, sequence: int, connection: int | None = None
    ) -> None:
        """That number did not come as it was published: to one connection, or to nobody."""
        for number, current in self._current.items():
            serving = current.get((venue, topic))
            if serving is not None and connection in (None, number):
                self._note(order, serving, (venue, topic), sequence, sequence)

    # What is asked.

    def has_served(self, venue: str, topic: str) -> bool:
        """True if somebody was served the topic before, as far as is remembered."""
        return (venue, topic) in self._topics

    def servings(self, topic: str, *, venue: str) -> Sequence[Serving]:
        """Those of a topic that are remembered, the oldest first. They change as the run goes on."""
        return tuple(self._topics.get((venue, topic), ()))

    def __repr__(self) -> str:
        return f"<Carriage topics={len(self._topics)} connections={len(self._current)}>"

    @staticmethod
    def _note(order: Injected, serving: Serving, topic: _Topic, first: int, last: int | None) -> None:
        before = serving.touched[-1] if serving.touched else None
        if before is not None and before.order == order.id and first == (before.last or 0) + 1:
            if last == before.last:
                return  # the same place once more
            if last == first and not before.is_empty:
                before.last = last  # the next number: one range for both
                return
        touched = Touched(order.id, order.name, *topic, serving.connection, first, last)
        serving.touched.append(touched)
        if len(order.touched) < TOUCHES:
            order.touched.append(touched)
