"""Ticks of the exchange in SX Bet's units, and the truth of a market's book in them. Pure.

A contract pays one USDC, 10^6 units, and a tick is the 400th part: the venue's ladder of odds has steps of 0.25 %. A
maker who buys backs outcome one at the price, a maker who sells backs outcome two at the rest. On the wire odds are the
maker's implied probability times 10^20, amounts the maker's stake (sxbet.md 1.5).
"""

from __future__ import annotations

import random
from hashlib import blake2b

import msgspec

from ...core.exchange import Exchange, Market
from ...core.matching import Side

__all__ = [
    "BASE_TOKEN",
    "ODDS_SCALE",
    "PAYOUT",
    "BookLevels",
    "HashedExchange",
    "address_of",
    "axis_price",
    "book_levels",
    "derived_hash",
    "odds_of",
    "side_levels",
    "stake_of",
]

PAYOUT = 400
"""Ticks that a contract pays."""

UNITS_PER_TICK = 10**6 // PAYOUT
ODDS_SCALE = 10**20
ODDS_PER_TICK = ODDS_SCALE // PAYOUT

BASE_TOKEN = "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B"
"""USDC on the venue's main network (sxbet.md 1.1)."""


class HashedExchange(Exchange):
    """An exchange whose markets, orders and trades are named by 32 bytes in hexadecimal."""

    def __init__(self, seed: int | str = 1) -> None:
        super().__init__(seed)
        self._hashes = random.Random(f"hashes-{seed}")

    def new_id(self) -> str:
        """The next hash: the same ones for the same seed."""
        return f"0x{self._hashes.getrandbits(256):064x}"


class BookLevels(msgspec.Struct, frozen=True):
    """A market's book on the axis of outcome one, best levels first.

    Each level is a price times 10^20 and what makers still stake there, in USDC units. Who backs outcome one bids at
    their odds, who backs outcome two offers at one minus theirs.
    """

    bids: tuple[tuple[int, int], ...]
    offers: tuple[tuple[int, int], ...]


def book_levels(market: Market) -> BookLevels:
    """What rests in the market now: what a client's book must show once it has read everything published."""

    def side(which: Side) -> tuple[tuple[int, int], ...]:
        levels = market.book.levels(which)
        return tuple((axis_price(price), stake_of(which, price, quantity)) for price, quantity in levels)

    return BookLevels(side("buy"), side("sell"))


def axis_price(price: int) -> int:
    """The price of outcome one, times 10^20."""
    return price * ODDS_PER_TICK


def odds_of(side: Side, price: int) -> int:
    """The implied probability of what that side backs, times 10^20."""
    return (price if side == "buy" else PAYOUT - price) * ODDS_PER_TICK


def stake_of(side: Side, price: int, quantity: int) -> int:
    """What so many contracts cost that side, in USDC units."""
    return (price if side == "buy" else PAYOUT - price) * quantity * UNITS_PER_TICK


def side_levels(market: Market, side: Side) -> list[dict[str, str]]:
    """One outcome's makers, the best odds first, as the later generation's books have them."""
    return [
        {"percentageOdds": str(odds_of(side, price)), "size": str(stake_of(side, price, quantity))}
        for price, quantity in market.book.levels(side)
    ]


def address_of(account: str) -> str:
    """The account's wallet: its name where that is one."""
    return account if account.startswith("0x") else derived_hash("wallet", account)[:42]


def derived_hash(*parts: str) -> str:
    """Another hash that follows from names: fills of orders, wallets of accounts."""
    return f"0x{blake2b(':'.join(parts).encode(), digest_size=32).hexdigest()}"
