"""The venues, held to the duties of every venue; and that the check finds a venue that breaks one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from tapewire.errors import ConfigurationError
from tapewire.marks import is_mark
from tapewire.protocols import Payload, Skipped
from tapewire.sandbox import FAULTS
from tapewire.session import Subscription
from tapewire.testing import check_venue
from tapewire.testing.venue import VENUE_DUTIES, VenueCheck, VenueDuty
from tapewire.testing.venue_faults import PLAYS
from tapewire.venues import VENUES
from tapewire.venues.template import TemplateMessage, TemplateSocket
from tapewire.venues.template.protocol import TemplateProtocol
from tests.venues.under_test import DEADLINES, EACH, Template

MET_BY_ALL = {
    *("abort", "binary", "burst", "close", "close_channel", "dead_downlink", "dead_uplink", "drain", "drip"),
    *(
        "half_open",
        "idle_close",
        "ignore_join",
        "malformed",
        "oversized",
        "refuse_join",
        "refuse_rejoin",
        "slow_join",
    ),
    *("socket_429", "unavailable"),
}
"""Faults of the line and of joins, which every face plays."""

IMPATIENT = 2.5
"""Seconds for a venue that is known to be broken."""

each_duty = pytest.mark.parametrize("duty", VENUE_DUTIES, ids=lambda duty: duty.__name__.strip("_"))


@pytest.mark.parametrize("venue", EACH, ids=str)
@each_duty
async def test_each_venue_keeps_every_duty(venue: Any, duty: VenueDuty) -> None:
    check = VenueCheck(venue, venue.face)
    await duty(check)
    if check.met:
        is_private = duty is VENUE_DUTIES[-1]
        assert check.met >= MET_BY_ALL - (venue.never_private if is_private else frozenset())


def test_each_venue_is_held_to_them() -> None:
    assert {str(venue) for venue in EACH} == {"template", *VENUES}


def test_each_fault_of_the_sandbox_is_played() -> None:
    assert set(PLAYS) | {"slow_close"} == set(FAULTS)


class Swallows(TemplateSocket):
    """Shows no marks."""

    def watch(self, channel: str, *args: Any, **more: Any) -> Any:
        return Unmarked(super().watch(channel, *args, **more))


class Unmarked:
    def __init__(self, inner: Subscription[TemplateMessage]) -> None:
        self._inner = inner
        self.confirmed = inner.confirmed

    async def __aiter__(self) -> AsyncIterator[TemplateMessage]:
        async for item in self._inner:
            if not is_mark(item):
                yield item


class SwallowsItsOwn(TemplateSocket):
    """Shows no marks on the channel of the account."""

    def watch(self, channel: str, *args: Any, **more: Any) -> Any:
        watched = super().watch(channel, *args, **more)
        return Unmarked(watched) if channel == Template.private_topic else watched


class Mutters(TemplateSocket):
    """Tells handlers no marks."""

    def watch(self, channel: str, *args: Any, on_mark: Any = None, **more: Any) -> Any:
        return super().watch(channel, *args, **more)


class Hasty(TemplateSocket):
    """Tells handlers marks at once, whatever they are doing."""

    def watch(self, channel: str, *args: Any, on_mark: Any = None, **more: Any) -> Any:
        async def later(mark: Any) -> None:
            self.left.append(asyncio.create_task(on_mark(mark)))

        return super().watch(channel, *args, **more, **({} if on_mark is None else {"on_mark": later}))

    left: ClassVar[list[asyncio.Task[Any]]] = []


class Leaks(TemplateSocket):
    """Shows its token."""

    def __repr__(self) -> str:
        return f"<Leaks {self._token.reveal() if self._token else ''}>"


class LeavesATask(TemplateSocket):
    """Starts a task, and does not end it."""

    left: ClassVar[list[asyncio.Task[Any]]] = []

    async def connect(self) -> None:
        await super().connect()
        self.left.append(asyncio.create_task(asyncio.Event().wait()))


class StaysAway(TemplateSocket):
    """Asks for no channel a second time."""

    def __init__(self, *args: Any, **words: Any) -> None:
        self._watched: list[Any] = []
        super().__init__(*args, **({"on_state": self._changed} | words))

    def watch(self, channel: str, *args: Any, **more: Any) -> Any:
        self._watched.append(super().watch(channel, *args, **more))
        return self._watched[-1]

    def _changed(self, state: str) -> None:
        if state == "waiting":
            for subscription in self._watched:
                subscription.unsubscribe()


class Repeats(TemplateSocket):
    """Gives the last one before a mark once more behind it."""

    def watch(self, channel: str, *args: Any, **more: Any) -> Any:
        return Repeated(super().watch(channel, *args, **more))


class Repeated(Unmarked):
    async def __aiter__(self) -> AsyncIterator[Any]:
        last = None
        async for item in self._inner:
            yield item
            if is_mark(item) and last is not None:
                yield last
            last = last if is_mark(item) else item


class Lingers(TemplateSocket):
    """Takes its time to close."""

    async def close(self) -> None:
        await super().close()
        await asyncio.sleep(IMPATIENT + 1)


class NeverGivesUp(TemplateSocket):
    """Takes `retry`, and does as it likes."""

    def __init__(self, *args: Any, retry: Any = None, **words: Any) -> None:
        super().__init__(*args, retry=None if hasattr(retry, "delay") else retry, **words)


class Lies(TemplateSocket):
    """Is connected, whatever happens."""

    @property
    def is_connected(self) -> bool:
        return True


class AtHomeAnywhere(TemplateSocket):
    """Lets itself be closed from another loop, and says nothing."""

    async def close(self) -> None:
        if threading.current_thread() is threading.main_thread():
            await super().close()


class Stranger(TemplateSocket):
    """Raises an error that is not of the venue."""

    def __init__(self, *args: Any, **words: Any) -> None:
        if "no_such_argument" in words:
            raise ConfigurationError("no_such_argument", 1, "none")
        super().__init__(*args, **words)


class Deaf(TemplateSocket):
    """Goes where the argument says, and never where the environment does."""

    def __init__(self, *args: Any, host: str | None = None, **words: Any) -> None:
        super().__init__(*args, host=host or "http://127.0.0.1:9", **words)


class Miscounts(TemplateProtocol):
    """Looks at no number."""

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        return [item for item in super().receive(payloads, now) if not isinstance(item, Skipped)]


class Blind(TemplateSocket):
    """Says nothing where a number is missing."""

    def __init__(self, *args: Any, session_options: Any = None, **words: Any) -> None:
        protocol = lambda _: Miscounts()  # noqa: E731
        super().__init__(*args, session_options={**(session_options or {}), "protocol": protocol}, **words)


class Broken(Template):
    def __init__(self, kind: type[TemplateSocket]) -> None:
        self._kind = kind

    def make(self, **arguments: Any) -> Any:
        return self._kind(self.secrets[0], **({"session_options": DEADLINES} | arguments))


@pytest.mark.parametrize(
    ("kind", "duty", "why"),
    [
        (Swallows, "_a_lost_line_is_made_anew", "nothing says"),
        (Repeats, "_a_lost_line_is_made_anew", "received again"),
        (StaysAway, "_a_lost_line_is_made_anew", "granted 1 times on 2 connections|the stream ended"),
        (SwallowsItsOwn, "_the_accounts_channel_is_held_to_the_same", "nothing says"),
        (Blind, "_each_fault_is_survived_or_said", "mute: .* missing and no mark says so"),
        (Mutters, "_a_handler_is_told_of_marks_in_their_places", "nothing says"),
        (Hasty, "_a_handler_is_told_of_marks_in_their_places", "at one time|missing|without"),
        (Leaks, "_secrets_are_shown_nowhere", r"a secret is shown in '<Leaks \(here\)"),
        (LeavesATask, "_the_end_leaves_nothing", "left: "),
        (Lingers, "_close_is_bounded", ".*"),
        (NeverGivesUp, "_the_arguments_are_those_of_every_venue", "is no "),
        (Lies, "_the_words_are_those_of_every_venue", "is_connected is true before"),
        (AtHomeAnywhere, "_another_loop_is_told", "None is no TemplateError"),
        (Stranger, "_a_wrong_argument_has_one_answer", "is no TemplateError"),
        (Deaf, "_settings_come_in_one_order", ".*"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_venue_that_breaks_a_duty_is_found(kind: type[TemplateSocket], duty: str, why: str) -> None:
    (broken,) = [each for each in VENUE_DUTIES if each.__name__ == duty]
    with pytest.raises((AssertionError, TimeoutError), match=why):
        await broken(VenueCheck(Broken(kind), Broken(kind).face, patience=IMPATIENT))
    for task in LeavesATask.left:
        task.cancel()
    await asyncio.gather(*LeavesATask.left, return_exceptions=True)
    LeavesATask.left.clear()


async def test_a_private_channel_that_the_spec_has_is_not_passed_over() -> None:
    class Quiet(Template):
        private_topic: Any = None

    with pytest.raises(AssertionError, match=r"private channels are \['balance'\]"):
        await VENUE_DUTIES[-1](VenueCheck(Quiet(), Quiet().face))


async def test_the_whole_check_names_the_duty_that_is_broken() -> None:
    with pytest.raises(AssertionError, match="broken duty: After a lost line the channel is asked for again"):
        await check_venue(Broken(Swallows), Broken(Swallows).face)


async def test_the_whole_check_returns_the_faults_that_were_played() -> None:
    assert await check_venue(Template(), Template().face) >= MET_BY_ALL | {"mute", "duplicate", "reorder"}
