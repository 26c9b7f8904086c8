"""One operation as an HTTP call, and its answer read back: the border between this venue's words and HTTP. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

from ...secrets import Secret
from ...transport.http import CallOptions, Method, Reply
from .errors import as_error_list, of_graphql_errors
from .graphql import document
from .operations import Operation
from .url import GRAPHQL_PATH, VERSION_PATH

__all__ = ["read", "to_call"]

T = TypeVar("T")


def to_call(operation: Operation[Any], token: Secret | None) -> tuple[Method, str, CallOptions]:
    """Method, path and options of the call."""
    if operation.kind == "probe":
        return "GET", VERSION_PATH, {}
    text = document(operation.kind, operation.field, operation.variables, operation.selection)
    options: CallOptions = {
        "json": {
            "operationName": operation.field,
            "query": text,
            "variables": {variable.name: variable.value for variable in operation.variables},
        },
        "idempotent": operation.idempotent,
    }
    if token:
        options["headers"] = {"authorization": f"Bearer {token.reveal()}"}
    return "POST", GRAPHQL_PATH, options


def read(operation: Operation[T], reply: Reply) -> T:
    """What the operation answered. Raises what its GraphQL errors amount to, or HttpError where it is no JSON."""
    answer = reply.json(dict[str, Any])
    if operation.kind == "probe":
        return operation.read(answer.get("api_version", ""))
    errors, data = answer.get("errors"), answer.get("data")
    value = data.get(operation.field) if isinstance(data, dict) else None
    request_id = reply.headers.get("x-request-id", "")[:128] or None
    if not errors and value is None and operation.kind == "mutation":
        errors = [{"message": f"internal server error: the answer has no {operation.field}"}]
    if errors:
        raise of_graphql_errors(
            as_error_list(errors),
            status=reply.status,
            request_id=request_id,
            signing_in=operation.signing_in,
            lookup=operation.lookup,
            executed=value is not None,
        )
    return operation.read(value)
