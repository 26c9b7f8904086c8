"""Tools to test with, for tapewire's own tests and for yours: nothing here sleeps, and nothing needs a venue."""

from .clock import VirtualClock

__all__ = ["VirtualClock"]
