"""Run by `test_ccxt_weex.py` with ccxt's own interpreter: ccxt's WEEX client, led to the address in WEEX_HOST.

It prints one JSON line for each thing it learned. Only addresses and the way to the list of markets are replaced (the
sandbox plays contracts, no spot markets): requests, signatures, frames and books are ccxt's.
"""

import asyncio
import json
import os

import ccxt.pro as ccxt

SYMBOL = "BTC/USDT:USDT"


def tell(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def client():
    host = os.environ["WEEX_HOST"]
    exchange = ccxt.weex(
        {
            "apiKey": os.environ["WEEX_API_KEY"],
            "secret": os.environ["WEEX_SECRET_KEY"],
            "password": os.environ["WEEX_PASSPHRASE"],
            "options": {"defaultType": "swap"},
        }
    )
    for name in ("public", "private", "contract", "contractPrivate"):
        exchange.urls["api"][name] = host
    # It tells contracts from spot markets by the word in the address.
    sockets = host.replace("http://", "ws://contract@", 1) + "/v3/ws"
    exchange.urls["api"]["ws"] = {"spot": sockets, "contract": sockets}
    return exchange


async def rest(exchange):
    ticker = await exchange.fetch_ticker(SYMBOL)
    tell("ticker", [ticker["last"], ticker["baseVolume"]])
    book = await exchange.fetch_order_book(SYMBOL)
    tell("book", [len(book["bids"]), book["bids"][0][0] < book["asks"][0][0]])
    tell("candles", len(await exchange.fetch_ohlcv(SYMBOL, "1m", limit=3)))
    tell("trades", [trade["side"] for trade in await exchange.fetch_trades(SYMBOL, limit=3)])
    tell("balance", (await exchange.fetch_balance())["USDT"])
    far = exchange.price_to_precision(SYMBOL, ticker["last"] - 100)
    placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, far, {"clientOrderId": "from-ccxt"})
    tell("open", [order["id"] == placed["id"] for order in await exchange.fetch_open_orders(SYMBOL)])
    await exchange.cancel_order(placed["id"], SYMBOL)
    tell("left", len(await exchange.fetch_open_orders(SYMBOL)))
    try:
        await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 1.23456, {"timeInForce": "NEVER"})
    except ccxt.InvalidOrder as error:
        tell("refused", "-1115" in str(error))


async def sockets(exchange):
    tell("watched ticker", (await exchange.watch_ticker(SYMBOL))["last"] > 0)
    for _ in range(8):
        book = await exchange.watch_order_book(SYMBOL)
    tell("watched book", {"b": dict(book["bids"]), "a": dict(book["asks"]), "u": book["nonce"]})
    tell(
        "watched trades",
        [trade["side"] in ("buy", "sell") for trade in await exchange.watch_trades(SYMBOL)][:1],
    )
    tell("watched candle", len((await exchange.watch_ohlcv(SYMBOL, "1m"))[-1]))
    await exchange.watch_positions([SYMBOL])  # the first answer is what REST says
    calls = (
        exchange.watch_orders(SYMBOL),
        exchange.watch_my_trades(SYMBOL),
        exchange.watch_positions([SYMBOL]),
        exchange.watch_balance(),
    )
    watching = [asyncio.ensure_future(call) for call in calls]
    for _ in range(10):  # the venue says nothing until something changes
        await exchange.create_order(SYMBOL, "market", "buy", 0.01)
        _, waiting = await asyncio.wait(watching, timeout=0.5)
        if not waiting:
            break
    orders, mine, positions, balance = [task.result() for task in watching]
    tell("watched order", [orders[-1]["status"], mine[-1]["side"]])
    tell("watched position", [positions[-1][name] for name in ("side", "symbol")])
    tell("watched balance", balance["USDT"]["total"] is not None)


async def wrong_secret(exchange):
    exchange.secret = "wrong"
    try:
        await exchange.fetch_balance()
    except ccxt.AuthenticationError as error:
        tell("wrong secret", "-1047" in str(error))


async def main():
    exchange = client()
    try:
        listed = await exchange.contractGetCapiV3MarketExchangeInfo()
        exchange.set_markets(exchange.parse_markets(listed["symbols"]))
        tell("markets", exchange.symbols)
        await rest(exchange)
        await sockets(exchange)
        await wrong_secret(exchange)
    finally:
        await exchange.close()
    tell("end", True)


asyncio.run(main())
