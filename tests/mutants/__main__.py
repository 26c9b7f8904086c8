"""`python -m tests.mutants [part of a name or file ...]`: try the mutants of the catalogue; 1 if any survives."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.mutants.catalogue import MUTANTS
from tests.mutants.narrow import NarrowMutant, judge


def tell(mutant: NarrowMutant) -> bool:
    try:
        verdict = judge(mutant)
    except RuntimeError as error:
        print(f"ERROR     {error}", flush=True)
        return False
    print(
        f"{'found   ' if verdict.is_found else 'SURVIVES'}  {mutant.file}: {mutant.name}  {verdict.by}",
        flush=True,
    )
    return verdict.is_found


def main(words: list[str]) -> int:
    chosen = [
        each for each in MUTANTS if not words or any(word in f"{each.file}: {each.name}" for word in words)
    ]
    with ThreadPoolExecutor(2) as pool:
        return int(not all(list(pool.map(tell, chosen))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
