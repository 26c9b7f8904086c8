from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.sandbox.core.ledger import ENTRY_OVERHEAD, Ledger, digest_of

payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_each_topic_counts_from_one():
    ledger = Ledger()
    made = [ledger.append("v", topic, "e", {"n": n}, n) for n, topic in enumerate("abab")]
    assert [(entry.topic, entry.sequence) for entry in made] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [entry.payload for entry in ledger.since("a", 1)] == [{"n": 2}]
    assert ledger.last_sequence("b") == 2
    assert ledger.last_sequence("nothing") == 0


@given(payloads)
def test_an_entry_says_what_was_published_then(payload):
    """What is read from an entry equals what was appended, and so do the digests."""
    entry = Ledger().append("v", "t", "e", payload, 1)
    assert entry.payload == payload
    assert entry.digest == digest_of(payload)


def test_an_entry_does_not_change_with_the_object_it_was_made_of():
    payload = {"levels": [1]}
    entry = Ledger().append("v", "t", "e", payload, 1)
    payload["levels"].append(2)
    assert entry.payload == {"levels": [1]}


def test_a_digest_does_not_care_for_the_order_of_keys():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])


def sized(count, body=b"0"):
    """Room for so many entries of one digit."""
    return count * (len(body) + ENTRY_OVERHEAD)


def test_beyond_its_bytes_the_oldest_entries_of_all_topics_are_forgotten_and_counted():
    ledger = Ledger(max_bytes=sized(3))
    for n, topic in enumerate("tutut"):
        ledger.append("v", topic, "e", n, n)
    assert [entry.payload for entry in ledger.since("t")] == [2, 4]
    assert [entry.payload for entry in ledger.since("u")] == [3]
    assert (ledger.evicted, ledger.size, len(list(ledger))) == (2, sized(3), 3)
    assert ledger.last_sequence("t") == 3


def test_an_entry_larger_than_all_the_room_is_kept_until_the_next():
    ledger = Ledger(max_bytes=1)
    ledger.append("v", "t", "e", "large", 0)
    assert [entry.payload for entry in ledger.since("t")] == ["large"]
    ledger.append("v", "u", "e", "next", 0)
    assert ledger.since("t") == []


def test_who_asks_for_what_is_forgotten_is_told_so():
    ledger = Ledger(max_bytes=sized(2))
    for n in range(5):
        ledger.append("v", "t", "e", n, n)
    assert ledger.forgotten("t") == 3
    assert [entry.payload for entry in ledger.since("t", 3)] == [3, 4]
    assert ledger.since("t", 5) == []
    with pytest.raises(ConfigurationError, match="3 to 5; older entries of 't' are forgotten"):
        ledger.since("t", 2)
    with pytest.raises(ConfigurationError, match="3 to 5"):
        ledger.since("t", 6)
    assert (ledger.forgotten("nothing"), ledger.since("nothing", 0)) == (0, [])


def test_of_too_many_topics_the_one_longest_unpublished_is_forgotten():
    ledger = Ledger(topics=2)
    for n, topic in enumerate("ttuw"):
        ledger.append("v", topic, "e", n, n)
    assert [topic for _, topic, _ in ledger.topics()] == ["u", "w"]
    assert (ledger.since("t"), ledger.evicted) == ([], 2)
    with pytest.raises(ConfigurationError, match="sequence=2"):
        ledger.since("t", 2)


@given(
    st.lists(st.tuples(st.sampled_from("tuvw"), st.integers(0, 400)), max_size=60),
    st.integers(1, 3000),
    st.integers(1, 4),
)
def test_what_is_kept_is_the_end_of_every_topic_within_the_bounds(appended, max_bytes, topics):
    """Sizes and topics stay within their bounds, and each topic keeps an unbroken end of what was entered."""
    ledger = Ledger(max_bytes, topics)
    for topic, length in appended:
        ledger.append("v", topic, "e", "x" * length, 0)
        kept = list(ledger)
        assert ledger.size == sum(len(entry.body) + ENTRY_OVERHEAD for entry in kept)
        assert ledger.size <= max_bytes or len(kept) == 1
        assert len(ledger.topics()) <= topics
        assert ledger.evicted + len(kept) == ledger.published
        for _, name, last in ledger.topics():
            forgotten = ledger.forgotten(name)
            sequences = [entry.sequence for entry in ledger.since(name, forgotten)]
            assert sequences == list(range(forgotten + 1, last + 1))


def test_two_venues_may_have_a_topic_of_one_name():
    ledger = Ledger()
    ledger.append("one", "markets", "e", 1, 1)
    ledger.append("two", "markets", "e", 2, 1)
    assert [entry.payload for entry in ledger.since("markets", venue="two")] == [2]
    with pytest.raises(ConfigurationError, match="one, two"):
        ledger.since("markets")


def test_an_exact_number_says_what_the_same_number_does():
    """A client that reads numbers exactly received what was published."""
    assert digest_of({"amount": Decimal("0.25")}) == digest_of({"amount": 0.25})
    assert digest_of({"amount": Decimal("0.25")}) != digest_of({"amount": "0.25"})
