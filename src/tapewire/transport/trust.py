"""Which certificates are trusted where the caller did not say: one `SSLContext` for the whole process.

Making one reads the system's whole store, which blocks the loop for tens of milliseconds; so it is made once and shared
by all sockets and all HTTP clients, which thereby trust the same. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other
certificates, as they do for everything that is built on OpenSSL: a company's own authority, say.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading

from ..errors import ConfigurationError

__all__ = ["checked_trust", "shared_context"]

_made: dict[tuple[str, str], ssl.SSLContext] = {}
_lock = threading.Lock()


def shared_context() -> ssl.SSLContext:
    """The process's context, for the present SSL_CERT_FILE and SSL_CERT_DIR. Do not change it: it is everybody's."""
    named = (os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))
    with _lock:
        if named not in _made:
            _made[named] = _context(by_environment=any(named))
        return _made[named]


def checked_trust(own: object) -> ssl.SSLContext:
    """`own`, or the process's where that is None. Raises ConfigurationError for what is no context."""
    if own is None:
        return shared_context()
    if not isinstance(own, ssl.SSLContext):
        raise ConfigurationError(
            "ssl", type(own).__name__, "an ssl.SSLContext, or None for the system's trust"
        )
    return own


def _context(*, by_environment: bool) -> ssl.SSLContext:
    if sys.platform in ("win32", "darwin") and not by_environment:
        import httpx2

        return httpx2.create_ssl_context()  # asks the system, where OpenSSL knows few authorities or none
    return ssl.create_default_context()
