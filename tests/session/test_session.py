import pytest

from tapewire.errors import ConfigurationError, SessionClosed
from tapewire.session.options import SessionOptions
from tapewire.session.session import Session
from tapewire.transport.base import Endpoint
from tests.session.line import line


async def test_the_repr_is_a_dashboard_line(clock):
    async with line(clock) as (session, _):
        await session.subscribe("a").confirmed()
        subscription = session.subscribe("b")
        assert repr(session) == "<Session test up subs=1/2 connections=1>"
        assert repr(subscription) == "<Subscription b subscribing buffered=0 dropped=0>"


async def test_statistics_are_frozen_figures(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("a").confirmed()
        peer.broadcast("a", "tick", {})
        peer.abort()
        await peer.joined("a", 2)
        figures = session.statistics()
        assert (figures.state, figures.connections, figures.reconnections) == ("up", 2, 1)
        assert (figures.subscriptions, figures.marks) == (1, 1)
        with pytest.raises(AttributeError):
            figures.state = "down"


async def test_a_closed_session_takes_no_subscription(clock):
    async with line(clock) as (session, _):
        pass
    with pytest.raises(SessionClosed):
        session.subscribe("a")
    await session.run_forever()


async def test_options_are_given_as_one_value_or_as_fields(clock):
    options = SessionOptions(endpoint=lambda token: Endpoint(url="ws://x"), protocol=lambda token: None)
    assert Session(options).state == "new"
    with pytest.raises(ConfigurationError, match="options"):
        Session(options, name="x")


@pytest.mark.parametrize("topic", ["", None, 7])
async def test_a_topic_is_a_text_that_is_not_empty(clock, topic):
    async with line(clock) as (session, _):
        with pytest.raises(ConfigurationError, match="topic"):
            session.subscribe(topic)
