"""Answers that are wrong in every way that one can be, made of a right one; and a venue that gives them."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

NEVER_JSON = [
    b"",
    b"  ",
    b"<html><body>Bad gateway</body></html>",
    b"<!DOCTYPE html><title>x",
    b"\xff\xfe",
    b"nonsense",
]
NO_ANSWER: list[Any] = [
    {},
    None,
    [],
    7,
    "text",
    True,
    {"data": {}},
    {"data": None},
    {"data": []},
    [None],
    [[]],
    [{}],
]


@dataclass(frozen=True)
class Operation:
    """One documented operation: how it is called, and a right answer to it.

    `wrap` puts the answer into the envelope that it comes in. `optional`: what may be missing, by its name. `nullable`:
    what may be null (`None`: all but `never_null`). `changes`: its outcome is unknown where its answer cannot be read.
    `is_list`: an empty list is an answer.
    """

    name: str
    call: Callable[[Any], Any]
    right: Any
    wrap: Callable[[Any], Any] = lambda answer: answer
    optional: frozenset[str] = frozenset()
    nullable: frozenset[str] | None = frozenset()
    never_null: frozenset[str] = frozenset()
    changes: bool = False
    is_list: bool = False

    def __str__(self) -> str:
        return self.name

    def may_be_null(self, name: str) -> bool:
        return name in self.nullable if self.nullable is not None else name not in self.never_null


def wrong_answers(operation: Operation) -> Iterator[tuple[str, bytes]]:
    """What is wrong, and the body."""
    for body in NEVER_JSON:
        yield f"no JSON: {body!r}", body
    whole = _encoded(operation.wrap(operation.right))
    for cut in (1, len(whole) // 2, len(whole) - 1):
        yield f"cut off after {cut} bytes", whole[:cut]
    for answer in NO_ANSWER:
        if not (operation.is_list and answer == []):
            yield f"no answer: {answer!r}", _encoded(answer)
            yield f"no answer, wrapped: {answer!r}", _encoded(operation.wrap(answer))
    for path in _paths(operation.right):
        yield from _wrong_at(operation, path)


async def tried(
    operation: Operation, give: Callable[[bytes], None], client: Any, kind: type[Exception]
) -> tuple[list[str], list[Any]]:
    """What of the wrong answers was taken for a right one, and the errors that the others were."""
    taken: list[str] = []
    errors: list[Any] = []
    for what, body in wrong_answers(operation):
        give(body)
        try:
            taken.append(f"{what}: {await operation.call(client)!r:.200}")
        except kind as error:
            errors.append(error)
    wordy = [str(error) for error in errors if len(str(error)) > 1200 or not getattr(error, "fault", None)]
    assert wordy == []
    return taken, errors


def right_answer(operation: Operation) -> bytes:
    """The right answer, with fields that nobody knows in each of its objects."""
    answer = copy.deepcopy(operation.right)

    def widen(part: Any) -> None:
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            widen(inner)
        if isinstance(part, dict):
            part |= {"newField": {"a": [1]}, "anotherOne": "x"}

    widen(answer)
    return _encoded(operation.wrap(answer))


def _wrong_at(operation: Operation, path: tuple[Any, ...]) -> Iterator[tuple[str, bytes]]:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    value = _at(operation.right, path)
    if isinstance(path[-1], str) and name not in operation.optional:
        without = copy.deepcopy(operation.right)
        del _at(without, path[:-1])[name]
        yield f"{path} is missing", _encoded(operation.wrap(without))
        _at(without, path[:-1])[f"{name}New"] = value
        yield f"{path} is renamed", _encoded(operation.wrap(without))
    for wrong in _other_than(value):
        if wrong is None and isinstance(path[-1], str) and operation.may_be_null(name):
            continue
        changed = copy.deepcopy(operation.right)
        _at(changed, path[:-1])[path[-1]] = wrong
        yield f"{path} is {wrong!r}", _encoded(operation.wrap(changed))


def _other_than(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [None, "maybe", 7, [], {}]
    if isinstance(value, list):
        return [None, {}, "x", 7, True]
    if isinstance(value, dict):
        return [None, [], "x", 7, True]
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9.]+", value):
        return [None, [], {}, 1.5, True]
    return [None, "x", "1_000", " 1", "\u0663", "NaN", [], {}, True]


def _paths(answer: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    steps = (
        answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    )
    for step, inner in steps:
        yield from _paths(inner, (*path, step))


def _at(answer: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        answer = answer[step]
    return answer


def _encoded(answer: Any) -> bytes:
    return json.dumps(answer).encode()


@dataclass
class Answering:
    """A server on this machine that gives every request the same answer: `body`."""

    url: str = ""
    body: bytes = b""
    requests: list[bytes] = field(default_factory=list)

    def give(self, body: bytes) -> None:
        self.body = body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                self.requests.append(await reader.readexactly(int(length[1])) if length else b"")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(self.body), self.body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def answering() -> AsyncIterator[Answering]:
    """The server, while the block lasts."""
    venue = Answering()
    async with await asyncio.start_server(venue._serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        venue.url = f"http://{host}:{port}"
        yield venue
