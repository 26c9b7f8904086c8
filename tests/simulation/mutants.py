"""Deliberate faults of the engine, each of which the simulation must find: what cannot fail proves nothing.

A mutant is one text of one file, put in the place of another. `python -m tests.simulation.mutants` tries all of them,
or those that are named; `make mutants` tries them as tests, and `make test` two of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import nullcontext

from tests.mutants.mutant import ROOT, Mutant

__all__ = ["MUTANTS", "SimulatedMutant", "is_found"]


class SimulatedMutant(Mutant, frozen=True, kw_only=True):
    """A mutant of which some seed of `wire` must complain, by `kind`."""

    wire: str
    kind: str
    seeds: int = 300


WRONG = "wrong|old|back"
"""Of a book that is live."""

MUTANTS = (
    SimulatedMutant(
        name="a jump of the numbering is not said",
        file="protocols/centrifugo/channel.py",
        old="return Skipped(self.topic, expected, offset, offset - expected)",
        new="return True",
        wire="centrifugo",
        kind="loss",
        seeds=600,
    ),
    SimulatedMutant(
        name="what came already is delivered again",
        file="protocols/centrifugo/channel.py",
        old="if 0 < offset < expected and not began_anew:",
        new="if False:",
        wire="centrifugo",
        kind="twice",
    ),
    SimulatedMutant(
        name="what is held is delivered whole behind the snapshot",
        file="session/holds.py",
        old="list(self._reconcile(snapshot, held))",
        new="list(held)",
        wire="phoenix",
        kind="behind snapshot",
    ),
    SimulatedMutant(
        name="the snapshot of an older attempt is taken for the present one",
        file="session/holds.py",
        old="if hold is not self.hold:\n            return None\n        if hold.spoiled:",
        new="if self.hold is None:\n            return None\n        hold = self.hold\n        if hold.spoiled:",
        besides=(("session/continuity.py", "            fetch.cancel()\n", "            pass\n"),),
        wire="phoenix",
        kind="loss|back",
        seeds=1_000,
    ),
    SimulatedMutant(
        name="three tries are enough",
        file="retry.py",
        old="return self.max_attempts is not None and attempts >= self.max_attempts",
        new="return attempts >= 3",
        wire="stake",
        kind="gave up",
    ),
    SimulatedMutant(
        name="every refusal is final",
        file="protocols/phoenix/client.py",
        old="retryable = reason not in self._final_reasons",
        new="retryable = False",
        wire="phoenix",
        kind="ended",
    ),
    SimulatedMutant(
        name="an unanswered ping proves nothing",
        file="session/connection.py",
        old='return "dead" if now >= self._pinged_at + self._timeout else None',
        new="return None",
        wire="stake",
        kind="endless|stuck",
    ),
    SimulatedMutant(
        name="no try is waited for",
        file="retry.py",
        old="wait = ceiling * fraction() if self.jitter else ceiling",
        new="wait = 0.0",
        wire="phoenix",
        kind="storm|endless",
    ),
    SimulatedMutant(
        name="a state that no input leaves",
        file="session/machine.py",
        old="(S.GREETING, On.BROKEN): (S.WAITING, (Do.DROP, Do.ARM_BACKOFF)),",
        new="(S.GREETING, On.BROKEN): (S.WAITING, (Do.DROP,)),",
        wire="graphql",
        kind="dead end",
    ),
    SimulatedMutant(
        name="a handler runs twice at once",
        file="session/handler_tasks.py",
        old="                self._own(runner, task)\n",
        new="                self._own(runner, task)\n                self.wake(runner)\n",
        wire="stake",
        kind="twice at once",
    ),
    SimulatedMutant(
        name="a close waits for a stuck handler",
        file="session/handler_tasks.py",
        old="asyncio.wait([drained], timeout=seconds)",
        new="asyncio.wait([drained])",
        wire="stake",
        kind="close",
    ),
    SimulatedMutant(
        name="a close leaves a stuck handler's task behind",
        file="session/handler_tasks.py",
        old="                runner.task.cancel()\n",
        new="                pass\n",
        wire="stake",
        kind="task left",
    ),
    SimulatedMutant(
        name="what cancels an endpoint ends the try without a word",
        file="session/driver.py",
        old='await run_owned("endpoint", options.endpoint, token)',
        new="options.endpoint(token)",
        wire="stake",
        kind="dead end",
    ),
    SimulatedMutant(
        name="publications of a former membership count as the new one's",
        file="protocols/phoenix/former.py",
        old="= self._joins.__contains__",
        new="= {}.__contains__",
        wire="phoenix-v1",
        kind="loss",
        seeds=600,
    ),
    SimulatedMutant(
        name="the close of a former membership is the new one's",
        file="protocols/phoenix/former.py",
        old='if ref in ("", each.join_ref)',
        new="if ref == each.join_ref",
        wire="phoenix-v1",
        kind="ended",
    ),
    SimulatedMutant(
        name="a book that fell mute is live",
        file="venues/kit/feeds.py",
        old="        self.handle(ContinuityInput.MUTE, reason)\n",
        new="",
        wire="market-weex",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="a book that is not proven is live",
        file="venues/kit/feeds.py",
        old="        if is_right:\n            if state is not",
        new="        if True:\n            if state is not",
        wire="market-sxbet",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="a book whose line is lost is live",
        file="venues/kit/feeds.py",
        old='self.handle(ContinuityInput.LOST, mark.reason or "asked for again")',
        new="pass",
        wire="market-weex",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="a book is live as soon as it is served, before there is any",
        file="venues/kit/feeds.py",
        old="        if is_first and not self.source.is_state and self.view is None:\n",
        new="        if is_first:\n",
        wire="market-sxbet-v3",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="a book is live while what was missed is still to come",
        file="venues/kit/feeds.py",
        old="                self.handle(ContinuityInput.REBUILDING, reason)",
        new="                self.handle(ContinuityInput.PROVEN, reason)",
        wire="market-sxbet-v3",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="a gap is not told to the feed",
        file="venues/kit/feeds.py",
        old="        elif isinstance(mark, Gap):\n            reason =",
        new="        elif False:\n            reason =",
        wire="market-sxbet",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="the row of an older attempt is stood on",
        file="venues/stx/followers.py",
        old="return self._held is hold",
        new="return self._held is not None",
        wire="market-stx",
        kind=WRONG,
    ),
    SimulatedMutant(
        name="own orders are reconciled twice",
        file="market/reconcile.py",
        old="        if not self.is_news(order):\n            return None\n",
        new="",
        wire="market-stx",
        kind="twice",
    ),
    SimulatedMutant(
        name="own fills are reconciled twice",
        file="market/reconcile.py",
        old="        if key in self._told:\n            return None\n        self._told[key] = None\n",
        new="        self._told[key] = None\n",
        wire="market-weex",
        kind="twice",
    ),
    SimulatedMutant(
        name="what a gap hid of own orders is not told",
        file="venues/kit/feeds.py",
        old="return _all_behind(mark, made) if isinstance(made, Awaitable) else Items([mark, *made])",
        new="return mark",
        wire="market-stx",
        kind="lost",
    ),
)


def is_found(mutant: SimulatedMutant) -> bool:
    """True where a seed complains of the mutant's kind that does not without it. Stops at the first."""
    first, end = 1, mutant.seeds + 1
    while first < end:
        seed = _complaining_seed(mutant, first, end - first, as_it_is=False)
        if seed is None:
            return False
        if _complaining_seed(mutant, seed, 1, as_it_is=True) is None:
            return True
        first = seed + 1
    return False


def _complaining_seed(mutant: SimulatedMutant, first: int, count: int, *, as_it_is: bool) -> int | None:
    """The first seed that complains of the mutant's kind first, with the mutant in the engine or as the engine is."""
    with (
        nullcontext(dict(os.environ, PYTHONHASHSEED="0")) if as_it_is else mutant.environment() as environment
    ):
        command = [sys.executable, "-m", "tests.simulation", "--quiet", "--jobs", "1", "--wire", mutant.wire]
        command += ["--all", "--until", mutant.kind, "--first", str(first), "--seeds", str(count)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(done.stderr)
    found = re.findall(rf"(?m)^make simulate .*--seed (\d+)\"  (?:{mutant.kind}): ", done.stdout)
    return min(map(int, found), default=None)


def main(names: list[str]) -> int:
    """Returns 1 if any mutant survives."""
    survivors = 0
    for mutant in MUTANTS:
        if not names or any(name in mutant.name for name in names):
            found = is_found(mutant)
            survivors += not found
            print(f"{'found   ' if found else 'SURVIVES'}  {mutant.name} ({mutant.kind})", flush=True)
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
