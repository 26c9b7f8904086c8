"""One connection: many topics in one request, refusals that never reach the sixth, pings under either key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import Command, Confirmed, Payload, Ready, Refused, Undecodable
from tapewire.testing.protocol import check_protocol
from tapewire.venues.weex import V2, V3, WeexProtocol
from tapewire.venues.weex.limits import Operations
from tapewire.venues.weex.protocol import LEAVING_RESERVE, MAX_REFUSALS
from tapewire.venues.weex.wire import Frame

GREETING = '{"cid":"a0180647","event":"connected","time":"1790134567942"}'


class V3Script:
    """The venue's side of one V3 connection, written from the recorded frames."""

    delivers_early = True

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def read(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            frame = json.loads(payload)
            if frame["method"] == "SUBSCRIBE":
                self.ids.update(dict.fromkeys(frame["params"], frame["id"]))

    def greet(self) -> list[Payload]:
        return [GREETING]

    def confirm(self, topic: str) -> list[Payload]:
        return [json.dumps({"result": True, "id": self.ids[topic]})]

    def refuse(self, topic: str) -> list[Payload]:
        return [
            json.dumps(
                {"result": False, "id": self.ids[topic], "msg": f"INVALID_ARGUMENT: invalid event : {topic}"}
            )
        ]

    def publish(self, topic: str, number: int) -> list[Payload]:
        symbol, channel = topic.split("@")
        return [
            json.dumps({"e": channel, "E": 1790134568000 + number, "s": symbol, "d": [{"c": str(number)}]})
        ]

    def number_of(self, publication: Any) -> int | None:
        return int(publication.venue_time_ms) - 1790134568000

    def garbage(self) -> list[Payload]:
        return ['{"e":"trade","E":"soon","s":5}', '{"hello":1}', '{"result":"maybe","id":1}', "hello"]

    def command(self, topic: str) -> Command | None:
        return None

    def answer(self) -> list[Payload]:
        return []


class V2Script(V3Script):
    def read(self, payloads: Sequence[Payload]) -> None:
        pass

    def greet(self) -> list[Payload]:
        return []

    def confirm(self, topic: str) -> list[Payload]:
        return [json.dumps({"event": "subscribed", "channel": topic})]

    def refuse(self, topic: str) -> list[Payload]:
        return [json.dumps({"event": "error", "channel": topic, "msg": "invalid channel"})]

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [json.dumps({"event": "payload", "channel": topic, "data": [{"lastPrice": str(number)}]})]

    def number_of(self, publication: Any) -> int | None:
        return int(json.loads(bytes(publication.rows))[0]["lastPrice"])

    def garbage(self) -> list[Payload]:
        return ['{"event":"payload","channel":"depth.cmt_btcusdt.15","data":[]}', '{"hello":1}']


class V3Duties(V3Script):
    """The duties name their topics `a` and `b`: here those are channels without a symbol."""

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [json.dumps({"e": topic, "E": 1790134568000 + number, "s": "", "d": []})]


def test_the_v3_wire_keeps_every_duty_of_a_protocol() -> None:
    check_protocol(lambda: WeexProtocol(_bare(V3)), V3Duties)


def _bare(profile: Any) -> Any:
    def read(text: bytes) -> Any:
        heard = profile.read(text)
        if isinstance(heard, Frame):
            heard.topic = heard.topic.removeprefix("@")
        return heard

    return msgspec.structs.replace(profile, read=read)


def test_the_v2_wire_keeps_every_duty_of_a_protocol() -> None:
    check_protocol(lambda: WeexProtocol(V2), V2Script)


class Line:
    """A protocol that is ready, and what it sent."""

    def __init__(self, profile: Any = V3) -> None:
        self.protocol = WeexProtocol(profile)
        self.now = 100.0
        assert self.protocol.hello(self.now) == ([] if profile.greets else [Ready()])
        if profile.greets:
            assert self.hear(GREETING) == [Ready()]

    def hear(self, *frames: Any) -> list[Any]:
        return self.protocol.receive(
            [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames], self.now
        )

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.protocol.data_to_send()]

    def ask(self, *topics: str) -> list[dict[str, Any]]:
        for topic in topics:
            self.protocol.subscribe(topic)
        return self.sent()

    def refuse(self, request: dict[str, Any], text: str) -> list[Any]:
        return self.hear({"result": False, "id": request["id"], "msg": f"INVALID_ARGUMENT: {text}"})

    def grant(self, request: dict[str, Any]) -> list[Any]:
        return self.hear({"result": True, "id": request["id"]})


