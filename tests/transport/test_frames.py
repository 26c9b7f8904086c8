import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tapewire.protocols.base import Binary
from tapewire.transport.frames import cut_frames, measure

PADDING = b"\x81\x00"  # what might stand behind the end of a read: it must not be taken for a frame


def cut(data: bytes, max_size: int = 1 << 20) -> tuple[list[str | bytes], int]:
    payloads: list[str | bytes] = []
    return payloads, cut_frames(data + PADDING, 0, len(data), max_size, payloads)


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, **bits: bool) -> bytes:
    return Frame(opcode, payload, **bits).serialize(mask=False)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70000])))
)
def test_plain_frames_of_every_length_are_cut(kinds: list[tuple[bool, int]]) -> None:
    """Whole plain frames come out whole, in order and of their own kind, and nothing is left."""
    messages = [Binary(b"\xff" * size) if binary else b"x" * size for binary, size in kinds]
    data = b"".join(frame(m, Opcode.BINARY if isinstance(m, Binary) else Opcode.TEXT) for m in messages)
    payloads, stopped = cut(data)
    assert payloads == messages
    assert [type(payload) for payload in payloads] == [type(message) for message in messages]
    assert stopped == len(data)


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 65536])
def test_a_frame_is_cut_only_when_its_last_byte_is_there(size: int) -> None:
    whole, first = frame(b"x" * size), frame(b"before")
    for missing in {*range(1, min(len(whole), 20)), len(whole) - 1}:
        payloads, stopped = cut(first + whole[:-missing])
        assert (payloads, stopped) == ([b"before"], len(first))


@pytest.mark.parametrize(
    "other",
    [
        frame(b"", Opcode.PING),
        frame(b"", Opcode.PONG),
        frame(b"\x03\xe8", Opcode.CLOSE),
        frame(b"x", fin=False),
        frame(b"x", Opcode.CONT),
        b"\xc1\x01x",
        b"\xa1\x01x",
        b"\x91\x01x",
        b"\x83\x01x",
        Frame(Opcode.TEXT, b"masked").serialize(mask=True),
        frame(b"x" * 101),
    ],
    ids=[
        "ping",
        "pong",
        "close",
        "fragment",
        "continuation",
        "rsv1",
        "rsv2",
        "rsv3",
        "opcode",
        "masked",
        "large",
    ],
)
def test_every_other_frame_is_left_for_the_core(other: bytes) -> None:
    payloads, stopped = cut(frame(b"before") + other + frame(b"after"), max_size=100)
    assert (payloads, stopped) == ([b"before"], 8)
    measured = measure(other, 0, len(other))
    assert measured is not None
    fatal_at_once = other[0] & 0x0F == 3 or other[1] & 0x80
    assert sum(measured[:2]) == (2 if fatal_at_once else len(other))
    assert measured[2] == (len(other) > 100)


def test_bad_text_is_an_error_and_what_came_before_it_is_kept() -> None:
    payloads: list[str | bytes] = []
    data = frame(b"before") + frame("ü".encode()) + frame(b"\xff") + PADDING
    with pytest.raises(UnicodeDecodeError):
        cut_frames(data, 0, len(data) - 2, 100, payloads)
    assert payloads == [b"before", "ü".encode()]


def test_a_length_of_64_bits_is_never_waited_for() -> None:
    header = b"\x81\x7f" + b"\xff" * 8
    assert cut(header + b"x" * 50) == ([], 0)
    assert measure(header, 0, len(header)) == (10, 2**64 - 1, True)


@given(st.binary(max_size=14))
def test_measure_waits_for_the_whole_header(data: bytes) -> None:
    """A header is measured as soon as its length is complete, and never from what is not there."""
    measured = measure(data + b"\x7f" * 14, 0, len(data))
    complete = len(data) >= 2 and len(data) >= 2 + {126: 2, 127: 8}.get(data[1], 0)
    if len(data) >= 2 and (data[1] >= 0x80 or data[0] & 0x0F not in (0, 1, 2, 8, 9, 10)):
        complete = True
    assert (measured is not None) == complete
