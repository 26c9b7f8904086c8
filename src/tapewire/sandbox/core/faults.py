"""Faults by name: what can be ordered, with which parameters, what was ordered, and what is still in force. Pure.

Some faults happen at once to the sockets that are open (`at_once`); others stand and are met later (`standing`): by the
next request, join or publication that matches, `times` often. Every order is recorded as `Injected`, with how often and
when it was met last, so that a gap in somebody's stream can be traced to it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ...errors import ConfigurationError

__all__ = ["FAULTS", "Fault", "Faults", "Injected", "Parameter", "Touched"]

MAX_INJECTED = 1000
"""Orders remembered; the oldest are forgotten, unless they still stand."""

Kind: TypeAlias = Literal["whole number", "number", "text"]
_TYPES: dict[str, tuple[type, ...]] = {"whole number": (int,), "number": (int, float), "text": (str,)}
_UNSENDABLE_CODES = frozenset({1004, 1005, 1006, 1015})
_DELAYING = frozenset({"slow_join", "slow_close", "hang_http", "skew", "late_places"})
"""Faults whose `seconds` say how long something takes, or how far it is off, not how long the fault stands."""


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a fault. Without a `default` it may be left out, and then is None."""

    kind: Kind
    help: str
    default: int | float | str | None = None
    least: float | None = None
    most: float | None = None
    required: bool = False

    @property
    def allowed(self) -> str:
        """What it may be, in words: `a whole number from 1000 to 4999`."""
        least = "" if self.least is None else f" from {self.least:.15g}"
        most = "" if self.most is None else f" to {self.most:.15g}"
        return f"a {self.kind}{least}{most}"


class Fault(msgspec.Struct, frozen=True):
    """One fault that can be ordered."""

    name: str
    help: str
    parameters: Mapping[str, Parameter]
    standing: bool = False


class Touched(msgspec.Struct):
    """What an order did to one topic as one connection was given it, in the ledger's numbers: `first` to `last`.

    Those did not come as they were published. `last` None: nothing is sure from `first` on until the topic is served
    anew. `last` before `first`: nothing was lost, but something came in between that may look like a loss.
    """

    order: int
    fault: str
    venue: str
    topic: str
    connection: int
    first: int
    last: int | None

    @property
    def is_empty(self) -> bool:
        """True where no number was lost."""
        return self.last is not None and self.last < self.first


class Injected(msgspec.Struct, kw_only=True):
    """One order. `times_left` and `until_ns` say how long it still stands; `hits` how often it was met.

    `reached` is on how many connections (or topics, accounts, histories) an order took effect at once; None for one
    that stands. `touched` is what it did to streams.
    """

    id: int
    name: str
    params: Mapping[str, Any]
    at_ns: int
    times_left: int | None = None
    until_ns: int | None = None
    reached: int | None = None
    hits: int = 0
    last_hit_ns: int | None = None
    touched: list[Touched] = []

    def stands(self, now_ns: int) -> bool:
        """True while it can still be met."""
        return self.times_left != 0 and (self.until_ns is None or now_ns < self.until_ns)


_TIMES = Parameter("whole number", "how often", 1, least=1, most=1_000_000)
_SECONDS = Parameter("number", "for how long; left out: until it is lifted", least=0, most=86_400)
_TOPIC = Parameter("text", "the topic on the wire; left out: any")
_ONE_TOPIC = Parameter("text", "the topic on the wire", required=True)
_REASON = Parameter("text", "the reason", "refused by the sandbox")
_ERROR_CODE = Parameter(
    "whole number", "the number of the error, where errors have one", 103, least=100, most=1999
)
_CONNECTION = Parameter("whole number", "the number of one connection; left out: all", least=1)
_RETRY_AFTER = Parameter("number", "seconds in the Retry-After header", 1, least=0, most=3600)
_UNTIL_RESET = Parameter("number", "after which they are reset all the same", 60, least=0, most=86_400)
_PATH = Parameter("text", "the path of the requests; left out: any")
_TAKES = Parameter("number", "how long it takes", 2, least=0, most=600)
_VENUE = Parameter("text", "the venue it happens to; left out: all that are played")