def tickers(count: int) -> list[str]:
    return [f"S{number}USDT@ticker" for number in range(count)]


def test_nothing_is_asked_before_the_greeting() -> None:
    protocol = WeexProtocol()
    protocol.hello(0.0)
    protocol.subscribe("BTCUSDT@ticker")
    assert protocol.data_to_send() == []
    assert protocol.queued("BTCUSDT@ticker")
    assert protocol.receive([GREETING], 0.0) == [Ready()]
    assert len(protocol.data_to_send()) == 1


def test_topics_asked_for_together_go_in_one_request_of_a_hundred_at_most() -> None:
    line = Line()
    requests = line.ask(*tickers(130))
    assert [len(request["params"]) for request in requests] == [100, 30]
    assert line.grant(requests[0]) == [Confirmed(topic) for topic in tickers(100)]


def test_topics_asked_for_one_by_one_wait_for_company_while_two_requests_are_under_way() -> None:
    line = Line()
    requests = [request for topic in tickers(50) for request in line.ask(topic)]
    assert [len(request["params"]) for request in requests] == [1, 1]
    assert line.protocol.queued("S2USDT@ticker")
    line.grant(requests[0])
    (third,) = line.sent()
    assert third["params"] == tickers(50)[2:]


def test_a_snapshot_before_the_answer_is_delivered() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@depth15")
    snapshot = {
        "e": "depthSnapshot",
        "E": 1790134568001,
        "s": "BTCUSDT",
        "U": 1,
        "u": 2,
        "l": 15,
        "d": "SNAPSHOT",
        "b": [],
        "a": [],
    }
    frame, confirmed = line.hear(snapshot, {"result": True, "id": request["id"]})
    assert (frame.topic, frame.is_snapshot, frame.first, frame.last) == ("BTCUSDT@depth15", True, 1, 2)
    assert json.loads(frame.raw) == snapshot
    assert confirmed == Confirmed("BTCUSDT@depth15")


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("NOPEUSDT@ticker", "invalid symbol : nopeusdt"),
        ("NOPEUSDT@ticker", "invalid symbol : cmt_nopeusdt"),
        ("BTCUSDT@depth50", "invalid depth level : 50"),
        ("BTCUSDT@bogus", "invalid event : bogus"),
        ("totally_bogus", "invalid event : totally_bogus"),
        ("BTCUSDT@kline_7m_LAST_PRICE", "invalid event : kline_7m"),
    ],
)
def test_a_refused_topic_is_final_and_the_rest_is_asked_again_once(topic: str, text: str) -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@ticker", topic, "ETHUSDT@trade")
    assert line.refuse(request, text) == [Refused(topic, f"INVALID_ARGUMENT: {text}")]
    (again,) = line.sent()
    assert again["params"] == ["BTCUSDT@ticker", "ETHUSDT@trade"]
    assert len(line.grant(again)) == 2
    assert line.sent() == []


def test_a_refusal_that_names_nobody_is_found_by_splitting() -> None:
    line = Line()
    waiting = line.ask(*tickers(8))
    refused: list[Any] = []
    granted: list[Any] = []
    while waiting:
        request = waiting.pop(0)
        bad = "S5USDT@ticker" in request["params"]
        events = line.refuse(request, "something is wrong") if bad else line.grant(request)
        refused += [event for event in events if isinstance(event, Refused)]
        granted += [event.topic for event in events if isinstance(event, Confirmed)]
        waiting += line.sent()
    assert [(event.topic, event.full) for event in refused] == [("S5USDT@ticker", False)]
    assert sorted(granted) == [topic for topic in tickers(8) if topic != "S5USDT@ticker"]
    assert line.protocol.refusals == 4 <= MAX_REFUSALS


def test_the_sixth_refusal_is_never_risked() -> None:
    line = Line()
    sent = 0
    for topic in tickers(12):
        for request in line.ask(topic):
            sent += 1
            line.refuse(request, f"invalid symbol : {topic.partition('@')[0]}")
            sent += len(line.sent())
    assert sent == line.protocol.refusals == MAX_REFUSALS
    assert line.protocol.next_deadline() == line.now
    elsewhere = line.protocol.handle_timer(line.now)
    assert {event.topic for event in elsewhere} == set(tickers(12)[5:])
    assert all(event.full and event.retryable for event in elsewhere)
    assert line.protocol.next_deadline() is None


def test_requests_under_way_count_as_refusals_that_may_come() -> None:
    line = Line()
    for topic in tickers(4):
        (request,) = line.ask(topic)
        line.refuse(request, f"invalid symbol : {topic.partition('@')[0]}")
    (fifth,) = line.ask("A@ticker")
    assert line.ask("B@ticker") == []
    line.grant(fifth)
    assert [request["params"] for request in line.sent()] == [["B@ticker"]]


