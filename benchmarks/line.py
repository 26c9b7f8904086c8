"""Where a contender connects to, and how: the part of a client's process that differs between a run's columns."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Line"]


@dataclass(frozen=True)
class Line:
    """`certificate`: a file with the server's, where it speaks TLS. `deflate`: offer permessage-deflate."""

    port: int
    certificate: str = ""
    deflate: bool = False

    @property
    def ws(self) -> str:
        """The sockets' origin."""
        return f"wss://localhost:{self.port}" if self.certificate else f"ws://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        """The same for HTTP."""
        return self.ws.replace("ws", "http", 1)

    @cached_property
    def trust(self) -> ssl.SSLContext | None:
        """What trusts the server; None without TLS."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None

    @property
    def compression(self) -> str | None:
        """As the `websockets` library has it."""
        return "deflate" if self.deflate else None
