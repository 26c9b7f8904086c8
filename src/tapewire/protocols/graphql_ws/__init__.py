"""GraphQL over WebSocket (subprotocol `graphql-transport-ws`), sans-IO: the client's side and the server's side."""

from .client import GraphQLClient
from .frames import CLOSE_CODES, SUBPROTOCOL, Next, Operation, Result
from .server import (
    MAX_OPERATIONS,
    CompleteReceived,
    GraphQLServer,
    InitReceived,
    ServerRequest,
    SubscribeReceived,
)

__all__ = [
    "CLOSE_CODES",
    "MAX_OPERATIONS",
    "SUBPROTOCOL",
    "CompleteReceived",
    "GraphQLClient",
    "GraphQLServer",
    "InitReceived",
    "Next",
    "Operation",
    "Result",
    "ServerRequest",
    "SubscribeReceived",
]
