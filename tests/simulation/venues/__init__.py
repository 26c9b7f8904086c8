"""The simulated venues, one for each wire: each is its own scripted peer, its protocol, and the faults it knows."""

from tests.simulation.venues.centrifugo import CentrifugoVenue
from tests.simulation.venues.graphql import GraphQLVenue
from tests.simulation.venues.phoenix import PhoenixV1Venue, PhoenixVenue
from tests.simulation.venues.stake import StakeVenue
from tests.simulation.venues.venue import Venue
from tests.simulation.venues.weex import WeexVenue

__all__ = ["WIRES", "Venue"]

WIRES: dict[str, type[Venue]] = {
    "phoenix": PhoenixVenue,
    "phoenix-v1": PhoenixV1Venue,
    "centrifugo": CentrifugoVenue,
    "graphql": GraphQLVenue,
    "stake": StakeVenue,
    "weex": WeexVenue,
}
"""By the name that `--wire` takes."""
