"""What is wrong between this machine and a venue, a step at a time: settings, name, TLS, HTTP, clock, account, stream.

Each step is timed and says what it found; one that fails says what to do about it; one that proves nothing here, or
could not be tried because an earlier one failed, says so too. Nothing secret is in any of them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

import msgspec

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, ConnectFailed
from ..retry import NO_RETRY
from ..secrets import redact_url, sanitized
from ..transport.base import Endpoint
from ..transport.http import HttpClient, Reply
from ..transport.probing import look_up, place_of, shake_hands
from ..venues import VENUES, VenueCheckup, make_checkup

__all__ = ["MAX_SKEW", "Diagnosis", "Outcome", "Step", "Telling", "examine", "skew_between"]

MAX_SKEW = 5.0
"""Seconds by which this machine's clock may be wrong, proven: signatures and tokens hold a time, and venues refuse one
that is half a minute off; half of that is used up by slow calls."""

EXPIRES_SOON = 7 * 86_400.0
"""Seconds before its end from which a certificate is worth a word."""

Outcome: TypeAlias = Literal["ok", "failed", "skipped"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `target`: what it was about, where there are several of its name.

    `seconds` is how long it took, None where nothing was tried; `advice` what to do where it failed.
    """

    name: str
    outcome: Outcome
    found: str
    target: str = ""
    seconds: float | None = None
    advice: str = ""


