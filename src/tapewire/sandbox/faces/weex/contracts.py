"""The contracts that the played WEEX lists, and how their ticks and lots are worded. Pure.

The exchange counts in whole ticks (1 to `RANGE - 1`) and lots; a contract's price is its `floor` and the tick above it,
so that a book of a wide currency needs no wide exchange. Tick times lot is `UNIT` for every contract: one account's
cash is one number, in units of 0.00001 USDT.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from ....errors import ConfigurationError

__all__ = [
    "DEFAULT_SYMBOLS",
    "MAX_SYMBOLS",
    "RANGE",
    "UNIT_PLACES",
    "Contract",
    "contract_of",
    "contracts_for",
    "fixed",
]

RANGE = 20_000
"""Ticks between the lowest and the highest price of a contract."""

UNIT_PLACES = 5
"""Decimal places of money: one tick of one lot is 0.00001 USDT."""

MAX_SYMBOLS = 60

_PRICES: Mapping[str, tuple[str, int]] = {
    "BTCUSDT": ("86646.0", 1),
    "ETHUSDT": ("2041.50", 2),
    "ADAUSDT": ("0.65120", 5),
    "SOLUSDT": ("152.300", 3),
    "XRPUSDT": ("2.10340", 5),
    "LTCUSDT": ("91.250", 3),
}
"""Of each well-known contract: its usual price, and the decimal places of prices."""

DEFAULT_SYMBOLS: Sequence[str] = tuple(_PRICES)


def fixed(value: int, places: int) -> str:
    """`value` with its last `places` digits behind the point: `fixed(866460, 1)` is `86646.0`."""
    if places <= 0:
        return str(value)
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One listed contract. `floor` is the price, in ticks, of the exchange's tick 0."""

    symbol: str
    places: int
    floor: int

    @property
    def base(self) -> str:
        """The coin that is traded."""
        return self.symbol.removesuffix("USDT")

    @property
    def size_places(self) -> int:
        """Decimal places of sizes."""
        return UNIT_PLACES - self.places

    @property
    def v2_symbol(self) -> str:
        """Its name on the V2 wire."""
        return f"cmt_{self.symbol.lower()}"

    def price(self, tick: int) -> str:
        """A tick of the exchange as a price."""
        return fixed(self.floor + tick, self.places)

    def size(self, lots: int) -> str:
        """Lots as a size in coins; none is `0`."""
        return fixed(lots, self.size_places) if lots else "0"

    def value(self, ticks: int, lots: int) -> int:
        """What `lots` are worth, in units, where the exchange's ticks times lots sum to `ticks`."""
        return self.floor * lots + ticks

    def money(self, ticks: int, lots: int) -> str:
        """`value` in USDT."""
        return fixed(self.value(ticks, lots), UNIT_PLACES)

    def tick(self, price: str) -> int | None:
        """The exchange's tick of a price; None where it has too many places. Raises ValueError for no number."""
        whole = _scaled(price, self.places)
        return None if whole is None else whole - self.floor

    def lots(self, size: str) -> int | None:
        """A size in lots; None where it has too many places. Raises ValueError for no number."""
        return _scaled(size, self.size_places)


def _scaled(text: str, places: int) -> int | None:
    try:
        number = Decimal(str(text)).scaleb(places)
        whole = int(number)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no number") from error
    return whole if number == whole else None


def contract_of(symbol: str) -> Contract:
    """The contract of that name; an unknown one has a price of its own, always the same."""
    if symbol not in _PRICES and not (symbol.isalnum() and symbol.isupper() and symbol.endswith("USDT")):
        raise ConfigurationError("symbols", symbol, "names in capitals that end in USDT")
    price, places = _PRICES.get(symbol) or _invented(symbol)
    middle = _scaled(price, places)
    assert middle is not None
    return Contract(symbol=symbol, places=places, floor=middle - RANGE // 2)


def _invented(symbol: str) -> tuple[str, int]:
    draw = random.Random(f"price-{symbol}")
    places = draw.randint(1, 4)
    return fixed(draw.randint(5 * RANGE, 50 * RANGE), places), places


def contracts_for(symbols: int | Sequence[str]) -> list[Contract]:
    """Those contracts, or so many: the well-known first, then invented ones. Raises ConfigurationError."""
    if isinstance(symbols, int):
        if not 1 <= symbols <= MAX_SYMBOLS:
            raise ConfigurationError("symbols", symbols, f"1 to {MAX_SYMBOLS}, or their names")
        invented = [f"TW{number:02}USDT" for number in range(1, symbols - len(_PRICES) + 1)]
        symbols = [*DEFAULT_SYMBOLS, *invented][:symbols]
    if not 1 <= len(symbols) <= MAX_SYMBOLS or len(set(symbols)) != len(symbols):
        raise ConfigurationError("symbols", list(symbols), f"1 to {MAX_SYMBOLS} different names")
    return [contract_of(symbol) for symbol in symbols]
