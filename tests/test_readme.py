"""The README as a newcomer follows it: its programs run as they stand, and the fault it orders shows as it says."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.documents.running import Program, played_venue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
VENUES = ("stx", "sxbet", "stake", "weex")
PROGRAMS = dict(
    zip(VENUES, re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL), strict=True)
)

LIVE = {
    "stx": r"^market_\w+ ",
    "sxbet": r"^0x[0-9a-f]{64} Trade",
    "stake": r"^\{.*'amount': ",
    "weex": r"^[\d.]+$",
}
"""What each prints while the line is up."""

BROKEN = {
    "stx": r"^MARK Gap\(reason='connection lost'.*\n",
    "sxbet": r"^MARK Reconnected\(.*\n",
    "stake": r"^Gap\(reason='connection lost'.*\n",
    "weex": r"^Gap\(reason='connection lost'.*\n",
}
"""And where it broke."""


def test_the_programs_run_as_written_and_say_where_the_fault_was(tmp_path: Path) -> None:
    (order,) = re.findall(r"`tapewire (fault \w+)`\. The program goes on", README)
    others = [word for venue in VENUES[1:] for word in ("--venue", venue)]
    with ExitStack() as stack:
        exports = stack.enter_context(played_venue(tmp_path, "stx", *others))
        programs: dict[str, Program] = {}
        for venue, text in PROGRAMS.items():
            (tmp_path / f"{venue}.py").write_text(text, "utf-8")
            programs[venue] = stack.enter_context(Program([f"{venue}.py"], exports, tmp_path))
        programs["stx"].wait_for(r"^phx_reply ")
        for venue, program in programs.items():
            program.wait_for(LIVE[venue])
        with Program(["-m", "tapewire", *order.split()], exports, tmp_path) as fault:
            assert (fault.wait(), fault.errors) == (0, "")
        for venue, program in programs.items():
            program.wait_for(BROKEN[venue] + r"(.*\n)*?" + LIVE[venue].removeprefix("^"))
            assert program.interrupt() == -signal.SIGINT
        # The first example has the same email and another password.
        with Program([ROOT / "examples/stx/quick_start.py"], exports, tmp_path) as example:
            assert (example.wait(), example.errors) == (0, "")


MARKET = README.partition("\n## One market\n")[2].partition("\n## ")[0]
QUOTE, TWO = re.findall(r"^```\n(import .*?)^```$", MARKET, re.MULTILINE | re.DOTALL)


def test_a_newcomer_prices_one_event_on_two_venues_with_what_stands_in_that_section(tmp_path: Path) -> None:
    (tmp_path / "quote.py").write_text(QUOTE, "utf-8")
    (tmp_path / "two.py").write_text(TWO, "utf-8")
    targets = []
    with played_venue(tmp_path, "stx", "--venue", "sxbet", "--market-life", "3600") as exports:
        for venue in ("stx", "sxbet"):
            search = ["-m", "tapewire", "markets", venue, "--search", "anchors"]
            with Program(search, exports, tmp_path) as found:
                assert (found.wait(), found.errors) == (0, "")
                targets += re.findall(rf"{venue}:\S+", found.output)[:1]
            with Program(["quote.py", venue], exports, tmp_path) as quote:
                quote.wait_for(r"^\(Decimal\('0\.")
        with Program(["two.py", *targets], exports, tmp_path) as two:
            two.wait_for(
                r"^buy at stx for 0\.\d+, sell at sxbet for 0\.", r"^buy at sxbet for .*, sell at stx for "
            )
            with Program(["-m", "tapewire", "fault", "abort"], exports, tmp_path) as fault:
                assert (fault.wait(), fault.errors) == (0, "")
            two.wait_for(r"^no price: .*\n(.*\n)*?buy at ")


@pytest.mark.parametrize("venue", VENUES)
def test_the_type_checkers_read_that_program_as_it_stands(venue: str) -> None:
    assert (ROOT / f"tests/typed/readme_{venue}.py").read_text("utf-8") == PROGRAMS[venue]
