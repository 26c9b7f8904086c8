"""docs/market.md says what each venue can, and the examples of the market run on every venue that can."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts.capabilities import PAGE, with_table
from tests.documents.running import Program, played_venue

EXAMPLES = Path(__file__).parent.parent / "examples" / "market"


def test_the_table_of_what_each_venue_can_is_made_from_its_capabilities():
    text = PAGE.read_text("utf-8")
    assert with_table(text) == text


@pytest.mark.parametrize(
    ("venue", "proof"), [("stx", "snapshot"), ("sxbet", "recoverable"), ("weex", "chained")]
)
def test_one_strategy_runs_on_every_venue_that_has_books(tmp_path, venue, proof):
    with (
        played_venue(tmp_path, venue) as environment,
        Program([str(EXAMPLES / "quote.py"), venue], environment, tmp_path) as program,
    ):
        assert program.wait() == 0
        quotes = re.findall(rf"^around [\d.]+, [\d.]+ apart \({proof}\)$", program.output, re.MULTILINE)
        assert len(quotes) == 5


def test_the_same_strategy_says_what_a_venue_without_books_has_instead(tmp_path):
    with (
        played_venue(tmp_path, "stake") as environment,
        Program([str(EXAMPLES / "quote.py"), "stake"], environment, tmp_path) as program,
    ):
        assert program.wait() == 0
        assert "stake does not support markets" in program.output


LIST = (
    "import asyncio, json, tapewire\n\n\nasync def main():\n    async with tapewire.connect({!r}) as venue:\n        \
async for market in venue.markets():\n            print(json.dumps(market.outcomes[0].outcome_id))\n            \
return\n\n\nasyncio.run(main())\n"
)


def test_one_event_is_priced_on_two_venues(tmp_path):
    with played_venue(tmp_path, "stx", "--venue", "weex") as environment:
        names = []
        for venue in ("stx", "weex"):
            script = tmp_path / f"{venue}.py"
            script.write_text(LIST.format(venue), "utf-8")
            with Program([str(script)], environment, tmp_path) as program:
                assert program.wait() == 0
                names.append(f"{venue}:{json.loads(program.output)}")
        with Program([str(EXAMPLES / "two_venues.py"), *names], environment, tmp_path) as program:
            assert program.wait() == 0
            both = r"^stx bids [\d.]+, weex bids [\d.]+$"  # a side may be empty for a moment
            assert len(re.findall(both, program.output, re.MULTILINE)) >= 5
