"""The few looks into the engine that its public face does not offer: whether what stands still is waited for.

Whoever rebuilds `tapewire.session` changes this file, and no other of the simulation.
"""

from __future__ import annotations

from collections.abc import Iterator

from tapewire.session.driver import Driver
from tapewire.session.session import Session
from tapewire.session.subscriptions import Topic

__all__ = ["dead_ends"]


def dead_ends(session: Session) -> Iterator[str]:
    """What waits for nothing: states that no timer, task or answer leads out of. Ask when nothing can run."""
    if session.state in ("closing", "closed", "failed"):
        return  # what is left then is asked at the end
    driver = session._driver
    if text := _dead_end_of_line(driver, session.state):
        yield text
    due, timer = driver.loop.timers.next(), driver.loop._timer
    if due is not None and (
        timer is None or timer.cancelled() or (driver.loop._due_at > due and not driver.loop._drains)
    ):
        yield f"a deadline is set, and no timer of the loop for it (session {session.state})"
    for topic in driver.topics.subscriptions:
        if text := _dead_end_of_topic(driver, topic, session.state):
            yield f"topic {topic.name} {text}"


def _dead_end_of_line(driver: Driver, state: str) -> str:
    timers = driver.loop.timers
    match state:
        case "waiting" if "backoff" not in timers:
            return "the session waits, and has no back-off timer"
        case "authorizing" | "connecting" if driver._trying is None or driver._trying.done():
            return f"the session is {state}, and no task does it"
        case "greeting" if "greeting" not in timers:
            return "the session greets, and has no timer"
    return ""


def _dead_end_of_topic(driver: Driver, topic: Topic, state: str) -> str:
    timers, protocol = driver.loop.timers, driver.protocol
    match topic.state.value:
        case "subscribing" if topic not in timers and not topic.asking:
            queued = protocol is not None and protocol.queued(topic.name)
            return "" if queued else "is subscribing, and has no deadline"
        case "backing off" if topic not in timers:
            return "is backing off, and has no retry timer"
        case "waiting" if state == "up":
            return "waits for a line that is up"
        case "ended" | "unsubscribed" as over:
            return f"is {over}, and still known"
    return ""