def _at_once(name: str, text: str, **parameters: Parameter) -> Fault:
    return Fault(name, text, {**parameters, "connection": _CONNECTION, "venue": _VENUE})


def _standing(name: str, text: str, **parameters: Parameter) -> Fault:
    return Fault(name, text, parameters, standing=True)


_ALL = (
    _at_once(
        "close",
        "close the sockets with a code",
        code=Parameter("whole number", "the close code", 1000, least=1000, most=4999),
        reason=Parameter("text", "the close reason", ""),
    ),
    _at_once("abort", "drop the TCP connections with a reset, without a close frame"),
    _at_once(
        "half_open",
        "neither read nor write any more until it is lifted, and leave the TCP connections open",
        seconds=_UNTIL_RESET,
    ),
    _at_once(
        "dead_uplink",
        "read nothing any more until it is lifted, and send on: only the way to the venue is dead",
        seconds=_UNTIL_RESET,
    ),
    _at_once(
        "dead_downlink",
        "send nothing any more until it is lifted, and read on: only the way from the venue is dead",
        seconds=_UNTIL_RESET,
    ),
    _at_once("drain", "close the sockets as a restarting server does (1012)"),
    _at_once("idle_close", "close the sockets as if they had been silent for too long"),
    _at_once("mute", "send no publications; heartbeats and replies go on", seconds=_SECONDS),
    _at_once("mute_heartbeats", "answer no heartbeats; publications go on", seconds=_SECONDS),
    _at_once(
        "drip",
        "send one byte at a time",
        interval=Parameter("number", "seconds between two bytes", 1, least=0.001, most=60),
        seconds=_SECONDS,
    ),
    _at_once(
        "oversized",
        "send one message that is too large",
        size=Parameter("whole number", "bytes", 48 * 1024 * 1024, least=1, most=64 * 1024 * 1024),
    ),
    _at_once("binary", "send one binary message of no meaning"),
    Fault("expire_tokens", "every token given so far has expired; refresh tokens stay good", {"venue": _VENUE}),
    Fault(
        "crash_channel",
        "the topic's process crashes on every socket that has joined it",
        {"topic": _ONE_TOPIC, "venue": _VENUE},
    ),
    Fault(
        "close_channel",
        "the server closes the topic on every socket that has joined it",
        {"topic": _ONE_TOPIC, "venue": _VENUE},
    ),
    Fault(
        "prune_history",
        "forget what could be replayed of a topic, as a server does whose history was full or too old",
        {
            "topic": _TOPIC,
            "keep": Parameter("whole number", "publications kept", 0, least=0, most=1_000_000),
            "venue": _VENUE,
        },
    ),
    Fault(
        "new_epoch",
        "number a topic's publications anew, as a server that has lost its history; who listens is told to come back",
        {"topic": _TOPIC, "venue": _VENUE},
    ),
    Fault(
        "insufficient_state",
        "tell whoever listens that the server lost their place in the stream: on one topic, or on the whole connection",
        {
            "topic": Parameter("text", "the topic on the wire; left out: the connections are closed"),
            "venue": _VENUE,
        },
    ),
    Fault(
        "burst",
        "publish many messages at once",
        {"count": Parameter("whole number", "how many things happen", 100, least=1, most=10_000)},
    ),
    _standing("refuse_tokens", "take no token, at HTTP and at sockets", times=_TIMES, seconds=_SECONDS),
    _standing(
        "refuse_join",
        "refuse joins with a reason",
        topic=_TOPIC,
        reason=_REASON,
        code=_ERROR_CODE,
        times=_TIMES,
    ),
    _standing(
        "refuse_rejoin",
        "refuse joins of a topic that was had before",
        topic=_TOPIC,
        reason=_REASON,
        code=_ERROR_CODE,
        times=_TIMES,
    ),
    _standing("ignore_join", "never answer a join", topic=_TOPIC, times=_TIMES),
    _standing(
        "slow_join",
        "take long over a join, and do nothing else for that socket meanwhile",
        seconds=_TAKES,
        topic=_TOPIC,
        times=_TIMES,
    ),
    _standing("http_429", "answer HTTP requests with 429", retry_after=_RETRY_AFTER, times=_TIMES),
    _standing("socket_429", "answer socket upgrades with 429", retry_after=_RETRY_AFTER, times=_TIMES),
    _standing(
        "unavailable",
        "answer requests and upgrades with a server error and an HTML page",
        status=Parameter("whole number", "the HTTP status", 503, least=500, most=599),
        times=_TIMES,
    ),
    _standing(
        "refuse_http",
        "answer HTTP requests with a status; requests for sockets are not meant",
        status=Parameter("whole number", "the HTTP status", 401, least=400, most=599),
        path=_PATH,
        times=_TIMES,
    ),
    _standing(
        "hang_http",
        "take long over an HTTP request, and answer it then; requests for sockets are not meant",
        seconds=_TAKES,
        path=_PATH,
        times=_TIMES,
    ),
    _standing(
        "slow_close",
        "take long to answer a client that closes its socket",
        seconds=_TAKES,
        times=_TIMES,
        connection=_CONNECTION,
    ),
    _standing(
        "ignore_pongs",
        "take no answer to the server's pings, so that the connection is given up for dead",
        seconds=_SECONDS,
        connection=_CONNECTION,
    ),
    _standing(
        "duplicate_recovered",
        "replay a publication twice to whoever recovers a topic",
        topic=_TOPIC,
        times=_TIMES,
    ),
    _standing("skip", "send a publication of the topic to nobody: a hole in its numbers", topic=_TOPIC, times=_TIMES),
    _standing(
        "stale_snapshot", "give a snapshot older than the deltas that follow it", topic=_TOPIC, times=_TIMES
    ),
    _standing("reject_subscriptions", "refuse subscribe frames as invalid, whatever is in them", times=_TIMES),
    _standing(
        "skew",
        "have the venue's clock go wrong by so much, until it is lifted or ordered anew",
        seconds=Parameter("number", "how far ahead; below zero: behind", 60, least=-86_400, most=86_400),
    ),
    _standing("duplicate", "send a publication twice", times=_TIMES, connection=_CONNECTION),
    _standing("reorder", "send a publication after the one that follows", times=_TIMES, connection=_CONNECTION),
    _standing("malformed", "send only the first half of a publication", times=_TIMES, connection=_CONNECTION),
    _standing(
        "late_places",
        "free the place of a channel that is left only a while later: until then it counts as joined",
        seconds=_TAKES,
        times=_TIMES,
    ),
    _standing(
        "small_queue",
        "let only so many bytes wait for a socket: what is larger, such as a page of history, ends it as too slow",
        size=Parameter("whole number", "bytes", 65_536, least=1, most=64 * 1024 * 1024),
        times=_TIMES,
        connection=_CONNECTION,
    ),
    _standing(
        "channel_limit",
        "allow only so many channels on sockets opened from now on",
        count=Parameter("whole number", "how many", 1, least=0, most=1000),
    ),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}
