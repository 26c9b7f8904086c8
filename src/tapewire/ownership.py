"""Who owns an import name: what a drop-in asks before it answers under the name of another package.

Two distributions that install the same package overwrite each other's files without a word, and uninstalling one of
them takes files of the other away. What is imported then is chance, so a drop-in refuses, and says what heals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["check_sole_owner", "complaint"]


@cache
def check_sole_owner(package: str, own: str) -> None:
    """Raise ImportError, with the command that heals, unless the distribution `own` alone installs `package`."""
    if (sentence := complaint(package, own, distributions())) is not None:
        raise ImportError(sentence, name=package)


def complaint(package: str, own: str, installed: Iterable[Distribution]) -> str | None:
    """What is wrong with `package` among the distributions that are `installed`, and what heals it; None if nothing."""
    owned = re.compile(rf'^"?({re.escape(package)}/[^",]+\.py)"?,', re.MULTILINE)
    others: set[str] = set()
    missing = False
    for distribution in installed:
        # Its list of files as text: `packages_distributions()` parses every one of them, for a tenth of a second.
        files = owned.findall(distribution.read_text("RECORD") or "")
        if not files:
            continue
        name = distribution.metadata["Name"]
        if re.sub(r"[-_.]+", "-", name).lower() != own:
            others.add(name)
        elif not all(Path(str(distribution.locate_file(file))).exists() for file in files):
            missing = True
    if others:
        named = " ".join(sorted(others))
        return (
            f"{' and '.join(sorted(others))} and {own} both install the package {package!r}, and which of their files "
            f"would be imported is chance; this heals it: pip uninstall -y {named} {own} && pip install {own}"
        )
    if missing:
        return (
            f"files of {own} are missing: another distribution of the package {package!r} was installed over it and "
            f"uninstalled; this heals it: pip install --force-reinstall --no-deps {own}"
        )
    return None
