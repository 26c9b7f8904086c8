"""What the played realtime server keeps for replay: so much, so long, and never without a bound."""

from tapewire.protocols.base import StreamPosition
from tapewire.sandbox.faces.sxbet_channels import PUBLICATION_OVERHEAD, Channels
from tapewire.sandbox.ledger import Entry

BOOK, TRADES = "order_book:one", "recent_trades:global"


def publish(channels, channel, count, now=0.0):
    for number in range(count):
        entry = Entry(number + 1, "sxbet", channel, "publication", 0, b"1")
        channels.publish(entry, f"id {number}", now)


def kept(channels, channel):
    return len(channels.history_of(channel))


def test_a_channel_that_publishes_no_more_forgets_when_its_window_is_over():
    channels = Channels(window=300)
    publish(channels, BOOK, 3, now=0)
    publish(channels, TRADES, 2, now=200)
    channels.expire(299)
    assert (kept(channels, BOOK), kept(channels, TRADES)) == (3, 2)
    channels.expire(300)
    assert (kept(channels, BOOK), kept(channels, TRADES)) == (0, 2)
    assert channels.history_of(BOOK).offset == 3  # the numbering is never forgotten
    channels.expire(500)
    assert kept(channels, TRADES) == 0


def test_beyond_the_bytes_the_oldest_publications_of_all_channels_are_forgotten():
    channels = Channels(max_bytes=4 * (1 + PUBLICATION_OVERHEAD))
    publish(channels, BOOK, 2)
    publish(channels, TRADES, 3)
    assert (kept(channels, BOOK), kept(channels, TRADES)) == (1, 3)
    publish(channels, TRADES, 2)
    assert (kept(channels, BOOK), kept(channels, TRADES)) == (0, 4)
    epoch = channels.history_of(BOOK).epoch
    assert not channels.history_of(BOOK).recover(StreamPosition(1, epoch), 0).recovered
    assert channels.history_of(BOOK).recover(StreamPosition(2, epoch), 0).recovered


def test_what_was_numbered_anew_is_not_forgotten_for_what_was_before():
    channels = Channels(window=300)
    publish(channels, BOOK, 5, now=0)
    channels.restart(BOOK)
    publish(channels, BOOK, 2, now=10)
    channels.expire(300)
    assert kept(channels, BOOK) == 2
    channels.expire(310)
    assert kept(channels, BOOK) == 0
