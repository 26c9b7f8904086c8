"""One channel's log as a Centrifugo server keeps it: offsets, epoch, a cap, a time to live; recovery and paging. Pure.

Rules, as the real server has them: recovery reads at most `recovery_limit` publications, so that whoever missed more
is unrecovered; an empty epoch of the client is not compared; a page's `limit` above `page_limit` is cut in silence; a
page knows nothing of what was pruned before it. Publications are pruned by count and age, the numbering never is.
Source: centrifugal/centrifuge `client.go` (`isStreamRecovered`, `recoverHistory`) and its memory broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from ..base import StreamPosition
from .codes import BAD_REQUEST, ERRORS, UNRECOVERABLE_POSITION
from .frames import ClientInfo, ErrorReply, HistoryResult, Publication, as_raw

__all__ = ["ChannelHistory", "NoHistory", "Recovery"]


class Recovery(msgspec.Struct, frozen=True):
    """What a subscription with a position gets. `position` is what the reply names, see `SubscribeResult`."""

    recovered: bool
    position: StreamPosition
    publications: list[Publication] = []


class NoHistory:
    """A channel that keeps nothing, on a server that lets it be positioned or recovered all the same.

    The real server answers so as soon as the client may read its history, or positioning is allowed: positioned and
    recoverable, at offset 0 for ever, with an epoch; and recovered, whatever was missed. A page is error 108.
    """

    offset = 0

    def __init__(self, epoch: str = "e1") -> None:
        self.top: StreamPosition = StreamPosition(0, epoch)

    def recover(self, since: StreamPosition, now: float) -> Recovery:
        """What a client that stood at `since` is told; nothing is ever brought."""
        same = since.offset == 0 and since.epoch in ("", self.top.epoch)
        return Recovery(same, self.top)


class ChannelHistory:
    """The log of one channel. `size` publications at most, each kept for `ttl` seconds.

    `lazy`: the stream has no epoch before its first publication, which then carries it (as with Redis).
    """

    def __init__(
        self,
        *,
        size: int = 1000,
        ttl: float = 300.0,
        epoch: str = "e1",
        lazy: bool = False,
        recovery_limit: int = 1000,
        page_limit: int = 1000,
    ) -> None:
        self._log: deque[tuple[float, Publication]] = deque(maxlen=size)
        self._ttl = ttl
        self._next_epoch = epoch
        self._recovery_limit = recovery_limit
        self._page_limit = page_limit
        self.epoch: str = "" if lazy else epoch
        self.offset: int = 0

    @property
    def top(self) -> StreamPosition:
        """Where the stream stands."""
        return StreamPosition(self.offset, self.epoch)

    def publish(
        self,
        data: Any,
        now: float,
        *,
        tags: Mapping[str, str] | None = None,
        info: ClientInfo | None = None,
    ) -> Publication:
        """Number and keep one publication; push what is returned."""
        self._prune(now)
        self.offset += 1
        publication = Publication(
            as_raw("data", data, null=True),
            info=info,
            offset=self.offset,
            tags=dict(tags) if tags else None,
        )
        if not self.epoch:
            self.epoch = publication.epoch = self._next_epoch
        self._log.append((now, publication))
        return publication

    def recover(self, since: StreamPosition, now: float) -> Recovery:
        """What a client that stood at `since` gets."""
        self._prune(now)
        after = [publication for _, publication in self._log if publication.offset > since.offset]
        after = after[: self._recovery_limit]
        same_epoch = since.epoch in ("", self.epoch)
        if after:
            whole = after[0].offset == since.offset + 1 and after[-1].offset == self.offset
        else:
            whole = self.offset == since.offset
        if same_epoch and whole:
            return Recovery(True, StreamPosition(since.offset, self.epoch), after)
        return Recovery(False, self.top)

    def page(
        self, limit: int, since: StreamPosition | None, reverse: bool, now: float
    ) -> HistoryResult | ErrorReply:
        """One page, oldest first unless `reverse`; `since` is exclusive. Errors 107 and 112 as the server has them."""
        self._prune(now)
        if since is not None:
            if reverse and since.offset == 0:
                return ErrorReply(BAD_REQUEST, ERRORS[BAD_REQUEST])
            if since.epoch not in ("", self.epoch):
                return ErrorReply(UNRECOVERABLE_POSITION, ERRORS[UNRECOVERABLE_POSITION])
        kept = [publication for _, publication in self._log]
        if reverse:
            kept.reverse()
        if since is not None:
            kept = [
                item
                for item in kept
                if (item.offset < since.offset if reverse else item.offset > since.offset)
            ]
        most = self._page_limit if limit < 0 else min(limit, self._page_limit)
        return HistoryResult(kept[:most], self.epoch, self.offset)

    def restart(self, epoch: str) -> None:
        """The server has lost the stream: everything is forgotten, and numbered anew under `epoch`."""
        self._log.clear()
        self.offset = 0
        self.epoch = self._next_epoch = epoch

    def prune(self, keep: int) -> None:
        """Forget all but the last `keep` publications, as a time to live or a cap would."""
        while len(self._log) > keep:
            self._log.popleft()

    def __len__(self) -> int:
        return len(self._log)

    def _prune(self, now: float) -> None:
        while self._log and self._log[0][0] + self._ttl <= now:
            self._log.popleft()
