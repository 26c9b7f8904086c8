"""One confirmed subscription as its numbering goes: what is next, what came twice, what is missing. Pure.

Rules:
* An offset at or below the last one came twice and is dropped; one above the next is a `Skipped`, and is delivered.
* Offset 0 is no number: the channel keeps no history, or this publication was kept out of it.
* Where the server gives no position, the numbering starts with the first offset that comes.
* A tag filter leaves holes in the offsets, which mean nothing.
* An epoch is adopted from a publication only where we have none, and only together with that publication's offset.
* A delta applies to the data delivered before it, and the first of a subscription is whole.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ..base import Skipped, StreamPosition
from .commands import SubscribeRequest
from .fossil import FossilError, apply_delta
from .frames import DECODE_ERRORS, Publication, SubscribeResult

__all__ = ["Channel", "DeltaLost"]


class DeltaLost(Exception):
    """The data of a publication cannot be rebuilt: only a new subscription helps."""


class Channel:
    """A live channel. `next` is the offset that comes next, 0 where none is known; `plain` allows the fast path.

    The reader may take the fast path (deliver, and count `next` up if the offset is not 0) for a publication whose
    offset is `next` and which has no epoch, if `plain`. All else goes through `admit`.
    """

    __slots__ = ("_base", "_delta", "_holes", "epoch", "next", "plain", "positioned", "topic")

    def __init__(self, request: SubscribeRequest, result: SubscribeResult) -> None:
        self.topic = request.channel
        self.positioned = result.positioned or result.recoverable
        self.epoch = result.epoch
        self.next = max(0, result.offset) + 1 if self.positioned else 0
        self._delta = result.delta
        self._holes = bool(request.tf)
        self._base: bytes | None = None
        self.plain = not (self._delta or self._holes)

    @property
    def position(self) -> StreamPosition | None:
        """The resume point behind what was delivered last, where the server keeps one for us."""
        return StreamPosition(self.next - 1, self.epoch) if self.positioned else None

    def admit(self, publication: Publication) -> Skipped | bool:
        """False where it came already; else deliver it, after the `Skipped` if there is one. Raises DeltaLost."""
        offset, expected = publication.offset, self.next
        began_anew = bool(publication.epoch and self.epoch and publication.epoch != self.epoch)
        if 0 < offset < expected and not began_anew:
            return False
        if self._delta:
            self._rebuild(publication)
        if offset <= 0:
            return True
        self.next = offset + 1
        if publication.epoch:
            self.epoch = publication.epoch
        if began_anew:
            return Skipped(self.topic, expected, offset)
        if 0 < expected < offset and not self._holes:
            return Skipped(self.topic, expected, offset, offset - expected)
        return True

    def _rebuild(self, publication: Publication) -> None:
        """The data come as a JSON string that holds JSON, or a delta to the JSON before it."""
        try:
            data = msgspec.json.decode(publication.data, type=str).encode()
            if publication.delta:
                if self._base is None:
                    raise FossilError("a delta came before anything whole")
                data = apply_delta(self._base, data)
                data.decode()
        except DECODE_ERRORS as error:
            raise DeltaLost(str(error)[:200]) from None
        self._base = data
        publication.data = Raw(data)
        publication.delta = False
