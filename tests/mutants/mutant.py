"""A mutant: one text of one file of the package, put in the place of another, in a copy that is imported first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["ROOT", "Mutant"]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tapewire"


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """In `file` (below the package), `old`, which must be there once, becomes `new`.

    `besides`: further replacements that the fault needs, each `(file, old, new)`.
    """

    name: str
    file: str
    old: str
    new: str
    besides: tuple[tuple[str, str, str], ...] = ()

    def check(self) -> None:
        """Raise RuntimeError where a text is not there exactly once: whoever changed it says here what it became."""
        for file, old, _ in self._replacements:
            self._read(PACKAGE / file, old)

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """The environment of a process that imports the package with this fault in it."""
        with tempfile.TemporaryDirectory(prefix="tapewire-mutant-") as folder:
            copy = Path(folder) / "tapewire"
            # With what is compiled of it: only the file that is changed is compiled anew.
            shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.pyc.*"))
            for file, old, new in self._replacements:
                changed = copy / file
                changed.write_text(self._read(changed, old).replace(old, new))
                for compiled in changed.parent.glob(f"__pycache__/{changed.stem}.*"):
                    compiled.unlink()
            environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": folder}
            environment.pop(
                "PYTHONDONTWRITEBYTECODE", None
            )  # no mutant's tests are compiled again for the next
            yield environment

    @property
    def _replacements(self) -> tuple[tuple[str, str, str], ...]:
        return ((self.file, self.old, self.new), *self.besides)

    def _read(self, file: Path, old: str) -> str:
        text = file.read_text()
        if text.count(old) != 1:
            raise RuntimeError(
                f"{self.name}: its text stands {text.count(old)} times in {file.name}: {old!r}"
            )
        return text
