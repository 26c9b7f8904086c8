"""SX Bet, played."""
