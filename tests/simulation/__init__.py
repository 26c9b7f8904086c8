"""A deterministic simulation: random schedules of faults and user calls on virtual time, found again by their seed.

`python -m tests.simulation --help`, or `make simulate`. The rooms: `world.py` (time, trace, complaints), `ledger.py`
(what a venue said, and what a consumer may see of it), `inside.py` (the few looks into the engine), `venues/` (the
peers, one for each wire), `user.py` (who calls the engine), `play.py` (one seed), `__main__.py` (many seeds).
"""
