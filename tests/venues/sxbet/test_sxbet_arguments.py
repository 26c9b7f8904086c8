"""A wrong argument is named at once, with what is allowed; nothing is made of it and nothing is asked."""

import functools

import pytest

from tapewire.errors import ConfigurationError
from tapewire.venues.sxbet import AsyncSXBet, SXBetClient
from tapewire.venues.sxbet.arguments import checked_handler, checked_token_getter
from tests.venues.sxbet.rows import KEY
from tests.venues.sxbet.test_sxbet_document import venue_and_client

HOST = "http://127.0.0.1:1"
TRADES = "recent_trades:global"


async def fetch():
    return "a-token"


def plain():
    return "a-token"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"api_key": 5}, "api_key='a int'"),
        ({"api_key": b"my-secret-bytes"}, "api_key='a bytes'"),
        ({"api_key": "a key"}, "api_key="),
        ({"retry": 3}, "retry=3"),
        ({"timeout": "soon"}, "timeout='soon'"),
        ({"get_token": "a-token"}, "get_token='a-token'"),
        ({"get_token": lambda key: plain()}, "get_token="),
        ({"supervise": True}, "supervise=True"),
        ({"channels": "512"}, "channels='512'"),
        ({"channels": 0}, "channels=0"),
        ({"max_ping_delay": None}, "max_ping_delay=None"),
        ({"session_options": ["strict"]}, "session_options="),
        ({"session_options": {"no_such": 1}}, "session_options='no_such'"),
        ({"no_such": 1}, "argument='no_such'"),
        ({"profile": 5}, "profile=5"),
        ({"network": 5}, "network=5"),
        ({"host": 5}, "host=5"),
    ],
)
async def test_a_wrong_setting_of_the_client_is_named(settings, named):
    with pytest.raises(ConfigurationError) as caught:
        SXBetClient(**({"host": HOST, "api_key": KEY} | settings))
    assert str(caught.value).startswith(named)
    assert "allowed: " in str(caught.value)
    assert "my-secret" not in str(caught.value)


async def test_a_key_that_is_no_text_in_the_http_client_is_named():
    with pytest.raises(
        ConfigurationError, match="api_key='a float' is not valid; allowed: a text or a Secret"
    ):
        AsyncSXBet(host=HOST, api_key=1.5)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"positioned": "yes"}, "positioned='yes'"),
        ({"recoverable": "yes"}, "recoverable='yes'"),
        ({"recoverable": 1, "positioned": True}, "recoverable=1"),
        ({"recoverable": True}, "positioned=False"),
        ({"since": "7"}, "since='7'"),
        ({"since": "7", "positioned": True, "recoverable": True}, "since='7'"),
        ({"get_token": fetch}, "get_token="),
        ({"get_token": 7}, "get_token=7"),
        ({"no_such": 1}, "delivery='no_such'"),
        ({"handler": print}, "delivery='handler'"),
        ({"policy": "newest"}, "policy='newest'"),
        ({"capacity": "many"}, "capacity='many'"),
    ],
)
async def test_a_wrong_option_of_a_channel_is_named(clock, fields, named):
    async with venue_and_client(clock) as (_, client):
        with pytest.raises(ConfigurationError) as caught:
            client.new_subscription(TRADES, **fields)
        assert str(caught.value).startswith(named)
        assert "allowed: " in str(caught.value)


@pytest.mark.parametrize("channel", ["", None, 5, b"a:b", "a" * 256])
async def test_a_channel_that_is_no_name_is_named(clock, channel):
    async with venue_and_client(clock) as (_, client):
        with pytest.raises(ConfigurationError, match=r"^channel=.*a name of 1 to 255 bytes"):
            client.new_subscription(channel)


@pytest.mark.parametrize("handler", ["h", 5, lambda: None, lambda one, two: None, [print]])
async def test_a_handler_that_cannot_be_called_with_a_context_is_refused(clock, handler):
    async with venue_and_client(clock) as (_, client):
        channel = client.new_subscription(TRADES)
        for source, event in ((client, "connected"), (channel, "publication")):
            with pytest.raises(ConfigurationError, match=r"^handler=.*takes one argument"):
                source.on(event, handler)
            with pytest.raises(ConfigurationError, match=r"^handler="):
                source.on(event)(handler)
            with pytest.raises(ConfigurationError, match=r"^event="):
                source.on(["connected"], print)


def test_whatever_can_be_called_with_a_context_is_a_handler():
    class Callable:
        async def __call__(self, context):
            pass

    def keeps(context, more=1):
        pass

    for handler in (
        print,
        [].append,
        Callable(),
        keeps,
        functools.partial(keeps, more=2),
        lambda *all_of_it: None,
    ):
        assert checked_handler("handler", handler) is handler
    for getter in (fetch, lambda: fetch(), functools.partial(fetch)):
        assert checked_token_getter(getter) is getter


async def test_a_get_token_that_gives_nothing_to_await_stops_the_client_at_its_first_call(clock):
    async with venue_and_client(clock, get_token=plain) as (_, client):
        with pytest.raises(
            ConfigurationError, match="get_token='plain' is not valid; allowed: an async function"
        ):
            await client.connect()
        assert client.state == "disconnected"


async def test_a_get_token_of_a_channel_that_gives_nothing_to_await_ends_the_channel(clock):
    async with venue_and_client(clock) as (_, client):
        await client.connect()
        channel = client.new_subscription(TRADES, get_token=lambda name: "a-token")
        with pytest.raises(ConfigurationError, match=r"get_token=.*an async function"):
            await channel.ready()
        assert client.state == "connected"


async def test_a_plain_function_that_gives_something_to_await_is_a_get_token(clock):
    async with venue_and_client(clock, get_token=lambda: fetch()) as (venue, client):
        await client.connect()
        assert venue.tokens == ["a-token"]
