"""The venue's own errors, and what the engine's become."""

from __future__ import annotations

from tapewire.errors import CredentialsError
from tapewire.venues.kit import ErrorMap, Invalid, VenueError

__all__ = ["ERRORS", "TemplateArgumentError", "TemplateError", "TemplateLoginError"]


class TemplateError(VenueError):
    """The root of what this venue's classes raise on purpose."""


class TemplateLoginError(TemplateError):
    """The venue does not take the token: get another one."""


class TemplateArgumentError(Invalid, TemplateError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""


ERRORS = ErrorMap(
    root=TemplateError,
    refuse=TemplateArgumentError,
    by_status={401: TemplateLoginError},
    by_class={CredentialsError: TemplateLoginError},
)
