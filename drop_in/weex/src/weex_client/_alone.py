"""Is this the only distribution that installs `weex_client`?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

__all__ = ["check"]

OWN = "tapewire-weex-client"
_OWNS_THE_NAME = re.compile(r"^\"?weex_client/__init__\.py\"?,", re.MULTILINE)


def check(installed: Iterable[Distribution] | None = None) -> None:
    """Raise ImportError if another distribution installs the same import name."""
    for distribution in distributions() if installed is None else installed:
        # Its list of files as text: `packages_distributions()` parses every one of them, for a tenth of a second.
        if not _OWNS_THE_NAME.search(distribution.read_text("RECORD") or ""):
            continue
        name = distribution.metadata["Name"]
        if name.replace("_", "-").lower() != OWN:
            raise ImportError(
                f"{name} and {OWN} both install the package 'weex_client', and which of them would be imported is "
                f"chance; uninstall {name} or {OWN} (tapewire.venues.weex works beside either)",
                name="weex_client",
            )
