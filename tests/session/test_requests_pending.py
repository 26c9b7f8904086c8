import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import Command
from tapewire.session.requests import MAX_PENDING, PendingRequest, PendingRequests


def pending(ref: str, topic: str = "t") -> PendingRequest:
    return PendingRequest(ref, Command(topic, "buy"), waiter=object(), seconds=10.0)


def test_a_reply_ends_its_request_and_a_second_one_finds_nobody():
    requests = PendingRequests()
    request = pending("1")
    requests.add(request)
    assert len(requests) == 1
    assert requests.take("1") is request
    assert requests.take("1") is None
    assert len(requests) == 0


def test_a_reply_that_nobody_awaits_is_nobodys():
    assert PendingRequests().take("99") is None


def test_the_end_of_a_topic_ends_its_requests_and_no_others():
    requests = PendingRequests()
    for ref, topic in (("1", "a"), ("2", "b"), ("3", "a")):
        requests.add(pending(ref, topic))
    assert [request.ref for request in requests.take_topic("a")] == ["1", "3"]
    assert requests.take_topic("a") == []
    assert requests.take("1") is None
    assert requests.take("2") is not None


def test_the_loss_of_the_connection_ends_all_in_the_order_they_were_made():
    requests = PendingRequests()
    for ref in "312":
        requests.add(pending(ref))
    assert [request.ref for request in requests.take_all()] == ["3", "1", "2"]
    assert requests.take_all() == []
    assert len(requests) == 0


def test_the_number_of_pending_requests_is_bounded_and_the_error_says_by_what():
    requests = PendingRequests(capacity=2)
    requests.add(pending("1"))
    requests.add(pending("2"))
    with pytest.raises(ConfigurationError, match="at most 2 at a time") as caught:
        requests.add(pending("3"))
    assert caught.value.argument == "pending requests"
    assert requests.take("3") is None
    requests.take("1")
    requests.add(pending("3"))
    assert MAX_PENDING == 10_000


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "take", "topic", "all"]), st.integers(0, 9), st.sampled_from("ab"))
    )
)
def test_a_request_ends_exactly_once_whatever_ends_it(steps):
    """What is handed out was added, is handed out once, and together with what is pending is all that was added."""
    requests, added, ended = PendingRequests(), [], []
    for serial, (what, number, topic) in enumerate(steps):
        if what == "add":
            request = pending(str(serial), topic)
            added.append(request)
            requests.add(request)
        elif what == "take":
            found = requests.take(str(number))
            ended += [found] if found else []
        elif what == "topic":
            ended += requests.take_topic(topic)
        else:
            ended += requests.take_all()
    ended += requests.take_all()
    assert sorted(map(id, ended)) == sorted(map(id, added))


def test_a_request_that_is_over_takes_nothing_from_another_that_has_its_number_now():
    requests = PendingRequests()
    over, other = pending("1"), pending("1")
    requests.add(over)
    requests.take_all()
    requests.add(other)
    assert not requests.discard(over)
    assert len(requests) == 1
    assert requests.discard(other)
    assert len(requests) == 0
