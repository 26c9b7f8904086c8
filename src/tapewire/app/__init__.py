"""Wiring: what joins venues, sandbox and people's programs. Rules live below, views above."""
