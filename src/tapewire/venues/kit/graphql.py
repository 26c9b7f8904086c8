"""GraphQL over HTTP: one document as a `Call`, and its answer: `errors`, or `data` of the expected shape. Pure.

Values never enter the document's text: they travel as variables, so no value can become a part of the query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ...transport.http import Reply
from .answers import Maybe, Unreadable, graphql_result, read_json, read_shape
from .errors import ErrorMap
from .http import Call, request_id_of

__all__ = ["graphql_call", "selection_of"]

T = TypeVar("T")


def selection_of(shape: Any, arguments: Mapping[str, str] | None = None) -> str:
    """All fields of a shape, as GraphQL asks for them; empty for a plain field. `arguments`: of fields, by name."""
    if isinstance(shape, Maybe):
        return selection_of(shape.shape, arguments)
    if isinstance(shape, list):
        return selection_of(shape[0], arguments)
    if not isinstance(shape, Mapping):
        return ""
    passed = arguments or {}
    fields = (f"{name}{passed.get(name, '')}{selection_of(inner, passed)}" for name, inner in shape.items())
    return f" {{ {' '.join(fields)} }}"


def graphql_call(
    errors: ErrorMap,
    path: str,
    document: str,
    variables: Mapping[str, Any],
    read: Callable[[dict[str, Any]], T],
    *,
    name: str | None,
    headers: Mapping[str, str] | None = None,
    idempotent: bool = True,
    changes: bool = False,
    lookup: str = "",
    signing_in: bool = False,
) -> Call[T]:
    """The call that sends `document`; `read` is given the answer's `data`.

    `name`: of the operation in the document; of its one field too, where it has a `lookup`. The rest as in `Call`.
    Raises the venue's error for a wrong argument where a variable is nothing that JSON can say.
    """

    def answered(reply: Reply) -> T:
        refused, data = graphql_result(read_json(reply.body))
        if refused is not None:
            raise errors.of_graphql(
                refused,
                status=reply.status,
                request_id=request_id_of(reply),
                signing_in=signing_in,
                lookup="" if idempotent else lookup,
                executed=isinstance(data, dict) and data.get(name) is not None,
            )
        read_shape({"data": data}, {"data": {}})
        try:
            return read(data)
        except RecursionError:
            raise Unreadable("data", "nested as a result is", "nested without end") from None

    return Call(
        operation=name or "a document",
        method="POST",
        path=path,
        read=answered,
        options={
            "body": _encoded(errors, name, document, variables),
            "headers": {"content-type": "application/json", **(headers or {})},
            "idempotent": idempotent,
        },
        lookup=lookup,
        changes=changes,
        signing_in=signing_in,
    )


def _encoded(errors: ErrorMap, name: str | None, document: str, variables: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode({"operationName": name, "query": document, "variables": dict(variables)})
    except (TypeError, ValueError, RecursionError):
        allowed = "what JSON can say"
    raise errors.refuse("variables", type(variables).__name__, allowed)
