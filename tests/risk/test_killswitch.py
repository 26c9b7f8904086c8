"""The kill switch: a thread that halts what the event loop cannot, and tries until it is done."""

import asyncio
import threading
from types import SimpleNamespace

from tapewire.clock import SystemClock
from tapewire.risk import Wishes
from tapewire.risk.killswitch import KillSwitch

MOST = 20.0  # seconds that a thread may take


class Account:
    """The orders at a venue, and connections to it; of these the first few fail, each in another way."""

    def __init__(self, *failures):
        self.open = ["a", "b"]
        self.is_empty = threading.Event()
        self.failures = list(failures)
        self.closed = 0

    def connect(self):
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        return self

    async def cancel_all(self):
        canceled, self.open = (
            self.open[:1],
            self.open[1:],
        )  # one that is placed meanwhile is left for the next time
        return canceled

    async def open_orders(self):
        if not self.open:
            self.is_empty.set()
        return [SimpleNamespace(status="accepted") for _ in self.open]

    async def close(self):
        self.closed += 1


def switch(tmp_path, account, stall=0.3, halted=None, resumed=None):
    halted = [].append if halted is None else halted
    resumed = [].append if resumed is None else resumed
    return KillSwitch(
        Wishes(tmp_path), account.connect, SystemClock(), stall=stall, on_halt=halted, on_resume=resumed
    )


async def test_orders_are_canceled_while_the_loop_is_blocked_however_often_that_fails(tmp_path):
    account, halted = Account(ValueError("no such host"), OSError("refused"), None), []
    made = switch(tmp_path, account, halted=halted.append)
    made.start()

    assert account.is_empty.wait(MOST)  # and the event loop with it
    made.close()

    assert not account.open
    assert account.closed == 2
    assert "did not run for 0.3 s" in Wishes(tmp_path).wants_halt.reason


async def test_a_loop_that_has_halted_itself_is_left_to_it(tmp_path):
    account, is_halted = Account(), asyncio.Event()
    made = switch(tmp_path, account, stall=None, halted=lambda reason: (made.done(), is_halted.set()))
    made.start()
    made.pull("a drill")
    await is_halted.wait()
    made.close()

    assert account.open == ["a", "b"]
    assert Wishes(tmp_path).wants_halt.reason == "a drill"


async def test_a_resumption_is_asked_for_until_it_has_happened(tmp_path):
    asked, wishes, is_enough = [], Wishes(tmp_path), asyncio.Event()

    def ask(reason):
        asked.append(reason)
        if len(asked) == 2:
            is_enough.set()

    made = switch(tmp_path, Account(), stall=None, resumed=ask)
    wishes.resume("looked at it", 1)
    made.start()
    await is_enough.wait()
    wishes.granted()
    made.close()

    assert set(asked) == {"looked at it"}
