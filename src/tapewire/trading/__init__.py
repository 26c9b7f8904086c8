"""What happens to orders, and what is made of prices. Pure; it knows no session and no venue.

`PaperEngine` is an account on paper, over `FillSimulator`, which says what an order would have met; averages, changes
and crossings make signals of prices.
"""

from __future__ import annotations

from .fills import Arrival, Cancels, FillSimulator, RestingOrder, SimulatedFill
from .holdings import Doubt, Holding, Profit
from .paper import PaperConfig, PaperEngine, PaperState
from .signals import Change, Crossing, ExponentialAverage, Signal, SimpleAverage, compared

__all__ = [
    "Arrival",
    "Cancels",
    "Change",
    "Crossing",
    "Doubt",
    "ExponentialAverage",
    "FillSimulator",
    "Holding",
    "PaperConfig",
    "PaperEngine",
    "PaperState",
    "Profit",
    "RestingOrder",
    "Signal",
    "SimpleAverage",
    "SimulatedFill",
    "compared",
]
