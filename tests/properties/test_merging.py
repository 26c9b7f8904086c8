"""Invariant: whatever streams and takers do, each item of a stream comes once, in the stream's order; nothing is lost.

And: no more is read ahead than the bound allows; a failure comes once and behind what the stream had; leaving leaves
every stream; and whoever waits is woken whenever there is something.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tapewire import merge
from tapewire.marks import Gap
from tapewire.session.consumer import Consumer
from tapewire.streams.merging import MOST_AHEAD
from tapewire.testing import VirtualClock
from tests.streams.streams import Fed, FedInBatches

KINDS = ("plain", "batches", "polled")
WHICH = st.integers(0, 5)


class Failed(Exception):
    pass


class Stream:
    """One stream of some kind, and the truth: what was put into it, and what came of it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.put: list[Any] = []
        self.came: list[Any] = []
        self.error: Failed | None = None
        self.is_over = False
        self.stream: Any
        if kind == "polled":
            self.stream = Consumer(kind, policy="drop_oldest", capacity=100_000)
        else:
            self.stream = FedInBatches() if kind == "batches" else Fed()

    def give(self, item: Any) -> None:
        self.put.append(item)
        if self.kind != "polled":
            self.stream.put(item)
        elif isinstance(item, Gap):
            self.stream.put_mark(item)
        else:
            self.stream.put(item)

    def end(self, error: Failed | None) -> None:
        self.is_over, self.error = True, error
        if self.kind == "polled":
            self.stream.end(error)
        else:
            self.stream.end() if error is None else self.stream.fail(error)

    @property
    def ahead(self) -> int:
        """Items that were read and did not come yet."""
        if self.kind == "polled":
            return len(self.put) - len(self.stream.buffer) - len(self.came)
        return int(self.stream.taken) - len(self.came)

    @property
    def most_ahead(self) -> int:
        return {"plain": 1, "batches": MOST_AHEAD, "polled": 0}[self.kind]


class Merging(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualClock()._new_loop)
        self.serial = 0
        self.failures: list[Exception] = []
        self.is_over = False

    @initialize(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    def begin(self, kinds: list[str]) -> None:
        self.streams = [Stream(kind) for kind in kinds]
        self.by_id = {id(stream.stream): stream for stream in self.streams}
        self.merged = merge(*(stream.stream for stream in self.streams))

    def living(self, which: int) -> Stream | None:
        stream = self.streams[which % len(self.streams)]
        return None if stream.is_over else stream

    async def take(self, *, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                of, item = await anext(self.merged)
        except TimeoutError:
            return False
        except Failed as error:
            self.failures.append(error)
        except StopAsyncIteration:
            self.is_over = True
        else:
            self.by_id[id(of)].came.append(item)
        return True

    @rule(which=WHICH, count=st.sampled_from([1, 1, 2, 5, 200]))
    def publish(self, which: int, count: int) -> None:
        if (stream := self.living(which)) is not None:
            for _ in range(count):
                self.serial += 1
                stream.give(self.serial)

    @rule(which=WHICH)
    def mark(self, which: int) -> None:
        stream = self.living(which)
        if stream is not None and not (
            stream.put and isinstance(stream.put[-1], Gap)
        ):  # two of a kind are merged
            self.serial += 1
            stream.give(Gap(reason="sequence", since_ns=self.serial))

    @rule(which=WHICH, fails=st.booleans())
    def end(self, which: int, fails: bool) -> None:
        if (stream := self.living(which)) is not None:
            stream.end(Failed(which) if fails else None)

    @rule(count=st.integers(1, 30))
    def take_some(self, count: int) -> None:
        """Whoever waits gets what is there: a wait without an end is one where nothing is."""
        for _ in range(count):
            waited_for = any(stream.put != stream.came for stream in self.streams)
            if not self.runner.run(self.take(seconds=1.0)):
                assert not waited_for
                break

    @rule(which=WHICH, turns=st.integers(0, 6))
    def cancel_a_wait(self, which: int, turns: int) -> None:
        async def cancelled() -> None:
            waiting = asyncio.ensure_future(self.take(seconds=10.0))
            for turn in range(turns):
                await asyncio.sleep(0)
                if turn == turns // 2:
                    self.publish(which, 1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        self.runner.run(cancelled())

    @rule()
    def pass_time(self) -> None:
        self.runner.run(asyncio.sleep(5))

    @precondition(lambda self: hasattr(self, "streams"))
    @invariant()
    def each_comes_once_in_its_order_and_little_is_read_ahead(self) -> None:
        for stream in self.streams:
            assert stream.came == stream.put[: len(stream.came)]
            assert stream.ahead <= stream.most_ahead
        assert len(self.merged.failed) == len(self.failures)

    def teardown(self) -> None:
        try:
            if hasattr(self, "streams"):
                self.drain_or_leave()
        finally:
            self.runner.close()

    def drain_or_leave(self) -> None:
        if self.serial % 2:  # leave it as it is
            self.runner.run(self.merged.aclose())
            self.is_over = False
            self.runner.run(self.take(seconds=1.0))
            assert self.is_over
            assert all(stream.stream.closed == 1 for stream in self.streams if stream.kind != "polled")
            return
        for stream in self.streams:
            if not stream.is_over:
                stream.end(None)
        while not self.is_over:
            assert self.runner.run(self.take(seconds=1.0))
        assert [stream.came for stream in self.streams] == [stream.put for stream in self.streams]
        assert {id(error) for error in self.failures} == {
            id(stream.error) for stream in self.streams if stream.error is not None
        }


TestMerging = Merging.TestCase