def test_a_topic_once_granted_may_be_asked_for_again_after_five_refusals() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@depth15")
    line.grant(request)
    for topic in tickers(5):
        (request,) = line.ask(topic)
        line.refuse(request, f"invalid symbol : {topic.partition('@')[0]}")
    line.protocol.unsubscribe("BTCUSDT@depth15")
    (again,) = line.ask("BTCUSDT@depth15")
    assert (again["method"], again["params"]) == ("SUBSCRIBE", ["BTCUSDT@depth15"])


def test_a_connection_that_is_full_says_so_for_every_topic_asked() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@ticker", "ETHUSDT@ticker")
    events = line.refuse(request, "more than 100 channels")
    assert [(event.topic, event.full) for event in events] == [
        ("BTCUSDT@ticker", True),
        ("ETHUSDT@ticker", True),
    ]


@pytest.mark.parametrize("key", ["event", "type"])
def test_pings_under_either_key_are_answered_at_once(key: str) -> None:
    line = Line()
    assert line.hear({key: "ping", "time": "1790134590000"}) == []
    (pong,) = line.sent()
    assert pong == {"method": "PONG", "id": 1}
    assert line.hear({"result": True, "id": 1}) == []


def test_v2_answers_a_ping_with_its_time() -> None:
    line = Line(V2)
    line.hear({"event": "ping", "time": "1693208170000"})
    assert line.sent() == [{"event": "pong", "time": "1693208170000"}]


def test_v2_asks_for_each_channel_alone() -> None:
    line = Line(V2)
    assert line.ask("ticker.cmt_btcusdt", "depth.cmt_btcusdt.15") == [
        {"event": "subscribe", "channel": "ticker.cmt_btcusdt"},
        {"event": "subscribe", "channel": "depth.cmt_btcusdt.15"},
    ]
    assert line.hear({"event": "subscribed", "channel": "depth.cmt_btcusdt.15"}) == [
        Confirmed("depth.cmt_btcusdt.15")
    ]


def test_v2_depth_has_its_numbers_and_its_levels() -> None:
    line = Line(V2)
    line.ask("depth.cmt_btcusdt.15")
    body = {
        "startVersion": "3644174246", "endVersion": "3644174270", "level": 15, "depthType": "SNAPSHOT",
        "symbol": "cmt_btcusdt", "asks": [{"price": "103436.1", "size": "0.91500"}], "bids": [],
    }  # fmt: skip
    (frame,) = line.hear({"event": "payload", "channel": "depth.cmt_btcusdt.15", "data": [body]})
    assert (frame.symbol, frame.first, frame.last, frame.is_snapshot) == (
        "BTCUSDT",
        3644174246,
        3644174270,
        True,
    )
    assert V2.levels(frame).told == ([], [(Decimal("103436.1"), Decimal("0.91500"))])


def test_leaving_goes_in_one_request_and_is_silent_at_once() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@ticker", "ETHUSDT@ticker", "ADAUSDT@ticker")
    line.grant(request)
    line.protocol.unsubscribe("BTCUSDT@ticker")
    line.protocol.unsubscribe("ETHUSDT@ticker")
    assert line.hear({"e": "ticker", "E": 1790134568001, "s": "BTCUSDT", "d": []}) == []
    (leaving,) = line.sent()
    assert (leaving["method"], leaving["params"]) == ("UNSUBSCRIBE", ["BTCUSDT@ticker", "ETHUSDT@ticker"])


def test_leaving_and_asking_again_before_it_was_written_is_one_subscription() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@depth15")
    line.grant(request)
    line.protocol.unsubscribe("BTCUSDT@depth15")
    assert [request["method"] for request in line.ask("BTCUSDT@depth15")] == ["SUBSCRIBE"]


def test_what_comes_before_the_answer_to_a_leave_belongs_to_what_was_left() -> None:
    line = Line()
    (asked,) = line.ask("BTCUSDT@trade")
    line.hear({"result": True, "id": asked["id"]})
    line.protocol.unsubscribe("BTCUSDT@trade")
    (left,) = line.sent()
    (again,) = line.ask("BTCUSDT@trade")
    trade = {"e": "trade", "E": 1790134568308, "s": "BTCUSDT", "d": []}
    assert line.hear(trade) == []
    items = line.hear({"result": True, "id": left["id"]}, trade, {"result": True, "id": again["id"]})
    assert [type(item) for item in items] == [Frame, Confirmed]


