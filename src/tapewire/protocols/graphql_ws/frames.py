"""The messages of `graphql-transport-ws`, both directions, and what its close codes mean. Pure.

Source: the protocol's specification (github.com/enisdenjo/graphql-ws, PROTOCOL.md). `data` and `ka` are of the older
`graphql-ws` subprotocol: some servers still send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from ...errors import ConfigurationError
from ...secrets import Secret

__all__ = ["CLOSE_CODES", "SUBPROTOCOL", "Next", "Operation", "Result"]

SUBPROTOCOL = "graphql-transport-ws"

CLOSE_CODES: Mapping[int, str] = {
    1001: "the server is going away",
    4400: "the server did not understand a message",
    4401: "unauthorized",
    4403: "forbidden: the server refused the initialisation",
    4406: "the subprotocol is not acceptable",
    4408: "the initialisation took too long",
    4409: "an operation of that id exists already",
    4429: "too many initialisations",
    4500: "the server failed",
}
"""What a close code means."""

DECODE_ERRORS = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
_NOTHING = Raw(b"null")


class Operation(msgspec.Struct, frozen=True, omit_defaults=True, rename={"operation_name": "operationName"}):
    """One GraphQL operation as it is sent. `variables` and `extensions` are maps of anything JSON can say."""

    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] | None = None


class Result(msgspec.Struct, gc=False):
    """One execution result, its members raw. `errors` beside `data` are of parts that could not be had."""

    data: Raw = _NOTHING
    errors: Raw = _NOTHING
    extensions: Raw = _NOTHING


class Next(msgspec.Struct, tag="next", gc=False):
    """One publication: a result of the operation `id`, with the topic that it was asked for under."""

    id: str
    payload: Result
    topic: str = ""

    @property
    def data(self) -> Raw:
        """The result's data, raw JSON."""
        return self.payload.data


class Data(msgspec.Struct, tag="data", gc=False):
    id: str
    payload: Result


class Ack(msgspec.Struct, tag="connection_ack"):
    payload: Raw = _NOTHING


class Error(msgspec.Struct, tag="error"):
    id: str
    payload: Any = None


class Complete(msgspec.Struct, tag="complete"):
    id: str


class Ping(msgspec.Struct, tag="ping", omit_defaults=True):
    payload: Any = None


class Pong(msgspec.Struct, tag="pong", omit_defaults=True):
    payload: Any = None


class KeepAlive(msgspec.Struct, tag="ka"):
    pass


class Init(msgspec.Struct, tag="connection_init", omit_defaults=True):
    payload: dict[str, Any] | None = None


class Subscribe(msgspec.Struct, tag="subscribe"):
    id: str
    payload: Operation


class AckSent(msgspec.Struct, tag="connection_ack", omit_defaults=True):
    payload: dict[str, Any] | None = None


FromServer: TypeAlias = Next | Data | Ack | Error | Complete | Ping | Pong | KeepAlive
FromClient: TypeAlias = Init | Subscribe | Complete | Ping | Pong

from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


def encoded(message: msgspec.Struct, argument: str) -> bytes:
    """The message, secrets in it revealed. Raises ConfigurationError naming `argument` for what JSON cannot say."""
    try:
        return msgspec.json.encode(message, enc_hook=_reveal)
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(argument, type(message).__name__, "what JSON can say") from None


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(type(value).__name__)
