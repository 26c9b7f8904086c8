"""What the numbers mean."""

from __future__ import annotations

import pytest

from tapewire.protocols.centrifugo import DISCONNECTS, ERRORS, close_meaning
from tapewire.protocols.centrifugo.codes import error_text, is_temporary, resubscribes


@pytest.mark.parametrize("code", [*range(3500, 4000, 37), 3500, 3999, *range(4500, 5000, 49), 4500, 4999])
def test_the_terminal_codes_are_3500_to_3999_and_4500_to_4999(code: int) -> None:
    assert close_meaning(code).terminal


@pytest.mark.parametrize("code", [1000, 1006, 1009, 2999, 3000, 3012, 3499, 4000, 4499, 5000, 65535, 0, -1])
def test_every_other_code_lets_us_come_back(code: int) -> None:
    assert not close_meaning(code).terminal


def test_what_else_a_code_asks() -> None:
    assert [code for code in DISCONNECTS if close_meaning(code).unauthorized] == [3005, 3014]
    assert close_meaning(109).unauthorized
    assert [code for code in DISCONNECTS if close_meaning(code).resets_positions] == [3014]
    assert [code for code in (*DISCONNECTS, 1009, 1000) if close_meaning(code).shrinks] == [3008, 1009]


def test_a_missing_reason_is_filled_in_and_a_long_one_is_cut() -> None:
    assert close_meaning(3008).reason == "slow"
    assert close_meaning(4711).reason == "no reason given"
    assert close_meaning(3000, "x" * 999).reason == "x" * 200
    assert error_text(103, "") == "permission denied"
    assert error_text(1234, "") == "error 1234"


def test_temporary_errors() -> None:
    assert [code for code in ERRORS if is_temporary(code)] == [100, 111, 113]
    assert is_temporary(1)
    assert is_temporary(1234, True)


def test_from_2500_on_the_server_expects_us_back() -> None:
    assert [resubscribes(code) for code in (0, 2000, 2499, 2500, 2501, 2502, 9999)] == [False] * 3 + [
        True
    ] * 4
