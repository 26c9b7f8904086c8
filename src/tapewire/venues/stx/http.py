"""One operation as an HTTP call, and its answer read back: the border between this venue's words and HTTP. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

from ...secrets import Secret
from ...transport.http import CallOptions, Method, Reply
from ..kit.answers import graphql_result, read_json, read_shape, reading
from ..kit.errors import AnswerFault
from .errors import ERRORS, STXAnswerException, STXException
from .operations import Operation
from .records import document
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
    """What the operation answered. Raises what its GraphQL errors amount to, or STXAnswerException."""
    request_id = reply.headers.get("x-request-id", "")[:128] or None

    def refuse(fault: AnswerFault) -> STXException:
        return STXAnswerException(
            fault, lookup=operation.lookup, status_code=reply.status, request_id=request_id
        )

    with reading(operation.field, reply.body, refuse, confidential=operation.signing_in):
        answer = read_json(reply.body)
        if operation.kind == "probe":
            return operation.read(read_shape(answer, {operation.field: operation.shape})[operation.field])
        errors, data = graphql_result(answer)
        if errors is not None:
            raise ERRORS.of_graphql(
                errors,
                status=reply.status,
                request_id=request_id,
                signing_in=operation.signing_in,
                lookup="" if operation.idempotent else operation.lookup,
                executed=isinstance(data, dict) and data.get(operation.field) is not None,
            )
        read_field = {"data": {operation.field: operation.shape}}
        return operation.read(read_shape(answer, read_field)["data"][operation.field])
