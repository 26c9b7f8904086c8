"""A venue on your own machine, with faults that can be ordered by name: see `Sandbox` and `faults.FAULTS`.

What a venue of your own needs to be played here is public too: docs/new-venue.md.
"""

from .core.events import BalanceChanged, BookChanged, Event, OrderChanged, Traded
from .core.exchange import Exchange
from .core.faults import FAULTS, Injected
from .core.flow import Flow, FlowSettings
from .core.ledger import Entry, Ledger, digest_of
from .face import FaceContext, Socket, SocketHandler
from .net.http import Request, Response
from .net.server import Sandbox, run_sandbox
from .play import JoinGate, TopicFace, TopicListener, Topics

__all__ = [
    "FAULTS",
    "BalanceChanged",
    "BookChanged",
    "Entry",
    "Event",
    "Exchange",
    "FaceContext",
    "Flow",
    "FlowSettings",
    "Injected",
    "JoinGate",
    "Ledger",
    "OrderChanged",
    "Request",
    "Response",
    "Sandbox",
    "Socket",
    "SocketHandler",
    "TopicFace",
    "TopicListener",
    "Topics",
    "Traded",
    "digest_of",
    "run_sandbox",
]
