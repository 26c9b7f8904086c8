"""Each mutant of the catalogue is found by the tests that it names, and each still says what the engine says."""

import pytest

from tests.mutants.catalogue import MUTANTS, QUICK
from tests.mutants.narrow import SECONDS, NarrowMutant, judge
from tests.simulation.mutants import MUTANTS as SIMULATED


@pytest.mark.parametrize("mutant", [*MUTANTS, *SIMULATED], ids=lambda mutant: mutant.name)
def test_a_mutant_changes_what_stands_there(mutant):
    mutant.check()


def test_no_two_mutants_have_one_name():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_what_is_tried_each_time_is_in_the_catalogue():
    assert set(QUICK) <= {mutant.name for mutant in MUTANTS}


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(each, id=each.name, marks=[] if each.name in QUICK else [pytest.mark.mutants])
        for each in MUTANTS
    ],
)
def test_a_mutant_is_found_by_the_tests_it_names(mutant):
    assert judge(mutant).is_found, f"{mutant.file}: all of {', '.join(mutant.tests)} pass with it"


def test_a_mutant_that_changes_nothing_is_not_found():
    nothing = NarrowMutant(
        name="nothing is changed",
        file="session/loop.py",
        old="GRACE = 1.0\n",
        new="GRACE = 1.00\n",
        tests=("session/test_loop_timers.py",),
    )
    assert not judge(nothing).is_found


def test_a_mutant_whose_text_is_gone_is_an_error():
    gone = NarrowMutant(name="gone", file="session/loop.py", old="no such text", new="", tests=())
    with pytest.raises(RuntimeError, match="0 times"):
        gone.check()


def test_tests_that_do_not_exist_are_an_error_and_not_a_find():
    absent = NarrowMutant(
        name="absent",
        file="session/loop.py",
        old="GRACE = 1.0\n",
        new="GRACE = 2.0\n",
        tests=("session/test_none.py",),
    )
    with pytest.raises(RuntimeError, match="cannot be run"):
        judge(absent)
