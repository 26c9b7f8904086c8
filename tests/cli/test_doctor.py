import json

import pytest

from tapewire.venues import VENUES
from tests.cli.played_command import plain_environment, run


@pytest.mark.parametrize("venue", VENUES)
def test_in_a_sandbox_of_its_own_a_venue_is_well_whatever_the_environment_says(venue):
    elsewhere = {
        variable: "http://127.0.0.1:1"
        for spec in VENUES[venue].settings
        if spec.address
        for variable in spec.variables
    }
    result = run("doctor", venue, "--sandbox", env=plain_environment() | elsewhere)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["ok", "settings"],
        ["skipped", "DNS"],
        ["skipped", "TLS"],
        ["ok", "HTTP"],
        ["ok", "clock"],
        ["ok", "credentials"],
        ["ok", "subscription"],
    ]
    assert lines[-1] == f"{venue} is well; 2 skipped"
    assert "\x1b" not in result.stdout


def test_a_step_that_failed_says_what_to_do_and_the_exit_code_says_so():
    result = run(
        "doctor",
        "stx",
        env=plain_environment()
        | {"STX_HOST": "http://127.0.0.1:1", "STX_EMAIL": "me@here.example", "STX_PASSWORD": "hush-hush"},
    )
    assert result.returncode == 1
    assert "FAILED  TLS" in result.stdout
    assert "\n        -> " in result.stdout
    assert "stx is not well: TLS failed" in result.stdout
    assert "hush" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_the_steps_can_be_had_as_json_and_nothing_else():
    result = run("doctor", "stake", "--sandbox", "--json", env=plain_environment())
    told = json.loads(result.stdout)
    assert (told["venue"], told["well"]) == ("stake", True)
    assert {step["outcome"] for step in told["steps"]} == {"ok", "skipped"}
    assert all(step["found"] for step in told["steps"])


def test_an_unknown_venue_is_answered_with_near_names():
    result = run("doctor", "sxbat")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "tapewire: 'sxbat' is no venue: there are stx, sxbet, stake, weex; did you mean sxbet?\n"
    )
