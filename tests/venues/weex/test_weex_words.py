"""The venue's words: addresses, accounts, symbols, rows as the document reads them, and its error codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import pickle
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.errors import HttpError
from tapewire.model.fields import InvalidField
from tapewire.venues import weex
from tapewire.venues.weex import V2, V3, WeexConfig, WEEXInvalidArgument
from tapewire.venues.weex.account import unrealized_pnl
from tapewire.venues.weex.errors import ERRORS
from tapewire.venues.weex.fields import mapped
from tapewire.venues.weex.message import SEEN_TRADES, NewTrades, messages_of, order_status
from tapewire.venues.weex.signing import VenueTime, signed_headers
from tapewire.venues.weex.symbols import checked_symbol, depth_for
from tapewire.venues.weex.wire import Frame

SECRETS = {"WEEX_API_KEY": "key-1", "WEEX_SECRET_KEY": "secret-1", "WEEX_PASSPHRASE": "pass-1"}


def test_an_empty_environment_is_the_live_venue_without_an_account() -> None:
    config = WeexConfig.from_env({})
    assert config.addresses.rest == "https://api-contract.weex.com"
    assert config.addresses.public == "wss://ws-contract.weex.com/v3/ws/public"
    assert config.addresses.private == "wss://ws-contract.weex.com/v3/ws/private"
    assert (config.environment, config.has_credentials) == ("production", False)


@pytest.mark.parametrize("environment", ["production", "development", "staging", "testing", "sandbox"])
def test_the_name_of_an_environment_changes_no_host(environment: str) -> None:
    config = WeexConfig.from_env({"WEEX_ENVIRONMENT": environment})
    assert config.environment == environment
    assert config.addresses == WeexConfig.from_env({}).addresses


@pytest.mark.parametrize(
    "names", [("WEEX_SECRET_KEY", "WEEX_PASSPHRASE"), ("WEEX_API_SECRET", "WEEX_API_PASSPHRASE")]
)
def test_both_sets_of_names_are_read(names: tuple[str, str]) -> None:
    config = WeexConfig.from_env({"WEEX_API_KEY": "k", names[0]: "s", names[1]: "p"})
    assert [secret.reveal() for secret in (config.api_key, config.secret_key, config.passphrase)] == [
        "k",
        "s",
        "p",
    ]  # type: ignore[union-attr]


def test_one_host_gives_all_three_addresses() -> None:
    config = WeexConfig.from_env({"WEEX_HOST": "http://127.0.0.1:8000"})
    assert config.addresses.rest == "http://127.0.0.1:8000"
    assert config.addresses.public == "ws://127.0.0.1:8000/v3/ws/public"
    assert config.addresses.private == "ws://127.0.0.1:8000/v3/ws/private"
    assert WeexConfig(host="http://127.0.0.1:8000", version="v2").addresses.public.endswith(
        ":8000/v2/ws/public"
    )


@pytest.mark.parametrize("name", ["WEEX_REST_URL", "WEEX_BASE_URL"])
def test_each_address_may_be_given_by_itself(name: str) -> None:
    config = WeexConfig.from_env(
        {
            name: "https://rest.example/",
            "WEEX_WS_PUBLIC_URL": "wss://ws.example/v3/ws/public",
            "WEEX_WS_PRIVATE_URL": "wss://own.example/v3/ws/private",
        }
    )
    assert config.addresses.rest == "https://rest.example"
    assert config.addresses.public == "wss://ws.example/v3/ws/public"
    assert config.addresses.private == "wss://own.example/v3/ws/private"
    assert replace(config, timeout=3.0).addresses.rest == "https://rest.example"
    alone = WeexConfig.from_env(
        {name: "https://api-contract.weex.com/"}
    )  # the venue's own: what is missing is, too
    assert alone.addresses.public == "wss://ws-contract.weex.com/v3/ws/public"


def test_secrets_are_shown_nowhere() -> None:
    config = WeexConfig.from_env(SECRETS)
    assert not any(secret in f"{config!r} {config} {vars(config)}" for secret in SECRETS.values())
    with pytest.raises(TypeError):
        pickle.dumps(config)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": "k"}, "secret_key"),
        ({"api_key": "k", "secret_key": "s"}, "passphrase"),
        ({"api_key": "k\n", "secret_key": "s", "passphrase": "p"}, "api_key"),
        ({"environment": "test"}, "environment"),
        ({"version": "v4"}, "version"),
        ({"host": "http://venue.example"}, "host"),
        ({"rest_url": "https://a/b", "host": "a"}, "rest_url"),
        ({"ws_public_url": "https://a/v3/ws/public", "host": "a"}, "ws_public_url"),
        ({"ws_public_url": "wss://a/v2/ws/public", "host": "a"}, "ws_public_url"),
        ({"ws_private_url": "wss://a/v3/ws/private", "version": "v2", "host": "a"}, "ws_private_url"),
        ({"timeout": 0}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_connections": 1}, "max_connections"),
    ],
)
def test_a_wrong_setting_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(WEEXInvalidArgument, match=f"^{named}="):
        WeexConfig(**fields)


def test_a_number_in_the_environment_that_is_none_is_named() -> None:
    assert WeexConfig.from_env({"API_TIMEOUT": "3.5", "WEEX_MAX_RETRIES": "1"}).timeout == 3.5
    with pytest.raises(WEEXInvalidArgument, match="WEEX_TIMEOUT"):
        WeexConfig.from_env({"WEEX_TIMEOUT": "soon"})


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btcusdt", "cmt_btcusdt", "CMT_BTCUSDT"])
def test_every_spelling_of_a_symbol_is_one_contract(symbol: str) -> None:
    assert checked_symbol(symbol) == "BTCUSDT"


@pytest.mark.parametrize("symbol", ["", "BTC-USDT", "BTC USDT", 5, None, "B" * 60, "btc@ticker"])
def test_what_is_no_symbol_is_refused(symbol: Any) -> None:
    with pytest.raises(WEEXInvalidArgument):
        checked_symbol(symbol)


def test_topics_are_spelled_as_each_wire_wants_them() -> None:
    assert V3.symbol_topic("depth", "BTCUSDT", 15) == "BTCUSDT@depth15"
    assert V3.kline_topic("BTCUSDT", "1m", "LAST_PRICE") == "BTCUSDT@kline_1m_LAST_PRICE"
    assert V2.symbol_topic("depth", "BTCUSDT", 15) == "depth.cmt_btcusdt.15"
    assert V2.symbol_topic("trade", "BTCUSDT") == "trades.cmt_btcusdt"
    assert V2.kline_topic("BTCUSDT", "1m", "LAST_PRICE") == "kline.LAST_PRICE.cmt_btcusdt.MINUTE_1"
    assert [depth_for(level) for level in (1, 15, 16, 200)] == [15, 15, 200, 200]


def frame(channel: str, *rows: dict[str, Any], **fields: Any) -> Frame:
    raw = msgspec.Raw(msgspec.json.encode(rows))
    return Frame(
        "", channel, fields.pop("symbol", ""), False, fields.pop("venue_time_ms", 5000), b"", raw, **fields
    )


def only(channel: str, row: dict[str, Any], profile: Any = V3, **fields: Any) -> Any:
    def fail(error: Exception) -> None:
        raise error

    (message,) = messages_of(frame(channel, row, **fields), profile, fail)
    return message


def test_a_v2_ticker_reads_as_a_v3_one() -> None:
    row = {
        "symbol": "cmt_btcusdt", "priceChange": "-2055.6", "priceChangePercent": "-0.019637", "trades": "107941",
        "size": "65018.43540", "value": "6714216577.08", "high": "105123.3", "low": "101826.9", "lastPrice": "102620.3",
        "markPrice": "102622.5",
    }  # fmt: skip
    data = only("ticker", row, V2, symbol="BTCUSDT").data
    assert (data["last"], data["volume"], data["change"]) == (
        Decimal("102620.3"),
        Decimal("65018.43540"),
        Decimal("-1.9637"),
    )
    assert data["mark"] == Decimal("102622.5")


def test_what_the_venue_did_not_say_is_missing() -> None:
    data = only("ticker", {"c": "5", "v": None, "P": ""}).data
    assert data == {"last": Decimal(5)}
    assert data.get("volume", "N/A") == "N/A"


def test_numbers_without_quotes_are_exact_too() -> None:
    raw = msgspec.Raw(b'[{"c":0.1,"n":465441}]')
    (message,) = messages_of(Frame("", "ticker", "", False, 1, b"", raw), V3, lambda error: None)
    assert (message.data["last"], message.data["trades"]) == (Decimal("0.1"), 465441)


@pytest.mark.parametrize("value", ["NaN", "1e999", "abc", [], {"a": 1}, True, "9" * 60])
def test_a_corrupt_number_is_an_error_of_its_row(value: Any) -> None:
    with pytest.raises(InvalidField):
        mapped({"c": value}, V3.fields["ticker"])


@pytest.mark.parametrize(
    ("status", "filled", "reason", "expected"),
    [
        ("PENDING", "0", "", "new"),
        ("NEW", "0", "", "new"),
        ("NEW", "0.5", "", "partially_filled"),
        ("PENDING", "0.5", "", "partially_filled"),
        ("FILLED", "2", "", "filled"),
        ("CANCELING", "0.5", "", "canceling"),
        ("CANCELED", "0", "USER_CANCELED", "canceled"),
        ("CANCELED", "0.5", "", "canceled"),
        ("CANCELED", "0", "POST_ONLY_REJECTED", "rejected"),
        ("REJECTED", "0", "", "rejected"),
        ("EXPIRED", "0", "", "expired"),
        ("UNTRIGGERED", "0", "", "untriggered"),
        ("SOMETHING", "0", "", "something"),
    ],
)
def test_the_document_has_a_word_for_each_state_of_an_order(
    status: str, filled: str, reason: str, expected: str
) -> None:
    data = {"venue_status": status, "size": Decimal(2), "filled_size": Decimal(filled), "reason": reason}
    assert order_status(data) == expected


def test_a_fill_has_the_price_that_its_value_and_size_say() -> None:
    data = only(
        "fill",
        {"id": "1", "fillSize": "2", "fillValue": "50", "direction": "TAKER", "createdTime": "1790134568000"},
    ).data
    assert (data["price"], data["liquidity"]) == (25, "taker")


def test_a_time_is_the_rows_own_or_else_the_frames() -> None:
    assert only("orders", {"id": "1", "updatedTime": "1790134568500"}).timestamp == 1790134568.5
    assert only("orders", {"id": "1"}).timestamp == 5.0
    assert only("orders", {"id": "1"}, venue_time_ms=None, received_at_ns=3_000_000_000).timestamp == 3.0


@pytest.mark.parametrize(
    ("side", "mark", "profit"),
    [("long", "110", 20), ("long", "90", -20), ("short", "110", -20), ("short", "90", 20)],
)
def test_profit_is_worth_less_cost_and_the_other_way_for_a_short(side: str, mark: str, profit: int) -> None:
    assert unrealized_pnl(side, Decimal(2), Decimal(200), Decimal(mark)) == profit


def test_a_signature_covers_time_method_target_and_body() -> None:
    config = WeexConfig.from_env(SECRETS)
    headers = signed_headers(config, 1_700_000_000_000, "POST", "/capi/v3/order?a=1", b'{"b":2}')
    signed = b'1700000000000POST/capi/v3/order?a=1{"b":2}'
    assert (
        headers["ACCESS-SIGN"] == base64.b64encode(hmac.digest(b"secret-1", signed, hashlib.sha256)).decode()
    )
    assert headers["ACCESS-TIMESTAMP"] == "1700000000000"
    assert headers["User-Agent"]


def test_the_venues_clock_is_taken_from_the_middle_of_the_call(clock: Any) -> None:
    time = VenueTime(clock)
    now_ns = clock.time_ns()
    time.learn(now_ns // 1_000_000 + 5_000, now_ns, now_ns + 2_000_000_000)
    assert time.offset_ms == 4_000
    assert time.now_ms() == now_ns // 1_000_000 + 4_000


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("-1046", 400, weex.WEEXAuthenticationError),
        ("-1050", 400, weex.WEEXPermissionError),
        ("-1058", 400, weex.WEEXPermissionError),
        ("-1054", 400, weex.WEEXSystemError),
        ("-1142", 400, weex.WEEXParameterError),
        ("-1121", 400, weex.WEEXParameterError),
        ("-2200", 400, weex.WEEXNotFoundError),
        ("-3200", 400, weex.WEEXNotFoundError),
        ("-3007", 400, weex.WEEXRequestError),
        ("40009", 400, weex.WEEXAuthenticationError),
        ("40020", 400, weex.WEEXParameterError),
        ("50003", 400, weex.WEEXSystemError),
        ("429", 200, weex.WEEXRateLimitError),
        ("", 429, weex.WEEXRateLimitError),
        ("", 503, weex.WEEXSystemError),
        ("", 401, weex.WEEXAuthenticationError),
        ("", 403, weex.WEEXPermissionError),
        ("", 404, weex.WEEXRequestError),
    ],
)
def test_a_code_is_an_exception_of_its_kind(code: str, status: int, kind: type[Exception]) -> None:
    body = b'{"code":"%s","msg":"the venue said"}' % code.encode()
    failed = HttpError(
        "GET", "https://h/x", status=status, detail="no", body=body, passing=None if status >= 300 else True
    )
    error: Any = ERRORS.of_http(failed)
    assert type(error) is kind
    assert (error.code, error.status) == (code, status)


def test_documentation_tools_find_a_method_and_a_value() -> None:
    """Sphinx asks the class for a signature (automethod) and a description (autoattribute); page 004 names these."""
    for name in (
        "stream_tickers", "stream_order_book", "stream_trades", "stream_account", "stream_positions", "stream_orders",
        "connect", "disconnect", "is_connected",
    ):  # fmt: skip
        documented = getattr(weex.WeexWebSocketClient, name)
        assert callable(documented)
        assert next(iter(inspect.signature(documented).parameters)) == "self"
        assert inspect.getdoc(documented)


async def test_the_state_is_a_value_and_may_be_called() -> None:
    client = weex.WeexWebSocketClient(WeexConfig(host="http://127.0.0.1:1"))
    assert (client.is_connected, client.is_connected(), bool(client.is_connected)) == (False, False, False)
    assert weex.WeexWebSocketClient.is_connected(client) is False
    with pytest.raises(AttributeError):
        client.is_connected = True  # type: ignore[assignment]
    await client.disconnect()


def test_the_last_two_thousand_trades_are_known_again_and_no_memory_is_without_end() -> None:
    new = NewTrades(V3)

    def fresh(*numbers: int) -> list[str]:
        rows = [
            {"t": str(n), "p": "1", "q": "1", "v": "1", "m": True, "T": 1_790_134_568_308} for n in numbers
        ]
        raw = msgspec.Raw(msgspec.json.encode(rows))
        told = new(Frame("", "trade", "BTCUSDT", False, 1_790_134_568_308, b"", raw), pytest.fail)
        return [row["id"] for row in told]

    for number in range(9_999):
        assert fresh(number) == [str(number)]
        assert len(new._seen) + len(new._seen_before) < 2 * SEEN_TRADES
    for number in range(9_999 - SEEN_TRADES, 9_999):
        assert fresh(number) == []
    assert fresh(9_998, 9_999) == ["9999"]
