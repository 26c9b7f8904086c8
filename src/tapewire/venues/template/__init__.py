"""A small complete venue, to be copied: docs/new-venue.md walks through it. There is none of that name."""

from __future__ import annotations

from .errors import TemplateArgumentError, TemplateError, TemplateLoginError
from .message import TemplateMessage
from .socket import TemplateSocket

__all__ = [
    "TemplateArgumentError",
    "TemplateError",
    "TemplateLoginError",
    "TemplateMessage",
    "TemplateSocket",
]
