import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.sandbox.faces.stx.filters import (
    FIELDS,
    MANDATORY_FIELDS,
    MESSAGE_TYPES,
    RULES,
    MarketSelection,
    select,
)

names = st.none() | st.lists(
    st.sampled_from((*FIELDS[:4], *RULES, *MESSAGE_TYPES, "nonsense")) | st.integers(), max_size=4
)
params = st.none() | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("fields", "rule_filters", "message_types"), names)
)
markets = st.dictionaries(
    st.sampled_from("abc"),
    st.fixed_dictionaries(
        {name: st.just(1) for name in MANDATORY_FIELDS}, optional={n: st.just(2) for n in FIELDS[:4]}
    ),
    min_size=1,
)
RULE_OF = dict(zip("abc", RULES, strict=False))


@given(params, st.sampled_from(MESSAGE_TYPES), markets)
def test_a_filter_takes_away_and_never_adds(given_params, event, payload):
    """What is selected is a part of the payload, with every mandatory field, of wanted markets only."""
    selection = MarketSelection.of(given_params)
    chosen = select(event, payload, selection, RULE_OF)
    if chosen is None:
        return
    for market_id, content in chosen.items():
        assert content.items() <= payload[market_id].items()
        assert set(MANDATORY_FIELDS) <= content.keys()
        assert selection.rules is None or RULE_OF[market_id] in selection.rules
    assert event in selection.echo()["selected_message_types"]


@pytest.mark.parametrize(
    "empty", [None, {}, [], "text", {"fields": []}, {"rule_filters": None}, {"fields": ["nonsense"]}]
)
def test_no_choice_is_no_filter(empty):
    selection = MarketSelection.of(empty)
    assert selection.is_everything
    assert selection.echo()["selected_fields"] == list(FIELDS)
    assert select("market_updated", {"a": {"bids": []}}, selection, {}) == {"a": {"bids": []}}


def test_a_push_changes_one_filter_and_leaves_the_others():
    selection = MarketSelection.of({"fields": ["bids"], "message_types": ["market_updated"]})
    changed = selection.changed("select_fields", {"fields": ["title", "price"]})
    assert (changed.fields, changed.message_types) == (("title", "price"), ("market_updated",))
    assert selection.changed("select_message_types", {}).message_types is None
    assert selection.changed("something_else", {}) is None
