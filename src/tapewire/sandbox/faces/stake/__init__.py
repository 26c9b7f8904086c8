"""Stake, played."""
