"""Asks at the first `import stx` whether that name is still ours alone; started by tapewire_stx.pth.

It lies beside the package because another distribution of that name overwrites what lies in it. It imports nothing
before it is asked.
"""

from __future__ import annotations

import sys


class _Guard:
    """A finder that finds nothing: it lets the import of `stx` go on, or refuses it."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> None:
        if name != "stx":
            return
        try:
            from tapewire.ownership import check_sole_owner
        except ModuleNotFoundError:  # tapewire was uninstalled, and this has been left behind
            return
        check_sole_owner("stx", "tapewire-stx")
        sys.meta_path.remove(cls)


sys.meta_path.insert(0, _Guard)