"""Every fault there is, by name."""


class Faults:
    """The orders of one sandbox: the record of all, and what still stands."""

    def __init__(self) -> None:
        self._last_id = 0
        self._standing: dict[str, list[Injected]] = {}
        self.injected: deque[Injected] = deque(maxlen=MAX_INJECTED)

    def order(self, name: str, params: Mapping[str, Any], now_ns: int) -> Injected:
        """Check and record an order. What happens at once is the caller's to do; `met` notes that it did.

        Raises ConfigurationError for an unknown name or parameter, listing what is allowed.
        """
        fault = FAULTS.get(name)
        if fault is None:
            raise ConfigurationError("fault", name, sorted(FAULTS))
        checked = _checked(fault, params)
        self._last_id += 1
        injected = Injected(id=self._last_id, name=name, params=checked, at_ns=now_ns)
        if fault.standing:
            seconds = None if name in _DELAYING else checked.get("seconds")
            injected.until_ns = None if seconds is None else now_ns + int(seconds * 1e9)
            lasting = seconds is not None and "times" not in params
            injected.times_left = None if lasting else checked.get("times")
            if name in ("channel_limit", "skew"):
                self._standing.pop(name, None)
            self._standing.setdefault(name, []).append(injected)
        self.injected.append(injected)
        return injected

    @property
    def any_standing(self) -> bool:
        """False while nothing stands: publications need no further look."""
        return bool(self._standing)

    @property
    def standing(self) -> list[str]:
        """The names of what may still be met."""
        return sorted(self._standing)

    def in_force(self, now_ns: int) -> list[Injected]:
        """The orders that stand now, the oldest first."""
        orders = (order for orders in self._standing.values() for order in orders)
        return sorted((order for order in orders if order.stands(now_ns)), key=lambda order: order.id)

    def standing_order(self, name: str, now_ns: int, **facts: object) -> Injected | None:
        """The oldest standing order of that name whose parameters agree with `facts`, not met by this; or None."""
        agreeing = (
            injected
            for injected in self._standing.get(name, ())
            if injected.stands(now_ns)
            and all(injected.params.get(fact) in (None, value) for fact, value in facts.items())
        )
        return next(agreeing, None)

    def meet(self, name: str, now_ns: int, **facts: object) -> Injected | None:
        """Meet the oldest standing order of that name whose parameters agree with `facts`; None without one."""
        orders = self._standing.get(name)
        if not orders:
            return None
        orders[:] = [injected for injected in orders if injected.stands(now_ns)]
        injected = self.standing_order(name, now_ns, **facts)
        if injected is not None:
            if injected.times_left is not None:
                injected.times_left -= 1
                if not injected.times_left:
                    orders.remove(injected)
            self.met(injected, now_ns)
        if not orders:
            del self._standing[name]
        return injected

    @staticmethod
    def met(injected: Injected, now_ns: int, times: int = 1) -> None:
        """Note that an order took effect."""
        injected.hits += times
        injected.last_hit_ns = now_ns

    def lift(self, name: str | None = None) -> int:
        """End what stands, of that name or all; returns how many orders. Raises ConfigurationError."""
        if name is not None and name not in FAULTS:
            raise ConfigurationError("fault", name, sorted(FAULTS))
        names: Sequence[str] = list(self._standing) if name is None else [name]
        lifted = [injected for each in names for injected in self._standing.pop(each, [])]
        for injected in lifted:
            injected.times_left = 0
        return len(lifted)

    def __repr__(self) -> str:
        return f"<Faults injected={self._last_id} standing={sorted(self._standing)}>"


