"""The environment of the bench's processes: bytecode kept, nothing that makes Python slower for whoever debugs.

Without bytecode each process would compile the whole project, and an import's figure would be that of the compiler.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ROOT", "environment"]

ROOT = Path(__file__).parent.parent
_SLOWING = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONASYNCIODEBUG",
    "PYTHONDEVMODE",
    "PYTHONTRACEMALLOC",
    "PYTHONMALLOC",
)


def environment() -> dict[str, str]:
    """Of the process that runs a contender, the server or an import."""
    kept = {name: value for name, value in os.environ.items() if name not in _SLOWING}
    return kept | {"PYTHONPYCACHEPREFIX": str(ROOT / ".venv-bench" / "bytecode")}
