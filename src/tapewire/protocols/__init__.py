"""Wire protocols, sans-IO: bytes in, commands and events out. No sockets, clocks or tasks (see `base`)."""