def test_a_leave_that_is_never_answered_silences_a_topic_for_ten_seconds_only() -> None:
    line = Line()
    (asked,) = line.ask("BTCUSDT@trade")
    line.hear({"result": True, "id": asked["id"]})
    line.protocol.unsubscribe("BTCUSDT@trade")
    line.sent()
    (again,) = line.ask("BTCUSDT@trade")
    assert line.hear({"result": True, "id": again["id"]}) == [Confirmed("BTCUSDT@trade")]
    trade = {"e": "trade", "E": 1790134568308, "s": "BTCUSDT", "d": []}
    line.now += 10
    assert [type(item) for item in line.hear(trade)] == [Frame]


def test_a_topic_left_before_it_was_written_is_never_mentioned() -> None:
    protocol = WeexProtocol()
    protocol.hello(0.0)
    protocol.subscribe("BTCUSDT@ticker")
    protocol.unsubscribe("BTCUSDT@ticker")
    protocol.receive([GREETING], 0.0)
    assert protocol.data_to_send() == []


def test_operations_end_and_come_back_within_the_hour() -> None:
    operations = Operations()
    for second in range(240):
        assert operations.left(float(second)) == 240 - second
        operations.take(float(second))
    assert operations.left(3599.0) == 0
    assert operations.left(3600.0) == 1


def test_without_operations_a_topic_goes_elsewhere_and_nothing_is_left_at_the_venue() -> None:
    line = Line()
    (request,) = line.ask("BTCUSDT@ticker")
    line.grant(request)
    while line.protocol.operations.left(line.now) > LEAVING_RESERVE:
        line.protocol.operations.take(line.now)
    line.protocol.unsubscribe("BTCUSDT@ticker")
    assert line.sent() == []
    while line.protocol.operations.left(line.now):
        line.protocol.operations.take(line.now)
    assert line.ask("ETHUSDT@ticker") == []
    (refused,) = line.protocol.handle_timer(line.now)
    assert refused.full
    assert "no operation left" in refused.reason


def test_a_request_that_is_never_answered_holds_up_others_for_ten_seconds_only() -> None:
    line = Line()
    line.ask("A@ticker")
    line.ask("B@ticker")
    assert line.ask("C@ticker") == []
    line.hear({"event": "ping", "time": "1"})
    line.now += 11
    line.hear({"event": "ping", "time": "2"})
    assert [request.get("params") for request in line.sent()][-1] == ["C@ticker"]


@pytest.mark.parametrize("name", ["order", "orders"])
def test_private_frames_route_by_their_channel_in_either_number(name: str) -> None:
    line = Line()
    line.ask("orders")
    (frame,) = line.hear(
        {"e": name, "E": 1790134568005, "v": 46654, "msgEvent": "OrderUpdate", "d": [{"id": "1"}]}
    )
    assert (frame.topic, frame.version, frame.reason) == ("orders", 46654, "OrderUpdate")


def test_a_broken_frame_names_its_topic_where_it_can_be_seen() -> None:
    line = Line()
    line.ask("BTCUSDT@depth15", "BTCUSDT@ticker")
    (broken,) = line.hear(
        '{"e":"depth","E":1790134568001,"s":"BTCUSDT","U":1,"u":2,"l":15,"d":"CHANGED","b":[["1","2"'
    )
    assert isinstance(broken, Undecodable)
    assert broken.topic == "BTCUSDT@depth15"
    (broken,) = line.hear('{"e":"dep')
    assert broken.topic is None


def test_a_kline_routes_by_interval_and_price() -> None:
    line = Line()
    line.ask("ETHUSDT@kline_1h_LAST_PRICE")
    row = {
        "t": 1,
        "T": 2,
        "s": "ETHUSDT",
        "i": "1h",
        "o": "1",
        "c": "1",
        "h": "1",
        "l": "1",
        "v": "1",
        "n": 1,
    }
    (frame,) = line.hear(
        {"e": "klineSnapshot", "E": 1790134568003, "s": "ETHUSDT", "p": "LAST_PRICE", "d": [row]}
    )
    assert frame.topic == "ETHUSDT@kline_1h_LAST_PRICE"


def test_there_are_no_commands() -> None:
    with pytest.raises(ConfigurationError, match="orders go over HTTP"):
        WeexProtocol().send(Command("BTCUSDT@ticker", "anything"))


def test_1007_is_no_reason_to_stay_away() -> None:
    failed = WeexProtocol().closed(1007, "Unrecognized message sent multiple times")
    assert (failed.code, failed.terminal) == (1007, False)


