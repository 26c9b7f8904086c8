import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.sandbox.ledger import Ledger, digest_of

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


def test_what_is_evicted_is_counted():
    ledger = Ledger(capacity=2, topics=2)
    for n in range(5):
        ledger.append("v", "t", "e", n, n)
    assert ([entry.payload for entry in ledger.since("t")], ledger.evicted) == ([3, 4], 3)
    ledger.append("v", "u", "e", 0, 9)
    ledger.append("v", "w", "e", 0, 9)
    assert (ledger.since("t"), ledger.evicted) == ([], 5)


def test_two_venues_may_have_a_topic_of_one_name():
    ledger = Ledger()
    ledger.append("one", "markets", "e", 1, 1)
    ledger.append("two", "markets", "e", 2, 1)
    assert [entry.payload for entry in ledger.since("markets", venue="two")] == [2]
    with pytest.raises(ConfigurationError, match="one, two"):
        ledger.since("markets")