Telling: TypeAlias = Callable[[Step], None]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All steps of one venue, in their order."""

    venue: str
    steps: tuple[Step, ...]

    @property
    def is_well(self) -> bool:
        """True unless a step failed."""
        return all(step.outcome != "failed" for step in self.steps)


class _Inapplicable(Exception):
    """A step that proves nothing here, and why."""


async def examine(
    venue: str, *, timeout: float = 10.0, clock: Clock | None = None, tell: Telling = lambda step: None
) -> Diagnosis:
    """Go through the steps with what the environment says, telling each as it ends. Nothing is tried twice.

    `timeout`: seconds that one step may take. Raises ConfigurationError for an unknown venue; what else is wrong is a
    step that failed.
    """
    if venue not in VENUES:
        raise ConfigurationError("venue", venue, VENUES)
    examination = _Examination(venue, timeout, clock or SystemClock(), tell)
    await examination.run()
    return Diagnosis(venue=venue, steps=tuple(examination.steps))


def skew_between(date: float, asked: float, answered: float) -> float:
    """Seconds that our clock is ahead of the venue's, at least: what a `Date` header proves. Below zero: behind.

    The header is cut to a second, and was written between asking and answering; 0 where no difference is proven.
    """
    least, most = asked - (date + 1), answered - date
    return least if least > 0 else most if most < 0 else 0.0


class _Examination:
    """The course of it: `steps` so far, and what the later ones need of the earlier ones."""

    def __init__(self, venue: str, timeout: float, clock: Clock, tell: Telling) -> None:
        self.steps: list[Step] = []
        self._venue, self._timeout, self._clock, self._tell = venue, timeout, clock, tell
        self._checkup: VenueCheckup
        self._reply: tuple[Reply, float, float] | None = None

    async def run(self) -> None:
        """All steps, in their order."""
        if not await self._step("settings", self._settle, "correct what is named"):
            return
        checkup = self._checkup
        try:
            ways = {url: await self._way(url) for url in _one_of_each_place((checkup.api, *checkup.sockets))}
            reached = {place_of(url): is_open for url, is_open in ways.items()}
            answers = await self._asked(reached[place_of(checkup.api)])
            signed_in = await self._credentials(answers)
            await self._stream(all(reached[place_of(url)] for url in checkup.sockets), signed_in)
        finally:
            await checkup.close()

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _settle(self) -> str:
        checkup = self._checkup = make_checkup(self._venue, self._timeout)
        urls = dict.fromkeys(map(redact_url, (checkup.api, *checkup.sockets)))
        return f"{', '.join(urls)} ({checkup.source})"

    async def _way(self, url: str) -> bool:
        """The name and the line of one host; False where no line can be had."""
        host, port = place_of(url)
        where = f"{host}:{port}"
        advice = (
            "is this machine online, and the name spelled right? Behind a company's proxy set HTTPS_PROXY"
        )
        if not await self._step("DNS", lambda: self._look_up(url), advice, host):
            self._skip("TLS", "its name has no address", where)
            return False
        advice = (
            "nobody listens there, or something is between: a firewall, a proxy (HTTPS_PROXY names yours)"
        )
        return await self._step("TLS", lambda: self._handshake(url), advice, where)

    async def _look_up(self, url: str) -> str:
        host, _ = place_of(url)
        if _is_address(host):
            raise _Inapplicable("an address: there is no name to look up")
        if (proxy := _endpoint(url, self._timeout).proxy_address) is not None:
            raise _Inapplicable(f"the proxy looks it up: {proxy}")
        found = await look_up(host)
        return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")

    async def _handshake(self, url: str) -> str:
        endpoint = _endpoint(url, self._timeout)
        try:
            made = await shake_hands(endpoint)
        except ConnectFailed as error:
            if error.retryable:
                raise
            raise _Wrong(str(error), "whose is it? SSL_CERT_FILE names the authority of a company") from None
        through = "" if endpoint.proxy_address is None else f" through {endpoint.proxy_address}"
        if made.tls is None:
            raise _Inapplicable(f"connected{through}; plain text on this machine: there is no TLS to prove")
        left = None if made.valid_until is None else made.valid_until - self._clock.time_ns() / 1e9
        days = "" if left is None else f", certificate good for {left / 86_400:.0f} days"
        return (
            f"{made.tls}{through}{days}{': it ends soon' if left is not None and left < EXPIRES_SOON else ''}"
        )

    async def _asked(self, is_open: bool) -> bool:
        """Whether HTTP answers, and what its clock says."""
        api = redact_url(self._checkup.api)
        if not is_open:
            self._skip("HTTP", f"there is no line to {api}")
            self._skip("clock", "nobody was asked for the time")
            return False
        advice = "the venue may be down, or let no one in from here: look at its status page, then try again"
        answers = await self._step("HTTP", self._probe, advice)
        if self._reply is None:
            self._skip("clock", "nobody said what time it is")
        else:
            advice = "let the system keep its clock: timedatectl set-ntp true, or what your system has for it"
            await self._step("clock", self._compare_clocks, advice)
        return answers

    async def _probe(self) -> str:
        async with HttpClient(self._checkup.api, timeout=self._timeout, policy=NO_RETRY) as client:
            asked = self._clock.time_ns() / 1e9
            reply = await client.probe()
            self._reply = (reply, asked, self._clock.time_ns() / 1e9)
        if reply.status >= 500:
            raise ConnectFailed(place_of(reply.url)[0], f"it answers with HTTP {reply.status}")
        barred = ": it may bar this address, or your region" if reply.status in (403, 451) else ""
        return f"answers (HTTP {reply.status}{barred})"

    async def _compare_clocks(self) -> str:
        assert self._reply is not None
        reply, asked, answered = self._reply
        date = _seconds_of(reply.headers.get("date", ""))
        if date is None:
            raise _Inapplicable("the venue's HTTP says no time")
        skew = skew_between(date, asked, answered)
        told = f"this machine's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the venue's"
        if abs(skew) > MAX_SKEW:
            raise _Wrong(told)
        within = f"agrees with the venue's, to the second and the {answered - asked:.2f} s of the question"
        return f"{told}: that will do" if skew else within

    async def _credentials(self, answers: bool) -> bool:
        """Whether they are taken; False also where there are none."""
        names = ", ".join(self._checkup.credentials)
        if not self._checkup.has_credentials:
            self._skip("credentials", f"none are set ({names}): what is public alone can be had")
            return False
        if not answers:
            self._skip("credentials", "the venue's HTTP cannot be asked")
            return False
        advice = (
            f"look at what is set ({names}): is it of this venue, whole, not expired, and allowed from here?"
        )
        return await self._step("credentials", self._checkup.sign_in, advice)

    async def _stream(self, is_open: bool, signed_in: bool) -> None:
        if not is_open:
            self._skip("subscription", "there is no line to the venue's streams")
        elif self._checkup.needs_credentials and not signed_in:
            self._skip("subscription", "this venue lets nobody subscribe without credentials that it takes")
        else:
            advice = "HTTP passes and the socket does not? A proxy between may not let WebSockets through"
            await self._step("subscription", self._checkup.subscribe, advice)

    # --- what they have in common -------------------------------------------------------------------------------------

    async def _step(
        self, name: str, action: Callable[[], Awaitable[str]], advice: str, target: str = ""
    ) -> bool:
        """One step; False where it failed. What proves nothing here stands in nobody's way."""
        began = self._clock.monotonic()
        outcome: Outcome = "ok"
        try:
            async with asyncio.timeout(self._timeout + 1):  # what has a deadline of its own says more
                found = await action()
        except _Inapplicable as reason:
            outcome, found = "skipped", str(reason)
        except _Wrong as error:
            outcome, found, advice = "failed", str(error), error.advice or advice
        except TimeoutError:
            outcome, found = "failed", f"nothing within {self._timeout:g} s"
        except Exception as error:
            outcome, found = "failed", str(error) or type(error).__name__
        self._note(
            Step(
                name=name,
                outcome=outcome,
                target=target,
                found=sanitized(found),
                seconds=round(self._clock.monotonic() - began, 4),
                advice=advice if outcome == "failed" else "",
            )
        )
        return outcome != "failed"

    def _skip(self, name: str, why: str, target: str = "") -> None:
        self._note(Step(name=name, outcome="skipped", found=why, target=target))

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        self._tell(step)


class _Wrong(Exception):
    """What was found is wrong, and what to do about it where that is not what the step says."""

    def __init__(self, found: str, advice: str = "") -> None:
        super().__init__(found)
        self.advice = advice


def _one_of_each_place(urls: Iterable[str]) -> list[str]:
    return list({place_of(url): url for url in urls}.values())


def _endpoint(url: str, timeout: float) -> Endpoint:
    """As a socket's: what asks for https is asked for as wss, which goes the same way."""
    return Endpoint(url=re.sub("^http", "ws", url), open_timeout=timeout)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _seconds_of(date: str) -> float | None:
    """Seconds since the epoch of an HTTP date; None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
