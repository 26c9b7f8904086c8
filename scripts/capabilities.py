"""Writes the table of docs/market.md from the venues' capabilities: `python -m scripts.capabilities`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tapewire.market import VERBS, Capability
from tapewire.venues import VENUES

__all__ = ["PAGE", "table", "with_table"]

PAGE = Path(__file__).parent.parent / "docs" / "market.md"
BEGIN, END = "<!-- made by scripts/capabilities.py -->\n", "<!-- end -->\n"


def table() -> str:
    """One line a verb, one column a venue."""
    lines = [f"| verb | {' | '.join(VENUES)} |", f"|{' --- |' * (len(VENUES) + 1)}"]
    known = {name: import_module(f"tapewire.venues.{name}.market").CAPABILITIES for name in VENUES}
    lines += [
        f"| `{verb}` | {' | '.join(_cell(known[name].get(verb)) for name in VENUES)} |" for verb in VERBS
    ]
    return "\n".join(lines) + "\n"


def _cell(capability: Capability | None) -> str:
    if capability is None or not capability.supported:
        nearest = capability.instead if capability is not None else None
        return f"no; nearest: `{nearest}`" if nearest else "no"
    return "yes" if capability.proof == "none" else capability.proof


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parent.parent)}")
