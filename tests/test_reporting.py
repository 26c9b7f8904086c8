import pytest

from tapewire.reporting import is_worth_a_line, name_of


@pytest.mark.parametrize(
    ("count", "first", "worth"),
    [(1, 1, True), (2, 1, True), (3, 1, False), (3, 3, True), (4, 3, True), (5, 3, False), (1024, 1, True)],
)
def test_the_first_few_and_the_powers_of_two_are_worth_a_line(count, first, worth):
    assert is_worth_a_line(count, first) is worth


def test_a_function_is_named_as_its_owner_knows_it():
    class Market:
        def moved(self):
            pass

        def __repr__(self):
            return "a market"

    assert name_of(Market().moved).endswith("Market.moved")
    assert name_of(Market()) == "a market"
