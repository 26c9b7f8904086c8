"""Writes docs/states.md from the state tables of a session, a feed and a gate: `python scripts/state_diagrams.py`.

The tables are the source, comments of their enumerations included; a test compares the page with what is made here.
What a table lists as meaning nothing (same state, no actions) is told below its diagram instead of drawn in it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from tapewire import marks
from tapewire.market import continuity
from tapewire.session import machine, subscriptions, topics
from tapewire.trading import gate

PAGE = Path(__file__).parent.parent / "docs" / "states.md"

Table: TypeAlias = Mapping[Any, Any]  # (state, input) -> (state, actions)

HEAD = """\
# States

A session walks two tables: one for its connection, one for each topic it is subscribed to. A feed of a market walks a
third, a gate that approves orders a fourth. This page is made from them by `python scripts/state_diagrams.py`: change
the tables, not the page.

An arrow reads *input / actions*: what happened, and what is done about it, in that order. A pair of state and input
that is neither drawn nor listed as meaning nothing is an error that names both.
"""

CONNECTION = """\
## The connection

One logical line that outlives many connections. The table decides whether there is another try; how long to wait
before it is `RetryPolicy`'s business. Failed tries of one outage are counted until a line has been stable: then the
count starts afresh. `broken` turns into `exhausted` when the policy allows no more tries, and a second `unauthorized`
in one outage into `refused`; a first `expired` of a greeting is `unauthorized`. What comes late after `close` means
nothing, and nothing is ever opened again.
"""

SUBSCRIPTION = """\
## A subscription

One topic that somebody wants: what we want is kept apart from what the peer has confirmed. The table alone decides
whether a topic is asked for again, and each topic has a retry of its own, so that a refused one holds up no other.
`leave` wins every race. Whatever interrupts a confirmed topic opens a gap, which its consumers see as a mark.
"""

CONTINUITY = """\
## A feed of a market

What `feed.continuity.state` says, and `ContinuityChanged` in its place. It is worse at once, as soon as the reader
knows, and better only for a reason. Where a feed brings events, a gap is over as soon as it is said: `broken`, then
`proven`. Where it stands for a state, a book or what is our own, `broken` is followed by `rebuilding`, and only the
rebuilt state is `proven`. Act on a feed only while it is `live`.
"""

RISK = """\
## The gate of orders

What `Gate.state.state` says (docs/risk.md). It is latched: only a person leads back, with a reason that is kept, and
not even a person leads from `halted` to `reducing`. Keep the state over a restart.
"""

PUBLIC_WORDS = {
    "unsubscribed": "nothing is delivered",
    "subscribing": "wanted, and not confirmed by the peer at present",
    "subscribed": "confirmed by the peer",
}


def meanings(enumeration: type[Enum]) -> dict[str, str]:
    """The comment behind each member, by its value."""
    return dict(re.findall(r'^    \w+ = "([^"]+)"  # (.+)$', inspect.getsource(enumeration), re.MULTILINE))


def diagram(table: Table, first: Enum) -> str:
    """The table as Mermaid; pairs with the same outcome share an arrow."""
    states = type(first)
    arrows: dict[tuple[Enum, Enum, tuple[Enum, ...]], list[str]] = {}
    for (state, received), (target, actions) in table.items():
        if actions or target is not state:
            arrows.setdefault((state, target, actions), []).append(received.value)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in states]
    lines += [f"    [*] --> {first.name}"]
    for (state, target, actions), inputs in arrows.items():
        label = ", ".join(inputs)
        if actions:
            label += " / " + ", ".join(action.value for action in actions)
        lines.append(f"    {state.name} --> {target.name} : {label}")
    leaves = {state for state, target, _ in arrows if target is not state}
    lines += [f"    {state.name} --> [*]" for state in states if state not in leaves]
    return "\n".join([*lines, "```"])


def table_of(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of the page."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def without_meaning(table: Table, states: type[Enum]) -> str:
    """What is listed and does nothing, by state."""
    rows = []
    for state in states:
        pairs = [pair for pair, outcome in table.items() if pair[0] is state and outcome == (state, ())]
        if pairs:
            rows.append((f"`{state.value}`", ", ".join(f"`{received.value}`" for _, received in pairs)))
    return table_of(("in", "means nothing"), rows)


def glossary(title: str, enumeration: type[Enum]) -> str:
    """What those words mean that do not speak for themselves."""
    known = meanings(enumeration)
    return table_of((title, "meaning"), [(f"`{word}`", meaning) for word, meaning in known.items()])


def connection() -> list[str]:
    """The page's first half."""
    states = meanings(machine.State)
    words = [(f"`{state.value}`", states[state.value]) for state in machine.State]
    return [
        CONNECTION,
        "`Session.state` says:\n",
        table_of(("word", "meaning"), words) + "\n",
        diagram(machine.TABLE, machine.State.NEW) + "\n",
        without_meaning(machine.TABLE, machine.State) + "\n",
        glossary("input", machine.Input) + "\n",
        glossary("action", machine.Action) + "\n",
    ]


def subscription() -> list[str]:
    """The page's second half."""
    states = meanings(subscriptions.SubscriptionState)
    public = topics._PUBLIC_STATE
    words = [
        (f"`{word}`", meaning, ", ".join(f"`{state.value}`" for state in public if public[state] == word))
        for word, meaning in PUBLIC_WORDS.items()
    ]
    inside = [(f"`{state.value}`", states[state.value]) for state in subscriptions.SubscriptionState]
    return [
        SUBSCRIPTION,
        "`Subscription.state` says one of three words; the table tells six states apart:\n",
        table_of(("word", "meaning", "states of the table"), words) + "\n",
        table_of(("state", "meaning"), inside) + "\n",
        diagram(subscriptions.TABLE, subscriptions.SubscriptionState.UNSUBSCRIBED) + "\n",
        without_meaning(subscriptions.TABLE, subscriptions.SubscriptionState) + "\n",
        glossary("input", subscriptions.SubscriptionInput) + "\n",
        glossary("action", subscriptions.SubscriptionAction),
    ]


def feed() -> list[str]:
    """The page's third part."""
    table = {pair: (state, ()) for pair, state in continuity.TABLE.items()}
    words = [(f"`{word}`", meaning) for word, meaning in meanings(marks.ContinuityState).items()]
    return [
        CONTINUITY,
        table_of(("word", "meaning"), words) + "\n",
        diagram(table, marks.ContinuityState.SYNCING) + "\n",
        without_meaning(table, marks.ContinuityState) + "\n",
        glossary("input", continuity.ContinuityInput) + "\n",
    ]


def orders() -> list[str]:
    """The page's last part."""
    table = {pair: (state, ()) for pair, state in gate.RISK_TABLE.items()}
    words = [(f"`{word}`", meaning) for word, meaning in meanings(gate.RiskState).items()]
    return [
        RISK,
        table_of(("word", "what may pass"), words) + "\n",
        diagram(table, gate.RiskState.ACTIVE) + "\n",
        without_meaning(table, gate.RiskState) + "\n",
        glossary("input", gate.RiskInput),
    ]


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *connection(), *subscription(), "", *feed(), *orders()]) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parent.parent)}")
