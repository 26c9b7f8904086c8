"""WEEX, played."""
