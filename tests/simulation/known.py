"""The kinds of fault that the simulation finds and that are not mended yet. To be emptied; nothing is added lightly.

A seed whose *first* complaint is one of these counts as known: what follows a broken promise proves nothing.
`python -m tests.simulation --tolerate-known` does not fail for them, and names those that are not seen any more.
"""

from __future__ import annotations

import re

__all__ = ["KNOWN", "reason_of"]

KNOWN: dict[str, str] = {
    r"session is connecting, and no task does it": "a CancelledError of `admit` ends the try",
    r"stuck: .* is subscribed, and \d+ did not come": "a CancelledError of a snapshot function keeps its hold",
    r"back: |loss: .* (came where|never came)": "an older attempt's snapshot; CancelledError inline; a pool's move",
    r"stuck: .* is unsubscribed, and its stream has no end": "subscribed anew in the read that ended it",
    r"^weex: stuck: .* is subscribing though": "a connection that serves nothing and may ask for nothing is kept",
    r"behind snapshot": "what was in flight or recovered comes behind the snapshot that holds it",
    r"unhandled: .*\('simulated'\)": "a CancelledError of an inline function leaves the read",
    r"raised: .*\('simulated'\)": "an inline function's CancelledError, or `decode`, comes out of a call",
    r"log: .*\('simulated'\)\] at session/delivery.py:\d+ taken": "`decode` may raise listed exceptions only",
    r"IllegalTransition": "states that no input leaves",
    r"(raised: resync raised|_on_timer\(\)) AssertionError": "asking for a topic while the line goes down",
    r"endless: \d+ turns of the event loop": "closing on a dead line; a pool's topic refused as full everywhere",
    r"storm: ": "a pool's topic refused as full everywhere",
    r"\('simulated'\)\] at session/driver.py:\d+ _greet|session greets, and has no timer": "a protocol factory raises",
    r"raised: (push|request) raised BufferOverflow": "one subscription's overflow is raised for another's push",
    r"raised: .* raised CancelledError, and nobody": "a pool's cancelled open(); a strict handler's CancelledError",
    r"stuck: .* still waits": "a CancelledError of an inline on_error ends what ends the session",
}
"""What `wire: kind: text` of a complaint matches: why."""

_compiled = {re.compile(pattern): reason for pattern, reason in KNOWN.items()}


def reason_of(complaint: str) -> str:
    """Why it is known, or nothing."""
    return next((reason for pattern, reason in _compiled.items() if pattern.search(complaint)), "")
