"""What is said to a guard through files."""

import pytest

from tapewire.errors import ConfigurationError
from tapewire.risk import Status, Wishes


def test_the_first_reason_to_halt_stays(tmp_path):
    wishes = Wishes(tmp_path)
    assert wishes.wants_halt is None
    wishes.halt("first", 1)
    wishes.halt("second", 2)

    assert (wishes.wants_halt.reason, wishes.wants_halt.at_ns) == ("first", 1)


@pytest.mark.parametrize(
    ("content", "reason"), [("", "somebody made the file"), ("the feed is wrong\n", "the feed is wrong")]
)
def test_a_file_that_somebody_made_by_hand_is_a_wish(tmp_path, content, reason):
    (tmp_path / "halt").write_text(content)

    assert Wishes(tmp_path).wants_halt.reason == reason


def test_a_resumption_that_was_granted_takes_both_away(tmp_path):
    wishes = Wishes(tmp_path)
    wishes.halt("a loss", 1)
    wishes.resume("looked at it", 2)
    assert wishes.wants_resume.reason == "looked at it"
    wishes.granted()

    assert wishes.wants_halt is None
    assert wishes.wants_resume is None


@pytest.mark.parametrize("reason", ["", "  ", None, 3])
def test_nothing_is_wished_without_a_reason(tmp_path, reason):
    for wish in (Wishes(tmp_path).halt, Wishes(tmp_path).resume):
        with pytest.raises(ConfigurationError, match="reason"):
            wish(reason, 1)


def test_how_it_stands_is_read_as_it_was_told(tmp_path):
    wishes = Wishes(tmp_path)
    assert wishes.status is None
    status = Status(
        state="halted", reason="why", since_ns=1, pid=2, canceled=3, is_done=False, trouble="no line"
    )
    wishes.tell(status)

    assert wishes.status == status
