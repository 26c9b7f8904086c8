"""The played exchange and what is known of it: no sockets, no clock, no venue's spelling."""
