"""What a venue is, as data: its names, wire, settings, addresses, channels and errors, each said once.

A venue's `spec.py` gathers them; its own code, the registry, and `tapewire.testing.check_venue` read them there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self

import msgspec

from ...model import Fees
from ...session.buffers import Policy
from ...session.subscription import Delivery
from .errors import ErrorMap
from .settings import SettingSpec

__all__ = ["ACCOUNT_CAPACITY", "PUBLIC_CAPACITY", "ChannelSpec", "OwnWords", "VenueSpec"]

PUBLIC_CAPACITY = 5_000
ACCOUNT_CAPACITY = 10_000
"""Publications that wait for a slow consumer, unless a channel or its consumer says otherwise."""


class ChannelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of channel.

    `topic`: its name on the wire; what stands in braces is filled in: `trades:{market}`. `private`: it tells of one
    account. `policy`, `capacity`: of the buffer of whoever says nothing else. `numbered`: its publications carry
    numbers, so that one that is missing, comes twice or comes late is seen. `decode`: from the wire's publication to
    what consumers get; None where that is made for each of them. `snapshot`: given the venue's HTTP client, fetches the
    state from which the stream goes on; None where there is none.
    """

    topic: str
    private: bool
    policy: Policy
    capacity: int
    numbered: bool = False
    decode: Callable[[Any], Any] | None = None
    snapshot: Callable[[Any], Any] | None = None

    @classmethod
    def public(cls, topic: str, **facts: Any) -> Self:
        """Market data: a consumer that is too slow loses the oldest, and is told so."""
        defaults: dict[str, Any] = {"private": False, "policy": "drop_oldest", "capacity": PUBLIC_CAPACITY}
        return cls(topic=topic, **(defaults | facts))

    @classmethod
    def account(cls, topic: str, **facts: Any) -> Self:
        """What is the user's own: to lose one of them is worse than to stop, so that a full buffer ends the stream."""
        defaults: dict[str, Any] = {"private": True, "policy": "fail", "capacity": ACCOUNT_CAPACITY}
        return cls(topic=topic, **(defaults | facts))

    def names(self, topic: str) -> bool:
        """True if that topic is of this kind."""
        return _pattern(self.topic).fullmatch(topic) is not None


class OwnWords(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue words what is an account's own, so that a tape of it can be anonymised.

    `ids`, `amounts`: names of fields in messages of private channels, and in `calls`: found in the method, URL and body
    of calls about the account. `owner`: what stands in braces for the account in the topics of private channels.
    """

    ids: tuple[str, ...]
    amounts: tuple[str, ...]
    calls: str
    owner: str | None = None


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One venue. `name` is how it is asked for, `title` what people call it, `wire` how it speaks, in words.

    `protocol`: makes the `ClientProtocol` of one connection; its arguments are the venue's own business. `settings`:
    what its realtime class takes from arguments or the environment, `market_settings` what its market takes beside it.
    `hosts`: its documented addresses, by what they serve. `channels`: by kind; of two that name a topic the first
    counts. `errors`: its tree. `answers_joins`: it says of a channel that it serves it; where it does not, one that it
    passed over is quiet, and nobody can know why. `own`: how it words what is an account's own. `fees`: what it
    takes for a fill, None where no document says. `late_prints`: its prints may come behind the change of the book that
    they caused.
    """

    name: str
    title: str
    wire: str
    protocol: Callable[..., Any]
    settings: tuple[SettingSpec, ...]
    hosts: Mapping[str, str]
    channels: Mapping[str, ChannelSpec]
    errors: ErrorMap
    answers_joins: bool = True
    market_settings: tuple[SettingSpec, ...] = ()
    own: OwnWords | None = None
    fees: Fees | None = None
    late_prints: bool = False

    @property
    def variables(self) -> dict[str, SettingSpec]:
        """Every variable of the environment that is looked at, and the setting that it is of."""
        return {name: each for each in (*self.settings, *self.market_settings) for name in each.variables}

    def owner_of(self, topic: str) -> str | None:
        """The part of a private topic that names the account, empty where none does; None for a public one."""
        channel = next((channel for channel in self.channels.values() if channel.names(topic)), None)
        if channel is None or not channel.private:
            return None
        owner = None if self.own is None else self.own.owner
        before, brace, _ = channel.topic.partition(f"{{{owner}}}")
        return topic[len(before) :] if brace else ""

    def channel_of(self, topic: str) -> ChannelSpec:
        """The kind of channel that a topic of the wire is of. Raises the venue's error for a wrong argument."""
        known = self.channels.values() if type(topic) is str else ()
        found = next((channel for channel in known if channel.names(topic)), None)
        if found is None:
            raise self.errors.refuse("channel", topic, [channel.topic for channel in self.channels.values()])
        return found

    def delivery(self, topic: str, given: Mapping[str, Any], **ours: Any) -> Delivery:
        """How `topic` is delivered: as its kind has it, but for what is `ours`, but for what its consumer has `given`.

        Raises the venue's error for a wrong argument where there is no such field.
        """
        channel = self.channel_of(topic)
        kind = {"policy": channel.policy, "capacity": channel.capacity, "decode": channel.decode}
        unknown = given.keys() - set(Delivery.__struct_fields__)
        if unknown:
            raise self.errors.refuse("delivery", ", ".join(sorted(unknown)), Delivery.__struct_fields__)
        return Delivery(**{**kind, **ours, **given})


@cache
def _pattern(topic: str) -> re.Pattern[str]:
    """What is filled in is one or more characters."""
    return re.compile(
        "".join(".+" if part[:1] == "{" else re.escape(part) for part in _parts(topic)), re.DOTALL
    )


def _parts(topic: str) -> list[str]:
    return re.split(r"(\{[^{}]*\})", topic)
