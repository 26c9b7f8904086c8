"""Credentials out of what is written: each is replaced by a placeholder of the same length, so that sizes stay true.

What is replaced: every living `tapewire.Secret`, in plain text, in JSON and in a URL; and whatever looks like a token,
key, password or signature (`tapewire.secrets`), which is looked for only where it can be: in what we send, in requests
and answers of HTTP, and in what a peer says that names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..payload import Binary
from ..secrets import living_secrets, secret_spans

__all__ = ["FILL", "joined", "masked", "masked_text", "names_a_secret"]

FILL: Final = "x"
"""What a placeholder is made of."""

_NAMES: Final = re.compile(
    rb"(?i)token|secret|passw|passphrase|api[-_]?key|access-|signature|jwt|cookie|authoriz|bearer|eyJ"
)
_HEADERS: Final = re.compile(r"(?i)auth|cookie|token|key|sign|secret|passphrase")


def names_a_secret(joined: bytes) -> bool:
    """True if something in `joined` is or may be a credential: then it is looked at closely."""
    return _NAMES.search(joined) is not None or any(each.encode() in joined for each in living_secrets())


def masked_text(text: str) -> str:
    """`text` with a placeholder for each credential in it, of its own length."""
    spans = sorted(secret_spans(text))
    if not spans:
        return text
    kept, end = [], 0
    for start, stop in spans:
        start = max(start, end)
        if stop > start:
            kept += [text[end:start], _filled(text[start:stop])]
            end = stop
    return "".join([*kept, text[end:]])


def masked(value: Any) -> Any:
    """Any value of a record, with placeholders: text, bytes, lists and mappings of such. Others stay."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, bytes):
        made = masked_text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return Binary(made) if isinstance(value, Binary) else made
    if isinstance(value, Mapping):
        return {
            name: FILL * len(held) if isinstance(held, str) and _HEADERS.search(str(name)) else masked(held)
            for name, held in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    return value


def _filled(secret: str) -> str:
    """A quoted one keeps its quotes: what is JSON stays JSON."""
    quotes = "\"'\\"
    inner = secret.strip(quotes)
    at = secret.find(inner)
    return secret[:at] + FILL * len(inner) + secret[at + len(inner) :]


def joined(payloads: Iterable[str | bytes]) -> bytes:
    """All of them behind each other, to be searched at one go."""
    return b"\n".join(each.encode() if isinstance(each, str) else each for each in payloads)
