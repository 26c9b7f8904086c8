"""GraphQL as faces answer it: over HTTP, and operation by operation for sockets. Within limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from ..net.http import Request, Response

__all__ = ["Endpoint", "Operation", "Operations"]

MAX_TOKENS = 2000
"""Tokens of one GraphQL document."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z0-9])")


class Operations(Protocol):
    """What a face does for one request."""

    def run(self, name: str, given: dict[str, Any]) -> Any:
        """The value of one field of the root. Raises GraphQLError."""


class Operation:
    """One checked operation: what it is, and its projection of whatever it is given."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Any,
    ) -> None:
        self.is_subscription = operation.operation is OperationType.SUBSCRIPTION
        first = operation.selection_set.selections[0]
        self.field: str = getattr(getattr(first, "name", None), "value", "")
        self._schema = schema
        self._document = document
        self._name = None if operation.name is None else operation.name.value
        self._variables = variables if isinstance(variables, dict) else None
        self.arguments = {
            argument.name.value: self._value(argument.value)
            for argument in getattr(first, "arguments", None) or ()
        }

    def _value(self, node: Any) -> Any:
        name = getattr(getattr(node, "name", None), "value", None)
        return (self._variables or {}).get(name) if name is not None else getattr(node, "value", None)

    def execute(self, root: Operations | Mapping[str, Any]) -> ExecutionResult:
        """The result over `root`: a map of fields, or what runs them."""
        result = execute_sync(
            self._schema,
            self._document,
            root_value=root,
            variable_values=self._variables,
            operation_name=self._name,
            field_resolver=_resolve,
        )
        assert isinstance(result, ExecutionResult)
        return result

    def answer(self, root: Operations | Mapping[str, Any]) -> dict[str, Any]:
        """The same as a client is sent it."""
        return _formatted(self.execute(root))


class Endpoint:
    """What a schema answers. `status_of(errors, has_data)` is the HTTP status of an operation that was run."""

    def __init__(
        self, schema: str, status_of: Callable[[Sequence[GraphQLError], bool], int] = lambda *_: 200
    ) -> None:
        self._schema = build_schema(schema)
        self._status_of = status_of

    def prepare(
        self, query: str, variables: Any, operation_name: str | None
    ) -> Operation | list[GraphQLError]:
        """The operation to run, or what is wrong with the document."""
        try:
            document = parse(query, max_tokens=MAX_TOKENS)
            errors = validate(self._schema, document)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("the document is nested too deeply")]
        operation = get_operation_ast(document, operation_name)
        if errors or operation is None:
            return errors or [GraphQLError("the document names no single operation to run")]
        return Operation(self._schema, document, operation, variables)

    def respond(self, request: Request, root: Operations, **headers: str) -> Response:
        """The answer to an HTTP request, with `headers` besides."""
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _refusal([GraphQLError(f"not a GraphQL request: {error}"[:200])])
        name = body.get("operationName")
        prepared = self.prepare(
            str(body.get("query") or ""), body.get("variables"), name if isinstance(name, str) else None
        )
        if isinstance(prepared, list):
            return _refusal(prepared, **headers)
        if prepared.is_subscription:
            return _refusal([GraphQLError("subscriptions are for the socket")], **headers)
        result = prepared.execute(root)
        status = self._status_of(result.errors or [], result.data is not None)
        return Response.of(_formatted(result), status, **headers)


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return answer


def _refusal(errors: Sequence[GraphQLError], **headers: str) -> Response:
    return Response.of({"errors": [error.formatted for error in errors]}, 400, **headers)


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """A field, under its own name or the same in snake_case; one that takes arguments is called with them."""
    if hasattr(source, "run"):
        return source.run(info.field_name, arguments)
    name = info.field_name
    value = source[name] if name in source else source.get(_CAMEL.sub("_", name).lower())
    return value(**arguments) if callable(value) else value
