"""The channels: the names of both documented generations, and the topics they are on the wire.

Name and topic differ (`Channels.TRADES` joins `active_trades:<uid>`), so this table holds both and derives neither
from the other. The earlier generation's names are aliases where the topic is the same.
"""

from __future__ import annotations

from enum import Enum

from .errors import STXInvalidParameterException

__all__ = ["SCOPED_CHANNELS", "Channels", "name_of", "topic_for"]


class Channels(Enum):
    """What can be joined. The value is the topic on the wire, without the user's id.

    MARKETS and MARKET_INFO are broadcast; all others carry one user's data, and the id is added on joining.
    """

    MARKETS = "markets"
    TRADES = "active_trades"
    ORDERS = "active_orders"
    POSITIONS = "active_positions"
    SETTLEMENTS = "active_settlements"
    PORTFOLIO = "portfolio"
    USER_INFO = "user_info"

    # The earlier generation (document 001).
    MARKET_INFO = "market_info"
    ACTIVE_TRADES = "active_trades"  # noqa: PIE796 - an alias, on purpose
    ACTIVE_ORDERS = "active_orders"  # noqa: PIE796
    ACTIVE_POSITIONS = "active_positions"  # noqa: PIE796
    ACTIVE_SETTLEMENTS = "active_settlements"  # noqa: PIE796

    @property
    def scoped(self) -> bool:
        """True if the topic carries the user's id."""
        return self in SCOPED_CHANNELS


SCOPED_CHANNELS = frozenset(
    {
        Channels.TRADES,
        Channels.ORDERS,
        Channels.POSITIONS,
        Channels.SETTLEMENTS,
        Channels.PORTFOLIO,
        Channels.USER_INFO,
    }
)
_SCOPED_NAMES = frozenset(channel.value for channel in SCOPED_CHANNELS)


def topic_for(channel: Channels | str, uid: str | None = None) -> str:
    """The topic on the wire. A member is scoped with `uid` where it has to be; a string is sent as it is.

    Raises STXInvalidParameterException for anything else, for an empty string, and for a scoped member without `uid`.
    """
    if isinstance(channel, Channels):
        if not channel.scoped:
            return str(channel.value)
        if not uid:
            raise STXInvalidParameterException(
                "uid", uid, f"the user's id, which {channel.name} is joined with: sign in"
            )
        return f"{channel.value}:{uid}"
    if str(channel or "").strip() and isinstance(channel, str):
        return channel
    raise STXInvalidParameterException(
        "channel", channel, f"a topic that is not empty, or Channels.{', '.join(Channels.__members__)}"
    )


def name_of(topic: str, uid: str | None = None) -> str:
    """What `ChannelMessage.channel` says of a topic: `active_orders:<uid>` is `active_orders`.

    With `uid` only that id is taken off, so that another user's topic, joined as a string, stays distinguishable.
    """
    name, _, owner = topic.partition(":")
    return name if name in _SCOPED_NAMES and owner and uid in (None, owner) else topic
