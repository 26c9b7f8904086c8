import itertools

from hypothesis import given
from hypothesis import strategies as st

from tapewire.sandbox.net.http import (
    MAX_BODY,
    HttpLane,
    Request,
    Response,
    is_loopback_host,
    is_loopback_origin,
)

GOOD = b"POST /a?x=1&x=2&y= HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nX-Name: v\r\n\r\nabc"


pieces = st.binary(min_size=1, max_size=60) | st.sampled_from(
    (GOOD, GOOD[:20], b"\r\n", b"GET / HTTP/1.1\r\n")
)


@given(st.lists(pieces, max_size=8))
def test_no_bytes_make_the_lane_raise(chunks):
    """next_request gives a Request, a Response or None, whatever was fed."""
    lane = HttpLane()
    for chunk in chunks:
        lane.feed(chunk)
        found = lane.next_request()
        assert found is None or isinstance(found, Request | Response)
        if found is not None:
            lane.encode(found if isinstance(found, Response) else Response.of({}), 0)
        if isinstance(found, Response):
            return


@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=6))
def test_a_request_is_the_same_however_it_is_cut(cuts):
    """Feeding in pieces gives the request that feeding at once gives."""
    lane, edges = HttpLane(), sorted({0, len(GOOD), *cuts})
    found = []
    for start, end in itertools.pairwise(edges):
        lane.feed(GOOD[start:end])
        found.append(lane.next_request())
    request = found[-1]
    assert found[:-1] == [None] * (len(found) - 1)
    assert (request.method, request.path, request.query) == ("POST", "/a", {"x": "2", "y": ""})
    assert (request.headers["x-name"], request.body) == ("v", b"abc")


def test_the_repr_of_a_request_shows_no_query_and_no_header():
    lane = HttpLane()
    lane.feed(b"GET /socket?token=hush HTTP/1.1\r\nHost: localhost\r\nAuthorization: hush\r\n\r\n")
    assert repr(lane.next_request()) == "Request(GET /socket)"


def test_a_body_that_is_too_large_is_refused_before_its_end():
    lane = HttpLane()
    lane.feed(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n" + b"x" * (MAX_BODY + 1))
    assert lane.next_request().status == 413


def test_a_bad_request_does_not_wait_for_more():
    lane = HttpLane()
    lane.feed(b"nonsense\r\n\r\n")
    assert lane.next_request().status == 400


def test_a_response_tells_the_time_of_the_venue():
    lane = HttpLane()
    lane.feed(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    lane.next_request()
    data, reusable = lane.encode(Response.of({}), 784_111_777 * 10**9)
    assert b"\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in data
    assert reusable


def test_head_is_answered_with_the_length_of_a_body_that_is_not_sent():
    lane = HttpLane()
    lane.feed(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    lane.next_request()
    data, reusable = lane.encode(Response(body=b"12345"), 0)
    assert b"content-length: 5\r\n" in data
    assert data.endswith(b"\r\n\r\n")
    assert reusable
    lane.next_request()
    assert lane.encode(Response(body=b"12345"), 0)[0].endswith(b"\r\n\r\n12345")


def test_only_names_of_this_machine_are_loopback():
    good = ("localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:9")
    bad = (
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "evil.example:80",
        "localhost:999999",
    )
    assert [host for host in good + bad if is_loopback_host(host)] == list(good)
    assert is_loopback_origin("https://localhost:3000")
    assert not is_loopback_origin("null")
    assert not is_loopback_origin("file://localhost")
