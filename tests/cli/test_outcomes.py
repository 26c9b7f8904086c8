import pytest

from tapewire.cli.outcomes import REACHED, lifted, ordered, standing
from tapewire.sandbox.core.faults import FAULTS, Faults
from tests.sandbox.test_faults import EXAMPLES

STATE = {
    "connections": [{"connection": 1, "venue": None}, {"connection": 3, "venue": "one"}],
    "venues": {"one": {"joined": ["news", "orders:you"]}, "two": {"joined": []}},
}
EMPTY = {"connections": [{"connection": 1, "venue": None}], "venues": {"one": {"joined": []}}}


def done(name, reached, **params):
    given = {key: parameter.default for key, parameter in FAULTS[name].parameters.items()} | params
    return {
        "name": name,
        "params": given,
        "reached": reached,
        "times_left": None,
        "until_ns": None,
        "at_ns": 0,
    }


def test_every_fault_that_happens_at_once_has_its_sentence():
    assert set(REACHED) == {name for name, fault in FAULTS.items() if not fault.standing}


@pytest.mark.parametrize("name", sorted(REACHED))
@pytest.mark.parametrize("reached", [0, 1, 2])
def test_what_a_fault_did_is_one_sentence_without_a_hole(name, reached):
    told = ordered(done(name, reached, **EXAMPLES.get(name, {})), STATE)
    assert told.startswith(f"{name}: ")
    assert "{" not in told
    assert "None" not in told
    assert ("nothing happened" in told) is (reached == 0)


def test_how_many_it_hit_is_counted():
    assert ordered(done("abort", 3), {}) == "abort: 3 connections were reset"
    assert ordered(done("abort", 1), {}) == "abort: 1 connection was reset"
    assert ordered(done("prune_history", 2), {}) == "prune_history: 2 histories were pruned"
    assert "lost for 2 s" in ordered(done("mute", 1, seconds=2.0), {})
    assert "until it is lifted (tapewire fault --lift mute)" in ordered(done("mute", 1), {})


@pytest.mark.parametrize(
    ("fault", "params", "state", "why"),
    [
        ("abort", {}, EMPTY, "no socket is open"),
        ("abort", {"venue": "two"}, STATE, "no socket is open at two"),
        ("abort", {"connection": 9}, STATE, "connection 9 is no open socket"),
        (
            "crash_channel",
            {"topic": "x"},
            STATE,
            "nobody has joined 'x'; joined topics are: news, orders:you",
        ),
        ("crash_channel", {"topic": "x"}, EMPTY, "nobody has joined 'x'; nothing is joined now"),
        ("new_epoch", {}, EMPTY, "nothing is joined"),
        ("prune_history", {"topic": "x"}, STATE, "there is no history of 'x'"),
        ("expire_tokens", {"venue": "two"}, STATE, "no account at two"),
    ],
)
def test_why_nothing_was_hit_is_said(fault, params, state, why):
    assert why in ordered(done(fault, 0, **params), state)


def test_only_so_many_topics_are_named():
    state = {**STATE, "venues": {"one": {"joined": [f"topic {n:02}" for n in range(40)]}}}
    told = ordered(done("crash_channel", 0, topic="x"), state)
    assert "topic 11 and 28 more" in told
    assert "topic 12" not in told


@pytest.mark.parametrize(
    ("fault", "params", "long"),
    [
        ("refuse_join", {}, "until it is met once"),
        ("refuse_join", {"times": 3}, "until it is met 3 times"),
        ("refuse_tokens", {"seconds": 5}, "for 5 s from its order"),
        ("skew", {}, "until it is lifted (tapewire fault --lift skew)"),
    ],
)
def test_how_long_a_fault_stands_is_said(fault, params, long):
    order = Faults().order(fault, params, 7)
    facts = {name: getattr(order, name) for name in order.__struct_fields__}
    assert ordered(facts, {}) == f"{fault}: stands {long}"
    (line,) = standing(standing=[facts], suffering={})
    assert line.startswith(fault)
    assert line.endswith(f"stands {long}, met 0 times so far")


def test_what_connections_suffer_from_is_listed_too():
    assert list(standing(standing=[], suffering={})) == ["nothing stands"]
    assert list(standing(standing=[], suffering={"mute": [3, 4], "drip": [3]})) == [
        "drip: on connection 3",
        "mute: on connections 3, 4",
    ]


def test_what_was_lifted_is_counted():
    assert lifted("mute", 0) == "nothing stood of mute: nothing was lifted"
    assert lifted(None, 1) == "1 fault was lifted"
    assert lifted(None, 2) == "2 faults were lifted"
