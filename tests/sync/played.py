"""A venue in a thread, and what makes things happen there, for blocking code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tapewire import sync
from tapewire.sandbox.faces.template import TemplateFace
from tapewire.venues.template.market import connect
from tests.venues.threaded import Threaded, threaded


class Template:
    """The venue that is there to be copied, played: `trade()` prints one, `lose()` one that reaches nobody."""

    def __init__(self, sandbox: Threaded) -> None:
        self.sandbox = sandbox
        self.url = sandbox.url
        self.market: str = next(iter(sandbox.face.exchange.markets))

    def venue(self, token: str = "ann", **words: Any) -> sync.Venue:
        return sync.Venue(lambda: connect(token, host=self.url, **words))

    def trade(self, size: int = 5) -> None:
        self.sandbox.do(lambda: self._trade(size))

    def trades(self, *sizes: int) -> None:
        """Several within one turn."""
        self.sandbox.do(lambda: [self._trade(size) for size in sizes])

    def lose(self) -> None:
        now = self.sandbox.clock.time_ns()
        self.sandbox.do(lambda: self.sandbox.ledger.append("template", "trades", "trade", {}, now))

    @property
    def clients(self) -> int:
        return self.sandbox.do(lambda: len(self.sandbox._clients))

    def _trade(self, size: int) -> None:
        face, now = self.sandbox.face, self.sandbox.clock.time_ns()
        row = {
            "trade_id": str(size),
            "market_id": self.market,
            "price": 1,
            "quantity": size,
            "taker_side": "sell",
        }
        face.send("trades", "trade", row | {"at_ns": now}, now)


@contextmanager
def played_template() -> Iterator[Template]:
    with threaded("template", faces={"template": TemplateFace}) as sandbox:
        yield Template(sandbox)


def threads() -> list[str]:
    """Ours that run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tapewire")]


def eventually(is_so: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for what another thread does."""
    by = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < by, "it did not come to that"
        time.sleep(0.01)


def later(seconds: float, call: Callable[[], Any]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
