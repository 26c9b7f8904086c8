"""Deliberate faults of the engine, each of which the simulation must find: what cannot fail proves nothing.

A mutant is one text of one file, put in the place of another. `python -m tests.simulation.mutants` tries all of them,
or those that are named; `make mutants` tries them as tests, and `make test` one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

__all__ = ["MUTANTS", "Mutant", "is_found"]

ROOT = Path(__file__).parents[2]


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """In `file`, `old` (which must be there once) becomes `new`; some seed of `wire` must then complain of `kind`.

    `besides`: further replacements that the fault needs, each `(file, old, new)`.
    """

    name: str
    file: str
    old: str
    new: str
    wire: str
    kind: str
    seeds: int = 300
    besides: tuple[tuple[str, str, str], ...] = ()


MUTANTS = (
    Mutant(
        name="a jump of the numbering is not said",
        file="protocols/centrifugo/channel.py",
        old="return Skipped(self.topic, expected, offset, offset - expected)",
        new="return True",
        wire="centrifugo",
        kind="loss",
        seeds=600,
    ),
    Mutant(
        name="what came already is delivered again",
        file="protocols/centrifugo/channel.py",
        old="if 0 < offset < expected and not began_anew:",
        new="if False:",
        wire="centrifugo",
        kind="twice",
    ),
    Mutant(
        name="what is held is delivered whole behind the snapshot",
        file="session/holds.py",
        old="list(self._reconcile(snapshot, held))",
        new="list(held)",
        wire="phoenix",
        kind="behind snapshot",
    ),
    Mutant(
        name="the snapshot of an older attempt is taken for the present one",
        file="session/holds.py",
        old="if hold is not self.hold:\n            return None\n        if hold.spoiled:",
        new="if self.hold is None:\n            return None\n        hold = self.hold\n        if hold.spoiled:",
        besides=(("session/continuity.py", "            fetch.cancel()\n", "            pass\n"),),
        wire="phoenix",
        kind="loss|back",
        seeds=1_000,
    ),
    Mutant(
        name="three tries are enough",
        file="retry.py",
        old="return self.max_attempts is not None and attempts >= self.max_attempts",
        new="return attempts >= 3",
        wire="stake",
        kind="gave up",
    ),
    Mutant(
        name="every refusal is final",
        file="protocols/phoenix/client.py",
        old="retryable = reason not in self._final_reasons",
        new="retryable = False",
        wire="phoenix",
        kind="ended",
    ),
    Mutant(
        name="an unanswered ping proves nothing",
        file="session/connection.py",
        old='return "dead" if now >= self._pinged_at + self._timeout else None',
        new="return None",
        wire="stake",
        kind="endless|stuck",
    ),
    Mutant(
        name="no try is waited for",
        file="retry.py",
        old="wait = ceiling * fraction() if self.jitter else ceiling",
        new="wait = 0.0",
        wire="phoenix",
        kind="storm|endless",
    ),
    Mutant(
        name="a state that no input leaves",
        file="session/machine.py",
        old="(S.GREETING, On.BROKEN): (S.WAITING, (Do.DROP, Do.ARM_BACKOFF)),",
        new="(S.GREETING, On.BROKEN): (S.WAITING, (Do.DROP,)),",
        wire="graphql",
        kind="dead end",
    ),
    Mutant(
        name="a handler runs twice at once",
        file="session/handlers.py",
        old="        pump.task = self._loop.spawn(self._run(pump, before), name)\n",
        new="        self._loop.spawn(self._run(pump, before), name)\n"
        "        pump.task = self._loop.spawn(self._run(pump, before), name)\n",
        wire="stake",
        kind="twice at once",
    ),
    Mutant(
        name="a close waits for a stuck handler",
        file="session/handlers.py",
        old="asyncio.wait([pump.excused for pump in pumps], timeout=seconds)",
        new="asyncio.wait([pump.excused for pump in pumps])",
        wire="stake",
        kind="close",
    ),
    Mutant(
        name="a close leaves a stuck handler's task behind",
        file="session/handlers.py",
        old="            pump.task.cancel()\n",
        new="            pass\n",
        wire="stake",
        kind="task left",
    ),
    Mutant(
        name="what cancels an endpoint ends the try without a word",
        file="session/driver.py",
        old='await run_owned("endpoint", options.endpoint, token)',
        new="options.endpoint(token)",
        wire="stake",
        kind="dead end",
    ),
    Mutant(
        name="publications of a former membership count as the new one's",
        file="protocols/phoenix/former.py",
        old="return topic in self._joins",
        new="return False",
        wire="phoenix-v1",
        kind="loss",
        seeds=600,
    ),
    Mutant(
        name="the close of a former membership is the new one's",
        file="protocols/phoenix/former.py",
        old='if ref in ("", each.join_ref)',
        new="if ref == each.join_ref",
        wire="phoenix-v1",
        kind="ended",
    ),
)


def is_found(mutant: Mutant) -> bool:
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


def _complaining_seed(mutant: Mutant, first: int, count: int, *, as_it_is: bool) -> int | None:
    """The first seed that complains of the mutant's kind first, with the mutant in the engine or as the engine is."""
    with tempfile.TemporaryDirectory(prefix="tapewire-mutant-") as folder:
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        if not as_it_is:
            source = Path(folder) / "tapewire"
            shutil.copytree(ROOT / "src" / "tapewire", source, ignore=shutil.ignore_patterns("__pycache__"))
            for file, old, new in ((mutant.file, mutant.old, mutant.new), *mutant.besides):
                _mutate(source / file, old, new, mutant.name)
            environment["PYTHONPATH"] = folder
        command = [sys.executable, "-m", "tests.simulation", "--quiet", "--jobs", "1", "--wire", mutant.wire]
        command += ["--all", "--until", mutant.kind, "--first", str(first), "--seeds", str(count)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(done.stderr)
    found = re.findall(rf"(?m)^make simulate .*--seed (\d+)\"  (?:{mutant.kind}): ", done.stdout)
    return min(map(int, found), default=None)


def _mutate(file: Path, old: str, new: str, name: str) -> None:
    text = file.read_text()
    if text.count(old) != 1:
        raise RuntimeError(f"{name}: its text stands {text.count(old)} times in {file}")
    file.write_text(text.replace(old, new))


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
