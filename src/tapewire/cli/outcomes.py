"""What a fault did, in sentences. Pure: from the sandbox's answers to text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["NOTHING_REACHED", "REACHED", "lifted", "ordered", "standing"]

NOTHING_REACHED = 1
"""The exit code of a fault that happens at once and hit nothing."""

NAMED_AT_MOST = 12
"""Topics or connections named in one sentence."""

REACHED: Mapping[str, tuple[str, str]] = {
    "close": ("connection", "closed with {code}"),
    "abort": ("connection", "reset"),
    "half_open": ("connection", "left half open, to be reset after {seconds:g} s"),
    "dead_uplink": ("connection", "cut off on the way to the venue, to be reset after {seconds:g} s"),
    "dead_downlink": ("connection", "cut off on the way from the venue, to be reset after {seconds:g} s"),
    "drain": ("connection", "closed with 1012"),
    "idle_close": ("connection", "closed as if silent for too long"),
    "mute": ("connection", "muted: publications are lost {lasting}"),
    "mute_heartbeats": ("connection", "muted: heartbeats go unanswered {lasting}"),
    "drip": ("connection", "slowed down to a byte every {interval:g} s {lasting}"),
    "oversized": ("connection", "sent a message of {size} bytes"),
    "binary": ("connection", "sent a binary message of no meaning"),
    "expire_tokens": ("account", "left with expired tokens"),
    "crash_channel": ("subscription", "told that {topic} crashed"),
    "close_channel": ("subscription", "ended: {topic} is closed"),
    "prune_history": ("history", "pruned"),
    "new_epoch": ("subscription", "told to come back: the stream begins anew"),
    "insufficient_state": ("listener", "told that its place in the stream is lost"),
    "burst": ("thing", "made to happen at each venue"),
}
"""What each fault that happens at once reaches, and what is done to it."""


def ordered(done: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """What an order did. `done` is the sandbox's answer; `state` its state, needed where nothing was reached."""
    name, reached = done["name"], done["reached"]
    if reached is None:
        return f"{name}: stands {_how_long(done)}"
    if not reached:
        return f"{name}: {_why_nothing(done, state)}"
    noun, predicate = REACHED[name]
    seconds = done["params"].get("seconds")
    lasting = (
        f"until it is lifted (tapewire fault --lift {name})" if seconds is None else f"for {seconds:g} s"
    )
    return f"{name}: {_counted(reached, noun)} {predicate.format(**done['params'], lasting=lasting)}"


def lifted(name: str | None, count: int) -> str:
    """What lifting did."""
    if not count:
        return f"nothing stood{f' of {name}' if name else ''}: nothing was lifted"
    return f"{count} {'fault was' if count == 1 else 'faults were'} lifted"


def standing(
    *, standing: Sequence[Mapping[str, Any]], suffering: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """What is in force, a line each; at least one line."""
    for order in standing:
        given = {key: value for key, value in order["params"].items() if value is not None and key != "times"}
        params = "".join(f" {key}={value}" for key, value in given.items())
        yield f"{order['name']}{params}: stands {_how_long(order)}, met {order['hits']} times so far"
    for name, connections in sorted(suffering.items()):
        yield f"{name}: on {_named('connection', connections)}"
    if not standing and not suffering:
        yield "nothing stands"


def _how_long(order: Mapping[str, Any]) -> str:
    times, until_ns = order["times_left"], order["until_ns"]
    parts = []
    if times is not None:
        parts.append("until it is met once" if times == 1 else f"until it is met {times} times")
    if until_ns is not None:
        parts.append(f"for {(until_ns - order['at_ns']) / 1e9:g} s from its order")
    return " and at most ".join(parts) or f"until it is lifted (tapewire fault --lift {order['name']})"


def _why_nothing(done: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    params = done["params"]
    venue = params.get("venue")
    noun = REACHED[done["name"]][0]
    where = f" at {venue}" if venue else ""
    sockets = [each for each in state["connections"] if each["venue"] and venue in (None, each["venue"])]
    if noun == "account":
        return f"nothing happened: no account{where} has a token that could expire"
    if noun == "connection":
        if params.get("connection") is not None and sockets:
            return f"nothing happened: connection {params['connection']} is no open socket{where}"
        return f"nothing happened: no socket is open{where}"
    joined = sorted(
        topic
        for name, played in state["venues"].items()
        if venue in (None, name)
        for topic in played["joined"]
    )
    wanted = params.get("topic")
    if wanted and noun == "history":
        return f"nothing happened: there is no history of {wanted!r}{where}"
    if noun == "history":
        return f"nothing happened: there is no history{where}"
    if wanted and wanted not in joined:
        return f"nothing happened: nobody has joined {wanted!r}{where}; {_joined(joined)}"
    if not joined:
        return f"nothing happened: nothing is joined{where}"
    return f"nothing happened: what is joined{where} cannot break so"


def _joined(topics: Sequence[str]) -> str:
    if not topics:
        return "nothing is joined now"
    more = len(topics) - NAMED_AT_MOST
    return f"joined topics are: {', '.join(topics[:NAMED_AT_MOST])}{f' and {more} more' if more > 0 else ''}"


def _named(noun: str, numbers: Sequence[int]) -> str:
    more = len(numbers) - NAMED_AT_MOST
    shown = ", ".join(map(str, numbers[:NAMED_AT_MOST]))
    return f"{noun}{'s' if len(numbers) > 1 else ''} {shown}{f' and {more} more' if more > 0 else ''}"


def _counted(count: int, noun: str) -> str:
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"1 {noun} was" if count == 1 else f"{count} {plural} were"
