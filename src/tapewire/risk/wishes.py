"""What a person, a program or a thread says to the guard of a directory, and its answer: files, whoever is blocked.

`halt`: nothing more may pass, for as long as the file is there, over every restart. `resume`: somebody takes
responsibility, with a reason; the guard takes both files away. `status`: how it stands.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..errors import ConfigurationError
from .journal import replaced

__all__ = ["Status", "Wish", "Wishes"]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """`halt` or `resume`: why, and when it was wished."""

    reason: str
    at_ns: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the guard stands. `canceled`: orders that a halt took back; `is_done`: it knows of none that is open."""

    state: str
    reason: str
    since_ns: int
    pid: int
    canceled: int = 0
    is_done: bool = True
    trouble: str = ""


class Wishes:
    """The files of one directory. Any process may write them; nothing here waits."""

    def __init__(self, directory: Path) -> None:
        self.directory: Path = directory
        self._halt = directory / "halt"
        self._resume = directory / "resume"
        self._status = directory / "status.json"

    def halt(self, reason: str, at_ns: int) -> None:
        """Nothing more may pass. The first reason stays. Raises ConfigurationError without one."""
        _check(reason)
        if not self._halt.exists():
            replaced(self._halt, Wish(reason=reason, at_ns=at_ns))

    def resume(self, reason: str, at_ns: int) -> None:
        """Everything may pass again, once the guard has seen it. Raises ConfigurationError without a reason."""
        _check(reason)
        replaced(self._resume, Wish(reason=reason, at_ns=at_ns))

    @property
    def wants_halt(self) -> Wish | None:
        """A file by that name that somebody made otherwise, an empty one as well, is a wish like any other."""
        return _wish(self._halt, "somebody made the file")

    @property
    def wants_resume(self) -> Wish | None:
        return _wish(self._resume, "somebody made the file")

    def granted(self) -> None:
        """A resumption has happened."""
        self._halt.unlink(missing_ok=True)
        self._resume.unlink(missing_ok=True)

    def tell(self, status: Status) -> None:
        """For whoever asks."""
        replaced(self._status, status)

    @property
    def status(self) -> Status | None:
        """What the guard told last, None before it told anything."""
        try:
            return msgspec.json.decode(self._status.read_bytes(), type=Status)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None


def _wish(path: Path, unwritten: str) -> Wish | None:
    try:
        content = path.read_bytes()
        at_ns = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(content, type=Wish)
    except msgspec.MsgspecError:
        return Wish(reason=content.decode(errors="replace").strip()[:500] or unwritten, at_ns=at_ns)


def _check(reason: object) -> None:
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError("reason", reason, "a reason: it is kept with the state")
