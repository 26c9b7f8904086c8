import json

import pytest
from websockets.sync.client import connect

from tests.cli.played_command import plain_environment, run, sandbox

JOIN = '{"type": "subscribe", "channel": "game:crash"}'


@pytest.fixture(scope="module")
def environment():
    with sandbox("--rate", "20", "--venue", "stake") as (_, environment):
        yield environment


@pytest.fixture
def socket(environment):
    """A client that has joined one topic."""
    with connect(
        f"{environment['STAKE_WS_URL']}/_api/websocket",
        additional_headers={"x-access-token": "anybody"},
        proxy=None,
        max_queue=None,  # nobody reads: what comes must not stand before the answer to the close
    ) as socket:
        socket.send(JOIN)
        socket.recv(timeout=10)
        yield socket


def fault(environment, *arguments):
    return run("fault", *arguments, env=environment)


def test_a_fault_says_in_a_sentence_what_it_hit(environment, socket):
    result = fault(environment, "abort")
    assert (result.returncode, result.stdout) == (0, "abort: 1 connection was reset\n")


def test_a_fault_that_hit_nothing_says_why_and_ends_with_1(environment, socket):
    result = fault(environment, "crash_channel", "topic=nonsense")
    assert result.returncode == 1
    assert "nobody has joined 'nonsense'; joined topics are: game:crash" in result.stdout


def test_a_fault_stands_until_it_is_lifted(environment, socket):
    assert "until it is lifted" in fault(environment, "mute").stdout
    assert "1 s" in fault(environment, "drip", "interval=0.5", "seconds=1").stdout
    assert "stands until it is met 3 times" in fault(environment, "http_429", "times=3").stdout
    assert "for 300 s" in fault(environment, "refuse_tokens", "seconds=300").stdout
    told = fault(environment, "--standing").stdout
    assert "mute: on connection" in told
    assert "http_429" in told
    assert fault(environment, "--lift", "mute").stdout == "1 fault was lifted\n"
    assert "mute: on" not in fault(environment, "--standing").stdout
    assert "lifted" in fault(environment, "--lift").stdout
    assert fault(environment, "--standing").stdout == "nothing stands\n"
    assert "nothing was lifted" in fault(environment, "--lift").stdout


def test_the_raw_answer_can_be_had(environment):
    ordered = fault(environment, "refuse_join", "reason=123", "times=2", "--json")
    assert ordered.returncode == 0, ordered.stderr
    answer = json.loads(ordered.stdout)
    assert answer["params"]["reason"] == "123"  # what is a text stays one
    assert answer["times_left"] == 2
    assert (
        json.loads(fault(environment, "--standing", "--json").stdout)["standing"][0]["name"] == "refuse_join"
    )
    assert json.loads(fault(environment, "--lift", "--json").stdout) == {"lifted": 1}
    assert "close" in json.loads(fault(environment, "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("explode",), "half_open"),
        (("close", "code=7"), "close(code)=7 is not valid; allowed: a whole number from 1000 to 4999"),
        (("close", "code"), "'code' is no parameter: write name=value"),
        (("abort", "--lift", "x=1"), "--lift takes the name of a fault"),
        (("--lift", "nosuch"), "allowed: abort"),
        (("abort", "--token", "wrong"), "refuses what TAPEWIRE_SANDBOX_TOKEN holds"),
        (("abort", "--url", "http://127.0.0.1:1"), "no sandbox answers at http://127.0.0.1:1"),
        (("abort", "--url", "nonsense"), "no sandbox answers at nonsense"),
    ],
)
def test_what_is_wrong_is_one_plain_sentence_with_exit_code_2(environment, arguments, told):
    result = fault(environment, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("tapewire: ")
    assert result.stderr.count("\n") == 1
    assert told in result.stderr
    assert "{" not in result.stderr


def test_the_faults_are_listed_with_their_parameters_defaults_and_what_is_allowed():
    text = " ".join(run("fault").stdout.replace("│", " ").split())
    assert "half_open" in text
    assert "a whole number from 1000 to 4999; default 1000" in text
    assert "required" in text
    assert "the connections that are open now" in text


def test_the_help_says_whom_faults_hit():
    assert "open now" in " ".join(run("fault", "--help").stdout.replace("│", " ").split())


def test_a_fault_without_a_sandbox_says_what_to_set():
    result = run("fault", "abort", env=plain_environment())
    assert result.returncode == 2
    assert "TAPEWIRE_SANDBOX_URL" in result.stderr
