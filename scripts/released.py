"""May this tag be published? `python -m scripts.released v1.2.3`: what names the version has to name the same one."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def versions(root: Path) -> dict[str, str]:
    """Which version each file names; of the changelog, the newest that has a heading of its own."""
    projects = [root / "pyproject.toml", *sorted(root.glob("drop_in/*/pyproject.toml"))]
    found = {
        file.relative_to(root).as_posix(): tomllib.loads(file.read_text("utf-8"))["project"]["version"]
        for file in projects
    }
    code = (root / "src/tapewire/__init__.py").read_text("utf-8")
    found["src/tapewire/__init__.py"] = _first(r'^__version__ = "([^"]+)"', code)
    found["CHANGELOG.md"] = _first(
        r"^## (\d\S*) \(\d{4}-\d\d-\d\d\)$", (root / "CHANGELOG.md").read_text("utf-8")
    )
    return found


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else "none"


def complaints(tag: str, found: dict[str, str]) -> list[str]:
    """What names another version than the tag does."""
    return [f"{place} names {version}, not {tag}" for place, version in found.items() if f"v{version}" != tag]


def main(arguments: list[str]) -> int:
    """Exit code 1 where the tag is not to be published."""
    said = complaints(arguments[0], versions(ROOT))
    print("\n".join(said) or f"{arguments[0]} may be published")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
