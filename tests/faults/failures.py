"""A tape of the line of each fault test, kept where the test fails, and what plays it again.

`python -m tests.faults.failures TAPE` runs the same class of the venue on the tape: it prints what its stream brings,
publications and marks, as it came when the test failed.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapewire.errors import TapewireError
from tapewire.marks import is_mark
from tapewire.recording import Recorder, Replay, recorded, replayed
from tests.venues.under_test import EACH, WeexTickers

__all__ = ["FailureTape", "on_tape"]

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "failed-tapes"
UNDER_TEST = {str(venue): venue for venue in (*EACH, WeexTickers())}
SEED = 7
BEHIND_SECONDS = 5.0
"""Of the tape's time: how long what is under way may take behind its end."""


class FailureTape:
    """The tape of one test, which is begun with its first line. `current`: of the test that runs."""

    current: FailureTape | None = None

    def __init__(self, test: str) -> None:
        self._test = test
        self._folder: Path | None = None
        self._recorder: Recorder | None = None

    def way(self, venue: str, url: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that put a class of the venue on the tape; only the first venue of a test is on it."""
        if self._recorder is None:
            plain = {name: value for name, value in options.items() if type(value) in (int, float, str, bool)}
            self._folder = Path(tempfile.mkdtemp(prefix="tapewire-test-"))
            settings = {"test": self._test, "venue": venue, "url": url, "options": plain}
            self._recorder = Recorder(self._folder, venue, settings=settings)
        return recorded(self._recorder) if self._recorder.venue == venue else {}

    def keep(self, folder: Path = KEPT) -> str | None:
        """The test has failed: keep the tape. Returns the command that plays it; None where there was no line."""
        if self._recorder is None:
            return None
        self._recorder.close()
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", self._test.rpartition("/")[2])
        kept = folder / f"{name}.tape"
        shutil.move(self._recorder.paths[0], kept)
        return f"{sys.executable} -m tests.faults.failures {kept}"

    def close(self) -> None:
        """Leave nothing but what was kept."""
        if self._recorder is not None and self._folder is not None:
            self._recorder.close()
            shutil.rmtree(self._folder)


def on_tape(venue: str, url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a fault test gives to the venue's class beside the rest: nothing where no test runs."""
    tape = FailureTape.current
    return {} if tape is None else tape.way(venue, url, options)


def fraction() -> Any:
    """The chance of back-off, alike in a test and when its tape is played."""
    return random.Random(SEED).random


async def play(replay: Replay) -> None:
    """The stream of the test, on its tape, printed."""
    settings = replay.settings
    known = UNDER_TEST[settings["venue"]]
    (place,) = {each.argument for each in known.spec.settings if each.address} & {"host", "base_url"}
    options = {**known.options, **settings["options"], "fraction": fraction()}
    async with known.make(**{place: settings["url"]}, session_options=options, **replayed(replay)) as client:
        reading = asyncio.create_task(_print(known, await known.subscribe(client, known.topic)))
        await replay.ended.wait()
        await asyncio.wait([reading], timeout=BEHIND_SECONDS)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _print(known: Any, stream: Any) -> None:
    try:
        async for item in stream:
            print(item if is_mark(item) else known.payload(item))
    except TapewireError as error:
        print(f"ended: {type(error).__name__}: {error}")


if __name__ == "__main__":
    with Replay(sys.argv[1]) as tape:
        print(f"# {tape.settings['test']}")
        tape.run(play)
        for each in tape.differences:
            if each.replayed == "nothing":
                continue  # what the test itself said when it was over, which is not played
            print(f"# {each.what} differs: {each.recorded}, replayed {each.replayed}")
