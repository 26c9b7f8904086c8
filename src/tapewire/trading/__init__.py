"""What happens to orders, and what is made of prices. Pure; it knows no session and no venue.

`FillSimulator` says what an order of ours would have met; averages, changes and crossings make signals of prices.
"""

from __future__ import annotations

from .fills import Arrival, Cancels, FillSimulator, RestingOrder, SimulatedFill
from .signals import Change, Crossing, ExponentialAverage, Signal, SimpleAverage, compared

__all__ = [
    "Arrival",
    "Cancels",
    "Change",
    "Crossing",
    "ExponentialAverage",
    "FillSimulator",
    "RestingOrder",
    "Signal",
    "SimpleAverage",
    "SimulatedFill",
    "compared",
]