def test_what_waits_for_answers_has_a_deadline_and_then_goes_out() -> None:
    line = Line()
    line.ask("A@ticker")
    line.ask("B@ticker")
    assert line.ask("C@ticker") == []
    line.now += 3
    assert line.protocol.handle_timer(line.now) == []
    deadline = line.protocol.next_deadline()
    assert deadline == line.now + 10
    assert line.protocol.handle_timer(deadline) == []
    assert [request["params"] for request in line.sent()] == [["C@ticker"]]
    assert line.protocol.next_deadline() is None


def test_a_connection_that_answers_nothing_sends_topics_elsewhere_and_holds_none_for_ever() -> None:
    line = Line()
    for topic in tickers(MAX_REFUSALS):
        assert len(line.ask(topic)) == 1
        line.protocol.handle_timer(line.now)
        line.now += 10
        line.protocol.handle_timer(line.now)
    assert line.ask("A@ticker") == []
    (refused,) = line.protocol.handle_timer(line.now)
    assert (refused.topic, refused.full) == ("A@ticker", True)
    assert "5 not answered" in refused.reason


# One wire, one strictness: each number may be a number or its digits, and nothing else.

_AT = 1790134568308
_DEPTH = {
    "e": "depth",
    "E": _AT,
    "s": "BTCUSDT",
    "U": 7,
    "u": 9,
    "l": 15,
    "d": "CHANGED",
    "b": [["1.5", "2"]],
    "a": [],
}


@pytest.mark.parametrize("name", ["E", "U", "u", "l"])
def test_a_number_of_a_frame_may_be_written_as_its_digits(name: str) -> None:
    line = Line()
    line.ask("BTCUSDT@depth15")
    (frame,) = line.hear({**_DEPTH, name: str(_DEPTH[name])})
    assert (frame.topic, frame.venue_time_ms, frame.first, frame.last) == ("BTCUSDT@depth15", _AT, 7, 9)


@pytest.mark.parametrize("name", ["E", "U", "u", "l"])
@pytest.mark.parametrize("value", ["1_000", " 7", "\u0667", 7.5, True, "7.0", "-7", [], "x"], ids=repr)
def test_a_number_of_a_frame_is_taken_in_no_other_form(name: str, value: Any) -> None:
    line = Line()
    line.ask("BTCUSDT@depth15")
    (broken,) = line.hear({**_DEPTH, name: value})
    assert isinstance(broken, Undecodable)


@pytest.mark.parametrize("moment", [1764162000, "1764162000", 0, 1764162000_000_000])
def test_a_frame_s_time_that_is_not_in_milliseconds_is_not_read_as_1970(moment: Any) -> None:
    line = Line()
    line.ask("BTCUSDT@ticker")
    (broken,) = line.hear({"e": "ticker", "E": moment, "s": "BTCUSDT", "d": []})
    assert isinstance(broken, Undecodable)
    assert broken.topic == "BTCUSDT@ticker"


@pytest.mark.parametrize("value", ["1_0", " 1", "\u0661", "1.0"])
def test_versions_and_ids_are_digits_and_no_other_form_of_a_number(value: str) -> None:
    line = Line()
    (request,) = line.ask("orders")
    (broken,) = line.hear({"e": "orders", "E": _AT, "v": value, "d": []})
    assert isinstance(broken, Undecodable)
    (broken,) = line.hear({"result": True, "id": value})
    assert isinstance(broken, Undecodable)
    assert line.hear({"result": "true", "id": str(request["id"])}) == [Confirmed("orders")]


@pytest.mark.parametrize("profile", [V3, V2], ids=["v3", "v2"])
@pytest.mark.parametrize(
    ("value", "read"), [("1.50", "1.50"), (1.5, "1.5"), (3, "3"), ("1e2", "1e2"), ("1_000", None), (" 1 ", None),
                        ("\u0663", None), ("NaN", None), ("", None), (None, None), (True, None)]
)  # fmt: skip
def test_a_level_is_an_exact_number_in_a_stated_form_on_either_wire(
    profile: Any, value: Any, read: str | None
) -> None:
    rows = [[value, "2"]] if profile is V3 else [{"price": value, "size": "2"}]
    frame = Frame(
        "", "depth", "", False, _AT, b"", bids=msgspec.Raw(json.dumps(rows).encode()), asks=msgspec.Raw(b"[]")
    )
    if read is None:
        with pytest.raises(ValueError, match=r".+"):
            profile.levels(frame)
    else:
        assert profile.levels(frame).widened().told == ([(Decimal(read), Decimal(2))], [])
