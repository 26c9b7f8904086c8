"""Is this the only distribution that installs `stakeapi`?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

__all__ = ["check"]

OWN = "tapewire-stakeapi"
_OWNS_THE_NAME = re.compile(r"^\"?stakeapi/__init__\.py\"?,", re.MULTILINE)


def check(installed: Iterable[Distribution] | None = None) -> None:
    """Raise ImportError if another distribution installs the same import name."""
    for distribution in distributions() if installed is None else installed:
        # Its list of files as text: `packages_distributions()` parses every one of them, for a tenth of a second.
        if not _OWNS_THE_NAME.search(distribution.read_text("RECORD") or ""):
            continue
        name = distribution.metadata["Name"]
        if name.replace("_", "-").lower() != OWN:
            raise ImportError(
                f"{name} and {OWN} both install the package 'stakeapi', and which of them would be imported is chance; "
                f"uninstall {name} or {OWN} (tapewire.venues.stake works beside either)",
                name="stakeapi",
            )
