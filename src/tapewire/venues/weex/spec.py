"""What this venue is, as data (`kit.spec`): document 004, and the V3 wire. Sources are in NOTES.md."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ...model import Fees
from ..kit.spec import ChannelSpec, OwnWords, VenueSpec
from .config import KEYS, MAX_RETRIES, TIMEOUT, VERSION
from .errors import ERRORS
from .protocol import WeexProtocol
from .url import HOST, REST, REST_URL, SOCKET_ORIGIN, SOCKETS

__all__ = ["SPEC"]

SPEC: Final = VenueSpec(
    name="weex",
    title="WEEX",
    wire="exchange streams",
    protocol=WeexProtocol,
    settings=(*KEYS, HOST, REST, *SOCKETS, VERSION, TIMEOUT, MAX_RETRIES),
    hosts={"rest": REST_URL, "sockets": SOCKET_ORIGIN},
    channels={
        "ticker": ChannelSpec.public("{symbol}@ticker"),
        "trade": ChannelSpec.public("{symbol}@trade"),
        "kline": ChannelSpec.public("{symbol}@kline{which}"),
        "depth": ChannelSpec.public("{symbol}@depth{levels}", capacity=1_000, numbered=True),
        "account": ChannelSpec.account("account"),
        "positions": ChannelSpec.account("positions"),
        "orders": ChannelSpec.account("orders"),
        "fill": ChannelSpec.account("fill"),
    },
    errors=ERRORS,
    fees=Fees(maker=Decimal("0.0002"), taker=Decimal("0.0008")),  # of the lowest tier
    own=OwnWords(
        ids=(
            *(
                "id",
                "orderId",
                "clientOrderId",
                "origClientOrderId",
                "newClientOrderId",
                "tradeId",
                "uid",
                "userId",
            ),
            *(
                "accountId",
                "isolatedPositionId",
                "separatedOpenOrderId",
                "orderIdList",
                "origClientOrderIdList",
            ),
        ),
        amounts=(
            *("amount", "balance", "availableBalance", "available", "equity", "frozen", "legacyAmount"),
            *(
                "pendingDepositAmount",
                "pendingWithdrawAmount",
                "pendingTransferInAmount",
                "pendingTransferOutAmount",
            ),
            *("cumDepositAmount", "cumWithdrawAmount", "cumTransferInAmount", "cumTransferOutAmount"),
            *(
                "cumPositionFillFeeAmount",
                "size",
                "cumFillSize",
                "cumFillValue",
                "cumFillFee",
                "cumRealizePnl",
            ),
            *(
                "fillSize",
                "fillValue",
                "fillFee",
                "liquidateFee",
                "realizePnl",
                "openValue",
                "openFee",
                "fundingFee",
            ),
            *("isolatedMargin", "marginSize", "cumOpenSize", "cumOpenValue", "cumOpenFee", "cumCloseSize"),
            *("cumCloseValue", "cumCloseFee", "cumFundingFee", "cumLiquidateFee", "unrealizePnl", "origQty"),
            *("executedQty", "cumQuote", "qty", "quoteQty", "commission", "realizedPnl", "quantity"),
        ),
        calls=r"/capi/v3/(?!market/)",
    ),
)
