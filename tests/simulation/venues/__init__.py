"""The simulated venues, one for each wire: each is its own scripted peer, its protocol, and the faults it knows."""

from tests.simulation.venues.centrifugo import CentrifugoVenue
from tests.simulation.venues.phoenix import PhoenixVenue
from tests.simulation.venues.venue import TOPICS, Venue

__all__ = ["TOPICS", "WIRES", "Venue"]

WIRES: dict[str, type[Venue]] = {"phoenix": PhoenixVenue, "centrifugo": CentrifugoVenue}
"""By the name that `--wire` takes."""
