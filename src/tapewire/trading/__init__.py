"""What is made of prices: averages, changes, signals. Pure; it knows no session and no venue."""

from __future__ import annotations

from .signals import Change, Crossing, ExponentialAverage, Signal, SimpleAverage, compared

__all__ = ["Change", "Crossing", "ExponentialAverage", "Signal", "SimpleAverage", "compared"]
