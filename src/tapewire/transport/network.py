"""What the network did to an attempt, in words: for sockets, tunnels and HTTP alike, whatever library they stand on."""

from __future__ import annotations

import socket
import ssl

from .base import PLAIN_HINT

__all__ = ["network_cause"]


def network_cause(error: BaseException, timeout: float) -> str:
    """What the network or the peer did, in words that show no address beyond the host's and no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None)
        hint = f"; {PLAIN_HINT}" if reason == "WRONG_VERSION_NUMBER" else ""
        return f"TLS failed: {reason or 'the handshake was cut off'}{hint}"
    if isinstance(error, UnicodeError):
        return "its name cannot be resolved: not a host name"
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved: {error.strerror}"
    if isinstance(error, TimeoutError):
        return f"timed out after {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, EOFError)):
        return "the connection was dropped during the handshake"
    if isinstance(error, OSError):
        # asyncio joins the failures of several addresses into one text, of addresses only.
        return error.strerror or str(error)[:200]
    return f"the handshake failed ({type(error).__name__})"
