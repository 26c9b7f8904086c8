"""What handlers and iterations get."""

from __future__ import annotations

from typing import Any

import msgspec

from tapewire.venues.kit import exact_json

from .wire import Update

__all__ = ["TemplateMessage", "message_of"]


class TemplateMessage(msgspec.Struct, frozen=True):
    """One message of a channel. `number` counts within it; `raw` is the payload as JSON, untouched."""

    channel: str
    number: int
    raw: msgspec.Raw

    @property
    def payload(self) -> Any:
        """The payload, its numbers exact. Raises ValueError where it is no JSON."""
        return exact_json(self.raw)


def message_of(update: Update) -> TemplateMessage:
    """The message of a publication."""
    return TemplateMessage(update.topic, update.number, update.data)
