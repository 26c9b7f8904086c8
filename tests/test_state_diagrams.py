import re

import pytest

from scripts.state_diagrams import PAGE, PUBLIC_WORDS, page
from tapewire.session import machine, subscriptions, topics


def test_the_page_is_what_the_tables_say_now():
    made = page()
    assert PAGE.read_text("utf-8") == made, "run `python scripts/state_diagrams.py`"


@pytest.mark.parametrize("module", [machine, subscriptions])
def test_every_pair_of_a_table_stands_on_the_page(module):
    text = page()
    for (state, received), (target, actions) in module.TABLE.items():
        if target is state and not actions:
            assert re.search(rf"^\| `{state.value}` \| .*`{received.value}`", text, re.MULTILINE)
            continue
        label = " / " + ", ".join(action.value for action in actions) if actions else ""
        inputs = rf"(?:[\w ]+, )*{received.value}(?:, [\w ]+)*"
        arrow = rf"^    {state.name} --> {target.name} : {inputs}{label}$"
        assert re.search(arrow, text, re.MULTILINE), (state, received)


def test_every_state_is_explained_and_every_public_word_is_one_that_is_said():
    text = page()
    for state in [*machine.State, *subscriptions.SubscriptionState]:
        assert re.search(rf"^\| `{state.value}` \| \w", text, re.MULTILINE)
    assert set(topics._PUBLIC_STATE.values()) == set(PUBLIC_WORDS)
