"""STX, played."""
