"""The live site's wire: `graphql-transport-ws`, with the publications of other games left out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...protocols.base import Failed, Payload, StreamPosition, Undecodable
from ...protocols.graphql_ws import GraphQLClient, Next
from .channels import selector_of

__all__ = ["StakeGraphQLClient"]


class StakeGraphQLClient(GraphQLClient):
    """The general client; a channel that shares its subscription with others (`game:dice`) gets only its own.

    `anonymous`: no token was given, so that none can be renewed where the venue asks for one: that is final.
    """

    def __init__(self, *, anonymous: bool, **options: Any) -> None:
        super().__init__(**options)
        self._anonymous = anonymous
        self._selectors: dict[str, Callable[[Any], bool]] = {}

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """As the general client; the topic is the page's channel."""
        super().subscribe(topic, params, position)
        selector = selector_of(topic)
        if selector is not None:
            self._selectors[topic] = selector

    def unsubscribe(self, topic: str) -> None:
        """As the general client."""
        super().unsubscribe(topic)
        self._selectors.pop(topic, None)

    def closed(self, code: int, reason: str) -> Failed:
        """As the general client."""
        failed = super().closed(code, reason)
        if failed.unauthorized and self._anonymous:
            return Failed(failed.reason, code, terminal=True)
        return failed

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """As the general client, without what belongs to other channels."""
        items = super().receive(payloads, now)
        return [item for item in map(self._selected, items) if item is not None] if self._selectors else items

    def _selected(self, item: Any) -> Any:
        selector = self._selectors.get(item.topic) if isinstance(item, Next) else None
        if selector is None:
            return item
        try:
            return item if selector(item.data) else None
        except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
            return Undecodable(str(error)[:200], item.topic)
