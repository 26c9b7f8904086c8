"""What comes of a feed is a line of one shape, whichever command writes it, and it is the documented one."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.played_command import plain_environment, run

KINDS = "book,trades,ticker"
NOUNS = {"book", "trade", "ticker"}
PAGE = Path(__file__).parents[2] / "docs" / "terminal.md"


def documented_fields():
    """The outer fields, by the table of docs/terminal.md and by its example."""
    section = PAGE.read_text().partition("## JSON lines")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    example = re.search(r"```\n(\{.*?)\n```", section, re.DOTALL)
    fields = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert fields == re.findall(r'"(\w+)": ', example[1])[: len(fields)]
    return fields


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What each command has written, by its name."""
    tapes = str(tmp_path_factory.mktemp("tapes"))
    environment = plain_environment()
    recorded = run(
        "record", "weex", "-o", tapes, "--kind", KINDS, "--for", "5s", "--sandbox", env=environment
    )
    assert recorded.returncode == 0, recorded.stderr
    commands = {
        "watch": ["watch", "weex", "--sandbox", "--json", "--kind", KINDS, "--for", "5s"],
        "book": ["book", "weex", "--sandbox", "--json"],
        "replay": ["replay", tapes, "--json"],
    }
    told = {}
    for name, command in commands.items():
        result = run(*command, env=environment)
        assert result.returncode == 0, result.stderr
        told[name] = [json.loads(line) for line in result.stdout.splitlines()]
    return told


def test_every_command_writes_the_documented_fields_in_their_order_and_no_others(lines):
    fields = documented_fields()
    for command, told in lines.items():
        assert told, command
        assert all(list(line) == fields for line in told), command
        assert all(type(line["at_ns"]) is int and line["venue"] == "weex" for line in told), command


def test_the_same_thing_has_the_same_data_whichever_command_tells_of_it(lines):
    shapes = {
        command: {line["event"]: (line["kind"], shape_of(line["data"])) for line in told if is_plain(line)}
        for command, told in lines.items()
    }
    assert set(shapes["book"]) == {"book"}
    assert set(shapes["watch"]) == NOUNS
    assert shapes["replay"] == shapes["watch"]
    assert shapes["book"]["book"] == shapes["watch"]["book"]


def is_plain(line):
    """It is no mark, which may be missing, and no book that is not there yet."""
    return line["event"] in NOUNS and line["data"].get("mid", 0) is not None


def shape_of(value):
    """Names and types, down to the first of what is a list."""
    if isinstance(value, dict):
        return {name: shape_of(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape_of(each) for each in value[:1]]
    return type(value).__name__
