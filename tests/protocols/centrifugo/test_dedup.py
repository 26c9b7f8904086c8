"""A bounded memory of ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.protocols.centrifugo import SeenIds


def test_an_id_is_new_once() -> None:
    seen = SeenIds(2)
    assert [seen.add(x) for x in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]
    assert seen.repeated == 1
    assert len(seen) == 2
    assert "b" not in seen


def test_no_id_is_always_new() -> None:
    seen = SeenIds()
    assert seen.add(None)
    assert seen.add(None)
    assert len(seen) == 0


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True])
def test_the_capacity_is_checked(capacity: object) -> None:
    with pytest.raises(ConfigurationError, match="capacity"):
        SeenIds(capacity)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 5))
def test_it_never_holds_more_than_its_capacity(ids: list[str], capacity: int) -> None:
    """Never more than capacity ids; an id among the last `capacity` different new ones is never new."""
    seen, kept = SeenIds(capacity), []
    for identity in ids:
        assert seen.add(identity) is (identity not in kept)
        if identity not in kept:
            kept = [*kept, identity][-capacity:]
        assert len(seen) == len(kept)
