"""What happens to orders, and what is made of prices. Pure; it knows no session and no venue.

`Gate` approves orders within `Limits`. `PaperEngine` is an account on paper, over `FillSimulator`, which says what an
order would have met. Averages, changes and crossings make signals of prices.
"""

from __future__ import annotations

from .fills import Arrival, Cancels, FillSimulator, RestingOrder, SimulatedFill
from .gate import Approved, Gate, GateState, OrderDenied, RiskState
from .holdings import Doubt, Holding, Profit
from .limits import Limits, Quoted
from .paper import PaperConfig, PaperEngine, PaperState
from .signals import Change, Crossing, ExponentialAverage, Signal, SimpleAverage, compared

__all__ = [
    "Approved",
    "Arrival",
    "Cancels",
    "Change",
    "Crossing",
    "Doubt",
    "ExponentialAverage",
    "FillSimulator",
    "Gate",
    "GateState",
    "Holding",
    "Limits",
    "OrderDenied",
    "PaperConfig",
    "PaperEngine",
    "PaperState",
    "Profit",
    "Quoted",
    "RestingOrder",
    "RiskState",
    "Signal",
    "SimpleAverage",
    "SimulatedFill",
    "compared",
]