def _checked(fault: Fault, params: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {name: parameter.default for name, parameter in fault.parameters.items()}
    for name, value in params.items():
        parameter = fault.parameters.get(name)
        if parameter is None:
            raise ConfigurationError(
                f"{fault.name}({name})", value, sorted(fault.parameters) or "no parameters"
            )
        if value is None and not parameter.required:
            continue
        if not _fits(parameter, value):
            raise ConfigurationError(f"{fault.name}({name})", value, parameter.allowed)
        checked[name] = value
    for name, parameter in fault.parameters.items():
        if parameter.required and not checked[name]:
            raise ConfigurationError(f"{fault.name}({name})", checked[name], parameter.help)
    code = checked.get("code") if fault.name == "close" else None
    if code is not None and (code in _UNSENDABLE_CODES or 1015 < code < 3000):
        raise ConfigurationError("close(code)", code, "1000 to 1014 but 1004 to 1006, and 3000 to 4999")
    if len(str(checked.get("reason") or "").encode()) > 123:
        raise ConfigurationError(f"{fault.name}(reason)", "a long text", "up to 123 bytes")
    return checked


def _fits(parameter: Parameter, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, _TYPES[parameter.kind]):
        return False
    if isinstance(value, str):
        return True
    assert isinstance(value, int | float)
    least = -math.inf if parameter.least is None else parameter.least
    most = math.inf if parameter.most is None else parameter.most
    return bool(least <= value <= most)
