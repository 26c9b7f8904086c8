"""Tools to test with, for tapewire's own tests and for yours: nothing here sleeps, and nothing needs a venue."""

from ..virtual_time import VirtualClock
from .centrifugo import CentrifugoPeer
from .peer import PhoenixPeer
from .protocol import check_protocol
from .transport import check_transport
from .venue import check_venue

__all__ = [
    "CentrifugoPeer",
    "PhoenixPeer",
    "VirtualClock",
    "check_protocol",
    "check_transport",
    "check_venue",
]
