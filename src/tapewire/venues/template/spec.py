"""What this venue is, as data. What is said here is said nowhere else."""

from __future__ import annotations

from typing import Final

from tapewire.venues.kit import ChannelSpec, SettingSpec, VenueSpec

from .errors import ERRORS
from .message import message_of
from .protocol import TemplateProtocol

__all__ = ["HOST", "SPEC", "TOKEN"]

HOST: Final = SettingSpec("host", ("TEMPLATE_HOST",), "https://api.template.example", address=True)
TOKEN: Final = SettingSpec("token", ("TEMPLATE_TOKEN",), secret=True)

SPEC: Final = VenueSpec(
    name="template",
    title="Template",
    wire="JSON channels, numbered",
    protocol=TemplateProtocol,
    settings=(HOST, TOKEN),
    hosts={"socket": HOST.default},
    channels={
        "trades": ChannelSpec.public("trades", numbered=True, decode=message_of),
        "balance": ChannelSpec.account("balance", numbered=True, decode=message_of),
    },
    errors=ERRORS,
)
