"""A venue on paper: its market as it is, orders and money simulated. `tapewire.paper` makes one (docs/paper.md)."""

from .market import PaperVenue, paper

__all__ = ["PaperVenue", "paper"]
