"""`python -m scripts.calibration`: what the fill model is worth at each venue's own trading, as docs/paper.md shows it.

Each order is really rested in a copy of a played exchange (tests/trading/branches.py), 2,000 for each venue.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from tapewire.sandbox import Sandbox
from tapewire.trading import Cancels, FillSimulator
from tests.trading.branches import Calibration, calibrated, outcomes

SEEDS = 10
ORDERS = 208  # a seed
CANCELS: tuple[Cancels, ...] = ("front", "proportional", "back")


def main() -> None:
    """Print the table."""
    models: dict[str, Callable[[], Any]] = {
        cancels: partial(FillSimulator, cancels=cancels, size_step=Decimal(1)) for cancels in CANCELS
    }
    print("| venue | withdrawals | orders | filled | phantom | missed | median | within two | bias |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, face in Sandbox(venues=["stx", "sxbet", "weex"]).faces.items():
        settings = {
            field: getattr(face.flow.settings, field)
            for field in (
                "payout",
                "depth",
                "gap",
                "spread",
                "drift",
                "lot",
                "take_share",
                "queue_share",
                "is_cut",
            )
        }
        found = [
            outcome
            for seed in range(SEEDS)
            for outcome in outcomes(seed, orders=ORDERS, horizon=150, models=models, **settings)
        ]
        for cancels in CANCELS:
            print(_row(name, cancels, calibrated(found, cancels)))


def _row(venue: str, cancels: str, found: Calibration) -> str:
    return (
        f"| {venue} | {cancels} | {found.orders} | {found.filled} | {found.phantom} | {found.missed} "
        f"| {found.median} | {found.within(2):.1%} | {found.bias:+.2f} |"
    )


if __name__ == "__main__":
    main()
