"""What the played realtime server keeps for replay: so much, so long, and never without a bound."""

from tapewire.protocols.base import StreamPosition
from tapewire.sandbox import Sandbox
from tapewire.sandbox.core.ledger import Entry
from tapewire.sandbox.faces.sxbet.histories import PUBLICATION_OVERHEAD, Histories

BOOK, TRADES, QUIET = "order_book:one", "recent_trades:global", "active_orders:0xquiet"


def publish(histories, channel, count, now=0.0):
    for number in range(count):
        entry = Entry(number + 1, "sxbet", channel, "publication", 0, b"1")
        histories.add(entry, f"id {number}", now)


def kept(histories, channel):
    return len(histories.history_of(channel))


def test_a_channel_that_publishes_no_more_forgets_when_its_window_is_over():
    histories = Histories(window=300)
    publish(histories, BOOK, 3, now=0)
    publish(histories, TRADES, 2, now=200)
    histories.expire(299)
    assert (kept(histories, BOOK), kept(histories, TRADES)) == (3, 2)
    histories.expire(300)
    assert (kept(histories, BOOK), kept(histories, TRADES)) == (0, 2)
    assert histories.history_of(BOOK).offset == 3  # the numbering is never forgotten
    histories.expire(500)
    assert kept(histories, TRADES) == 0


def test_beyond_the_bytes_the_channel_that_holds_the_most_forgets_its_oldest():
    histories = Histories(max_bytes=4 * (1 + PUBLICATION_OVERHEAD))
    publish(histories, BOOK, 2)
    publish(histories, TRADES, 3)
    assert (kept(histories, BOOK), kept(histories, TRADES)) == (2, 2)
    publish(histories, TRADES, 20)
    assert (kept(histories, BOOK), kept(histories, TRADES)) == (2, 2)
    publish(histories, BOOK, 1)
    assert kept(histories, BOOK) + kept(histories, TRADES) == 4
    epoch = histories.history_of(TRADES).epoch
    assert not histories.history_of(TRADES).recover(StreamPosition(20, epoch), 0).recovered
    assert histories.history_of(TRADES).recover(StreamPosition(23, epoch), 0).recovered


async def test_at_the_default_rate_a_quiet_channel_is_recovered_for_as_long_as_the_page_says():
    """Document 002: the recovery window is five minutes, or the cap of the channel alone."""

    class Wall:
        now_ns = 1_800_000_000 * 10**9

        def monotonic(self):
            return self.now_ns / 1e9

        def time_ns(self):
            return self.now_ns

    wall, rate, behind = Wall(), 20, 28
    async with Sandbox(rate=0, venues=["sxbet"], clock=wall) as sandbox:
        histories = sandbox.faces["sxbet"].histories
        publish(histories, QUIET, behind, now=wall.time_ns() / 1e9)
        for _ in range(285 * rate):
            wall.now_ns += 10**9 // rate
            sandbox.step()
        histories.expire(wall.time_ns() / 1e9)
        history = histories.history_of(QUIET)
        assert kept(histories, QUIET) == behind
        recovery = history.recover(StreamPosition(0, history.epoch), wall.time_ns() / 1e9)
        assert (recovery.recovered, len(recovery.publications)) == (True, behind)


def test_what_was_numbered_anew_is_not_forgotten_for_what_was_before():
    histories = Histories(window=300)
    publish(histories, BOOK, 5, now=0)
    histories.restart(BOOK)
    publish(histories, BOOK, 2, now=10)
    histories.expire(300)
    assert kept(histories, BOOK) == 2
    histories.expire(310)
    assert kept(histories, BOOK) == 0
