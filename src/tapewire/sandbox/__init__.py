"""A venue on your own machine, with faults that can be ordered by name: see `Sandbox` and `faults.FAULTS`."""

from .core.faults import FAULTS, Injected
from .core.ledger import Entry, Ledger, digest_of
from .net.server import Sandbox, run_sandbox

__all__ = ["FAULTS", "Entry", "Injected", "Ledger", "Sandbox", "digest_of", "run_sandbox"]
