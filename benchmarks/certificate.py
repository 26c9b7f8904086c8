"""A certificate for `localhost`, for the column with TLS: made for one run, and trusted by its clients alone."""

from __future__ import annotations

from pathlib import Path

import trustme

__all__ = ["make_certificate"]


def make_certificate(folder: Path) -> Path:
    """A file with its key, itself, and the authority to be trusted."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    path = folder / "localhost.pem"
    path.write_bytes(issued.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())
    path.chmod(0o600)
    return path
