"""Deliberate faults, each of which must be found: what cannot fail proves nothing.

`catalogue.py` lists those that narrow tests find; those that the simulation finds are in `tests.simulation.mutants`.
`make mutants` tries all of both, `make test` a few; `python -m tests.mutants` tries those of the catalogue by name.
"""
