"""`TemplateSocket`: the documented class. The line is the kit's; here are the venue's words alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Unpack

from tapewire import Mark, Secret
from tapewire.session import Credentials, Endpoint, Subscription
from tapewire.venues.kit import (
    EITHER,
    Announcement,
    Dialer,
    SocketWords,
    Sources,
    VenueSocket,
    address,
    secret,
)

from .errors import ERRORS
from .message import TemplateMessage
from .spec import HOST, SPEC, TOKEN

__all__ = ["TemplateSocket"]

logger = logging.getLogger("tapewire.venues.template")


@ERRORS.covers
class TemplateSocket(VenueSocket):
    """The venue's stream: `async with TemplateSocket(token) as ws`, then `ws.watch(channel)`.

    `token`: yours (default: TEMPLATE_TOKEN). `host`: another address (default: TEMPLATE_HOST, the venue). `words`: see
    `tapewire.venues.kit.SocketWords`. Raises TemplateArgumentError naming a wrong argument.
    """

    def __init__(
        self, token: str | Secret | None = None, *, host: str | None = None, **words: Unpack[SocketWords]
    ) -> None:
        sources = Sources()
        place = sources.take(HOST, host)
        origin = address(place, EITHER, ERRORS.refuse)
        self._url = f"{re.sub('^http', 'ws', origin)}/socket"
        self._token = secret(sources.take(TOKEN, token or None), ERRORS.refuse)
        if self._token is None:
            raise ERRORS.refuse("token", None, "your token, here or in TEMPLATE_TOKEN")
        super().__init__(
            SPEC,
            words,
            endpoint=self._endpoint,
            protocol=lambda token: SPEC.protocol(),
            credentials=Credentials(self._given),
            announcement=Announcement(logger, SPEC.name, [self._url], place.source),
        )

    def watch(
        self,
        channel: str,
        on_message: Callable[[TemplateMessage], Any] | None = None,
        *,
        on_mark: Callable[[Mark], Any] | None = None,
        **delivery: Any,
    ) -> Subscription[TemplateMessage]:
        """Join a channel: iterate it, or give it a handler, plain or async. Returns at once.

        It yields `TemplateMessage`s, and marks (tapewire.marks) where the stream broke. `await` its `confirmed()` for
        the venue's word, `unsubscribe()` it to leave. `delivery`: policy, capacity and the other fields of tapewire's
        `Delivery`. Raises TemplateArgumentError for what is no channel.
        """
        return self._subscribe(channel, delivery, handler=on_message, on_mark=on_mark)

    def _endpoint(self, token: Secret | None, dialer: Dialer) -> Endpoint:
        headers = {} if token is None else {"Authorization": f"Bearer {token.reveal()}"}
        return Endpoint(url=self._url, headers=headers, **dialer.endpoint)

    async def _given(self, fresh: bool) -> Secret:
        """A venue whose tokens end would fetch another one here where `fresh` is asked for."""
        assert self._token is not None
        return self._token
