"""The invariant: whoever begins in the midst is told that each channel stands where it stood then."""

from __future__ import annotations

import msgspec

from tapewire.venues.sxbet.seeds import Seeding

ASKED = b'{"id":2,"subscribe":{"channel":"book","positioned":true,"recoverable":true}}'
PAGE = b'{"id":3,"history":{"channel":"book","limit":200,"since":{"offset":8,"epoch":"e"}}}'
REPLY = b'{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":40,"positioned":true}}'
PAGED = b'{"id":3,"history":{"publications":[{"data":{},"offset":40}],"epoch":"e","offset":40}}'


def told(offset: int, channel: str = "book") -> bytes:
    return b'{"push":{"channel":"%s","pub":{"data":{},"offset":%d}}}' % (channel.encode(), offset)


def test_of_a_message_each_publication_goes_to_its_channel_and_the_rest_is_said_again() -> None:
    message = b"\n".join([told(41), REPLY, told(7, "trades"), b"{}"])
    again, published = Seeding().split(message)
    assert again == REPLY + b"\n{}"
    assert published == [("book", told(41)), ("trades", told(7, "trades"))]
    assert Seeding().split(told(41)) == (None, [("book", told(41))])


def test_a_subscription_begins_where_its_channel_stood_and_so_does_the_page_before_its_book() -> None:
    said = [(True, ASKED), (False, REPLY), (True, PAGE), (False, PAGED)]
    begun = Seeding().begun(said, {"book": told(100), "trades": told(3, "trades")})
    assert begun is not None
    assert begun[:1] == said[:1]
    assert begun[2] == (True, PAGE.replace(b'"offset":8', b'"offset":68'))
    reply, paged = (msgspec.json.decode(message) for is_ours, message in begun if not is_ours)
    assert reply["subscribe"] == {"recoverable": True, "epoch": "e", "offset": 100, "positioned": True}
    assert paged["history"] == {"epoch": "e", "offset": 100}


def test_what_has_said_nothing_since_stands_where_it_did_and_what_nobody_can_read_stays() -> None:
    said = [(True, ASKED), (False, REPLY), (False, b'{"id":'), (False, b"{}")]
    assert Seeding().begun(said, {"book": b'{"push":{"channel":"book","pub":'}) == said


def test_a_line_that_asked_for_what_it_had_missed_is_none_to_begin_with() -> None:
    again = ASKED.replace(b'"positioned"', b'"recover":true,"epoch":"e","offset":40,"positioned"')
    assert Seeding().begun([(True, again), (False, REPLY)], {}) is None


def test_what_changes_with_the_stream_is_asked_for_at_the_moment_itself() -> None:
    url = "http://127.0.0.1/%s?marketHashes=0x1"
    states = ["orders", "orders/odds/best", "markets/find"]
    assert [name for name in [*states, "markets/active"] if Seeding().is_state(url % name)] == states
