"""Mutants that a few narrow tests find, in seconds: what one line of the engine is there for."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec

from tests.mutants.mutant import ROOT, Mutant

__all__ = ["NarrowMutant", "Verdict", "judge"]

SECONDS = 90
"""What the tests of one mutant may take. A hang is a find: they take some three seconds on the engine as it is."""

SECONDS_A_TEST = 20
"""The same for one of them, of which none takes two."""


class NarrowMutant(Mutant, frozen=True, kw_only=True):
    """`tests`: files or node ids below `tests/`; some test of them must fail with the mutant, and none without it."""

    tests: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """`by`: the test that found it, or how else it was found."""

    is_found: bool
    by: str = ""


def judge(mutant: NarrowMutant) -> Verdict:
    """Run its tests with the mutant in the engine. Raises RuntimeError where they cannot be run at all."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb", "no"]
    command += ["--timeout", str(SECONDS_A_TEST), "--timeout-method", "thread"]
    command += [f"tests/{test}" for test in mutant.tests]
    with mutant.environment() as environment:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(True, "a hang")
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{mutant.name}: its tests cannot be run:\n{done.stdout}{done.stderr}")
    if done.returncode == 0:
        return Verdict(False)
    found = re.search(r"(?m)^(?:FAILED|ERROR) (\S+)", done.stdout)
    return Verdict(True, "a hang" if found is None else found[1])
