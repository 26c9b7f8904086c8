"""Fossil deltas: the bytes of a message from those of the one before it. Pure.

A delta is text: the target's size and a newline, then commands, then a checksum. `N@M,` copies N bytes of the source
from M on, `N:` is followed by N literal bytes, `N;` ends with the checksum N. Numbers are base 64 over `0-9A-Z_a-z~`.
Source: fossil-scm.org, "Fossil Delta Format". Nothing here believes a number of the peer: every size is bounded by
what lies there, and the checksum is always verified.
"""

from __future__ import annotations

import struct

__all__ = ["MAX_TARGET", "FossilError", "apply_delta"]

MAX_TARGET = 16 * 1024 * 1024
"""Bytes that a message made from a delta may have."""

_MAX_DIGITS = 6  # 36 bits: more than any size or checksum needs
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


class FossilError(ValueError):
    """The delta is malformed, or does not belong to this source."""


def apply_delta(source: bytes, delta: bytes, max_size: int = MAX_TARGET) -> bytes:
    """The target that `delta` makes of `source`. Raises FossilError; then only a full message helps."""
    size, at = _number(delta, 0)
    if delta[at : at + 1] != b"\n":
        raise FossilError("the size is not followed by a newline")
    if size > max_size:
        raise FossilError(f"the target would have {size} bytes, more than {max_size}")
    at += 1
    pieces: list[bytes] = []
    total = 0
    while True:
        count, at = _number(delta, at)
        command = delta[at : at + 1]
        at += 1
        if command == b";":
            return _verified(b"".join(pieces), size, count, at == len(delta))
        if command == b"@":
            start, at = _number(delta, at)
            if delta[at : at + 1] != b",":
                raise FossilError("a copy is not followed by a comma")
            at += 1
            piece = source[start : start + count]
        elif command == b":":
            piece = delta[at : at + count]
            at += count
        else:
            raise FossilError("an unknown command" if command else "it ends without a checksum")
        total += count
        if len(piece) != count:
            raise FossilError("it reaches beyond the end of its source")
        if total > size:
            raise FossilError("it makes more than it says")
        pieces.append(piece)


def checksum(data: bytes) -> int:
    """The sum of `data` as big-endian 32-bit words, the last one filled up with zeros; modulo 2**32."""
    padded = data + bytes(-len(data) % 4)
    total: int = sum(struct.unpack(f">{len(padded) // 4}I", padded))
    return total & 0xFFFFFFFF


def _verified(target: bytes, size: int, expected: int, is_last: bool) -> bytes:
    if not is_last:
        raise FossilError("something follows its checksum")
    if len(target) != size:
        raise FossilError(f"it makes {len(target)} bytes where it says {size}")
    if checksum(target) != expected:
        raise FossilError("its checksum does not hold")
    return target


def _number(delta: bytes, at: int) -> tuple[int, int]:
    value, end = 0, at
    while (digit := _VALUES.get(delta[end] if end < len(delta) else -1)) is not None:
        value = value * 64 + digit
        end += 1
        if end - at > _MAX_DIGITS:
            raise FossilError("a number is too long")
    if end == at:
        raise FossilError("a number is missing")
    return value, end
