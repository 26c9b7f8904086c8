"""Presence keeps who is there, as the official client is tested for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from tapewire.errors import UndecodableFrame
from tapewire.protocols.base import Binary
from tapewire.protocols.phoenix import Frame, Presence
from tapewire.protocols.phoenix.presence import MAX_PENDING_DIFFS


def entry(*refs: str, **fields: Any) -> dict[str, Any]:
    return {"metas": [{"phx_ref": ref, "phx_ref_prev": "x"} for ref in refs], **fields}


def frame(event: str, payload: Any, join_ref: str | None = "1") -> Frame:
    return Frame(join_ref, None, "room", event, Raw(msgspec.json.encode(payload)))


def state(**entries: Any) -> Frame:
    return frame("presence_state", entries)


def diff(joins: Any = None, leaves: Any = None) -> Frame:
    return frame("presence_diff", {"joins": joins or {}, "leaves": leaves or {}}, None)


class Watched:
    """A presence, and what it told."""

    def __init__(self, **options: Any) -> None:
        self.told: list[tuple[str, str, list[str] | None, list[str]]] = []
        self.presence = Presence(
            lambda key, before, joined: self.tell("join", key, before, joined),
            lambda key, now, left: self.tell("leave", key, now, left),
            **options,
        )

    def tell(self, what: str, key: str, other: Any, changed: Any) -> None:
        self.told.append((what, key, None if other is None else refs(other), refs(changed)))

    def take(self, *frames: Frame) -> list[tuple[str, str, list[str] | None, list[str]]]:
        self.told.clear()
        for item in frames:
            self.presence.receive(item)
        return list(self.told)


def refs(item: dict[str, Any]) -> list[str]:
    return [meta["phx_ref"] for meta in item["metas"]]


def present(presence: Presence) -> dict[str, list[str]]:
    return dict(presence.list(lambda key, item: (key, refs(item))))


def test_an_empty_state_is_synced_and_empty() -> None:
    watched = Watched()
    assert not watched.presence.synced
    assert watched.take(state()) == []
    assert watched.presence.synced
    assert watched.presence.list() == []


def test_a_state_tells_joins_and_leaves_against_the_one_before() -> None:
    watched = Watched()
    watched.take(state(u1=entry("1"), u2=entry("2")))
    assert watched.take(state(u2=entry("2"), u3=entry("3"))) == [
        ("join", "u3", None, ["3"]),
        ("leave", "u1", [], ["1"]),
    ]
    assert present(watched.presence) == {"u2": ["2"], "u3": ["3"]}


def test_only_new_metas_are_told() -> None:
    watched = Watched()
    watched.take(state(u3=entry("3")))
    assert watched.take(state(u3=entry("3", "3.new"))) == [("join", "u3", ["3"], ["3.new"])]
    assert watched.take(state(u3=entry("3.new"))) == [("leave", "u3", ["3.new"], ["3"])]
    assert watched.take(state(u3=entry("3.new"))) == []


def test_joined_metas_are_appended_and_a_repeated_one_is_not_doubled() -> None:
    watched = Watched()
    watched.take(state(u1=entry("1")), diff({"u1": entry("2", name="new")}), diff({"u1": entry("2")}))
    assert present(watched.presence) == {"u1": ["1", "2"]}


def test_a_diff_removes_metas_and_the_key_with_the_last() -> None:
    watched = Watched()
    watched.take(state(u1=entry("1", "2")))
    assert watched.take(diff(leaves={"u1": entry("1")})) == [("leave", "u1", ["2"], ["1"])]
    assert "u1" in watched.presence
    assert watched.take(diff(leaves={"u1": entry("2")})) == [("leave", "u1", [], ["2"])]
    assert "u1" not in watched.presence
    assert watched.take(diff(leaves={"u1": entry("2"), "never": entry("9")})) == []


def test_an_update_is_a_join_before_a_leave_and_keeps_the_key() -> None:
    watched = Watched()
    watched.take(state(u1=entry("1")))
    assert watched.take(diff({"u1": entry("2")}, {"u1": entry("1")})) == [
        ("join", "u1", ["1"], ["2"]),
        ("leave", "u1", ["2"], ["1"]),
    ]
    assert present(watched.presence) == {"u1": ["2"]}


def test_diffs_before_the_state_wait_for_it() -> None:
    watched = Watched()
    assert watched.take(diff({"u2": entry("2")}), diff(leaves={"u1": entry("1")})) == []
    assert watched.take(state(u1=entry("1"))) == [
        ("join", "u1", None, ["1"]),
        ("join", "u2", None, ["2"]),
        ("leave", "u1", [], ["1"]),
    ]
    assert present(watched.presence) == {"u2": ["2"]}


def test_after_a_new_join_diffs_wait_for_its_state() -> None:
    watched = Watched()
    ok = {"status": "ok", "response": {}}
    watched.take(state(u1=entry("1")), Frame("5", "5", "room", "phx_reply", Raw(msgspec.json.encode(ok))))
    assert watched.take(diff({"u2": entry("2")})) == []
    assert present(watched.presence) == {"u1": ["1"]}
    assert len(watched.take(state(u1=entry("1")))) == 1
    assert present(watched.presence) == {"u1": ["1"], "u2": ["2"]}


def test_the_reply_to_a_push_is_no_new_join() -> None:
    watched = Watched()
    watched.take(state(), Frame("5", "6", "room", "phx_reply", Raw(b"{}")))
    assert watched.presence.synced


def test_waiting_diffs_are_bounded() -> None:
    watched = Watched()
    watched.take(*(diff({str(n): entry("1")}) for n in range(MAX_PENDING_DIFFS + 3)))
    assert watched.presence.dropped == 3
    watched.take(state())
    assert len(watched.presence) == MAX_PENDING_DIFFS


def test_event_names_can_be_others() -> None:
    watched = Watched(state_event="state!", diff_event="diff!")
    assert not watched.presence.receive(state(u1=entry("1")))
    assert watched.presence.receive(frame("state!", {"u1": entry("1")}))
    assert watched.presence.receive(frame("diff!", {"leaves": {"u1": entry("1")}}))
    assert watched.presence.list() == []


def test_the_list_can_be_made_of_anything() -> None:
    watched = Watched()
    watched.take(state(u1=entry("1", user={"name": "Ann"}), __proto__=entry("2")))
    assert watched.presence.list(lambda key, item: (key, item["metas"][0]["phx_ref"])) == [
        ("u1", "1"),
        ("__proto__", "2"),
    ]
    assert watched.presence.list()[0]["user"] == {"name": "Ann"}
    assert repr(watched.presence) == "<Presence keys=2 synced>"


@pytest.mark.parametrize("payload", [[], {"u": 1}, {"u": [1]}])
def test_what_is_no_presence_is_undecodable_and_changes_nothing(payload: Any) -> None:
    presence = Presence()
    presence.receive(state(u1=entry("1")))
    with pytest.raises(UndecodableFrame, match="presence_state"):
        presence.receive(frame("presence_state", payload))
    with pytest.raises(UndecodableFrame, match="binary"):
        presence.receive(Frame("1", None, "room", "presence_diff", Binary(b"x")))
    assert len(presence) == 1


def test_metas_that_are_none_count_as_none() -> None:
    presence = Presence()
    presence.receive(state(u1={"metas": None}, u2={"metas": [1]}, u3={}))
    assert presence.list() == [{"metas": []}] * 3
