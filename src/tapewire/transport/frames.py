"""Cutting WebSocket frames out of a read, for the fast transport. Pure.

Only what needs no thought is cut here: complete, unfragmented, unmasked data frames without a reserved bit, no larger
than allowed, whose text is UTF-8. `cut_frames` stops before anything else; `measure` then says how long that frame
is, so that exactly it can be handed to the sans-IO core of `websockets`, which judges it. RFC 6455 section 5.2.
"""

from __future__ import annotations

import struct

from ..payload import Binary, Payload

__all__ = ["cut_frames", "measure"]

_unpack_head = struct.Struct("!HH").unpack_from
_unpack_long = struct.Struct("!Q").unpack_from

_OPCODES = frozenset((0x0, 0x1, 0x2, 0x8, 0x9, 0xA))
_TEXT_16, _BINARY_16 = 0x817E, 0x827E  # whole, unmasked, the length in the next 16 bits
_TEXT, _BINARY = 0x8100, 0x8200


def cut_frames(data: bytes, position: int, end: int, max_size: int, payloads: list[Payload]) -> int:
    """Append the payloads of the frames in `data[position:end]`, in order; return where the first uncut one begins.

    `data` must have two bytes more than `end`, of any value: a header is read in one step. Raises UnicodeDecodeError
    for text that is not UTF-8; `payloads` then holds what came before it, and the connection must be failed (1007).
    """
    append = payloads.append
    while end - position >= 2:
        head, length = _unpack_head(data, position)
        if head == _TEXT_16 or head == _BINARY_16:  # noqa: SIM109 - a tuple costs more here
            start = position + 4
        else:
            kind = head & 0xFF80
            if kind != _TEXT and kind != _BINARY:
                break
            length = head & 0x7F
            start = position + 2
            if length == 127:
                if end - position < 10:
                    break
                (length,) = _unpack_long(data, start)
                start += 8
        stop = start + length
        # Where the header itself is not complete yet, so is the frame: whatever length was read, stop > end.
        if stop > end or length > max_size:
            break
        payload = data[start:stop]
        if head < _BINARY:
            if not payload.isascii():
                payload.decode()
            append(payload)
        else:
            append(Binary(payload))
        position = stop
    return position


def measure(data: bytes, position: int, end: int) -> tuple[int, int, bool] | None:
    """Header size and payload length of the frame that begins at `position`, and whether it is a plain data frame.

    None while the header is not complete. Of a masked frame or one without a meaning the two bytes that say so are
    all: the core needs no more of it, and does not wait for its length to complain.
    """
    if end - position < 2:
        return None
    first, second = data[position], data[position + 1]
    if second & 0x80 or first & 0x0F not in _OPCODES:
        return 2, 0, False
    plain = first in (0x81, 0x82)
    size = 2
    length = second & 0x7F
    if length == 126:
        size += 2
        if end - position < 4:
            return None
        length = int.from_bytes(data[position + 2 : position + 4], "big")
    elif length == 127:
        size += 8
        if end - position < 10:
            return None
        length = int.from_bytes(data[position + 2 : position + 10], "big")
    return size, length, plain
