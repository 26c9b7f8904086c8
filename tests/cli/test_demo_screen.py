import io
import re

import pytest
from rich.console import Console

from tapewire.app.demo import DemoReport, StreamReport
from tapewire.cli.demo_screen import DemoScreen, print_report


def stream(number):
    return StreamReport(
        venue="venue", stream=f"stream {number:2}", published=10_000, delivered=10_000, duplicates=0, gaps=12,
        missing_in_gaps=300, unexplained=0, p50_ms=1.234, p99_ms=123.456, findings=(),
    )  # fmt: skip


REPORT = DemoReport(
    honest=True,
    interrupted=True,
    seconds=20,
    faults=("abort",) * 21,
    reconnections=12,
    streams=tuple(stream(number) for number in range(12)),
    problems=(),
)


def printed(width):
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=width, height=24)
    print_report(console, REPORT)
    return re.sub(r"\x1b\[\d+m", "", console.file.getvalue())


@pytest.mark.parametrize(
    ("width", "headings"), [(80, "twice  gaps  in gaps  silent  p50 ms"), (120, "duplicates  marked gaps")]
)
def test_the_result_fits_the_terminal_with_its_headings_whole(width, headings):
    text = printed(width)
    assert headings in text
    assert "…" not in text
    lines = text.splitlines()
    assert len(lines) < 24
    assert any("10000" in line and "123.5" in line for line in lines)


def test_the_result_says_what_its_columns_mean_and_that_it_was_interrupted():
    text = " ".join(printed(80).split())
    assert "interrupted after 20 s, 21 faults, 12 reconnections" in text
    assert "silent: missing, and no mark says so" in text
    assert "from the exchange's publication to the handler" in text


def test_lines_stay_on_a_terminal_while_the_table_below_changes():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    screen = DemoScreen(console, live=True, silent=False)
    with screen.view:
        for number in range(40):
            screen.say(f"event {number}")
    assert all(f"event {number}\n" in console.file.getvalue() for number in range(40))
