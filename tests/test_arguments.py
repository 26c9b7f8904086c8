"""What is no function, or cannot be called as it will be, is refused where it is given."""

import functools

import pytest

from tapewire.arguments import check_function, check_seconds, takes_plainly
from tapewire.errors import ConfigurationError
from tapewire.session.options import SessionOptions
from tapewire.session.subscription import Delivery
from tests.session.line import line


def two(first, second):
    pass


def none():
    pass


def one(item):
    pass


async def waits(item):
    pass


def yields(item):
    yield item


async def waits_and_yields(item):
    yield item


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({"handler": "print"}, "handler"),
        ({"handler": 5}, "handler"),
        ({"handler": none}, "handler"),
        ({"handler": two}, "handler"),
        ({"handler": yields}, "handler"),
        ({"handler": waits_and_yields}, "handler"),
        ({"handler": one, "on_mark": "x"}, "on_mark"),
        ({"handler": one, "on_mark": none}, "on_mark"),
        ({"handler": one, "on_snapshot": 1}, "on_snapshot"),
        ({"handler": one, "on_snapshot": two}, "on_snapshot"),
        ({"on_error": "x"}, "on_error"),
        ({"on_error": one}, "on_error"),
        ({"policy": "conflate", "key": "id"}, "key"),
        ({"policy": "conflate", "key": two}, "key"),
        ({"policy": "conflate", "key": waits}, "key"),
        ({"decode": "json"}, "decode"),
        ({"decode": two}, "decode"),
        ({"decode": waits}, "decode"),
        ({"snapshot": "x"}, "snapshot"),
        ({"snapshot": waits}, "snapshot"),
        ({"snapshot": none, "reconcile": True}, "reconcile"),
        ({"snapshot": none, "reconcile": one}, "reconcile"),
        ({"on_mark": one}, "on_mark"),
        ({"on_snapshot": one}, "on_snapshot"),
        ({"inline": True}, "inline"),
        ({"inline": True, "handler": waits}, "inline"),
        ({"inline": True, "handler": one, "on_mark": waits}, "on_mark"),
        ({"inline": True, "handler": one, "on_snapshot": waits}, "on_snapshot"),
        ({"snapshot_timeout": 0}, "snapshot_timeout"),
        ({"snapshot_timeout": "soon"}, "snapshot_timeout"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(fields, argument):
    with pytest.raises(ConfigurationError) as caught:
        Delivery(**fields)
    assert caught.value.argument == argument


class Called:
    def __call__(self, item):
        pass

    def method(self, item, again=None):
        pass


@pytest.mark.parametrize(
    "handler",
    [
        *(one, waits, print, [].append, Called(), Called().method, lambda *items: None, dict),
        functools.partial(two, 1),
        functools.partial(two, second=2),
    ],
)
def test_whatever_can_be_called_with_one_argument_is_a_handler(handler):
    assert Delivery(handler=handler).handler is handler


async def test_a_wrong_function_leaves_no_subscription_behind(clock):
    async with line(clock) as (session, _):
        with pytest.raises(ConfigurationError, match="handler"):
            session.subscribe("markets", handler="print")
        assert session.statistics().subscriptions == 0


def test_who_iterates_and_gives_on_mark_is_told_where_the_marks_are():
    with pytest.raises(ConfigurationError, match="among its items"):
        Delivery(on_mark=one)


@pytest.mark.parametrize("value", [True, "1", 0, -1, float("inf"), float("nan"), 86_401])
def test_seconds_are_a_number_that_can_be_waited(value):
    with pytest.raises(ConfigurationError, match="pause"):
        check_seconds("pause", value)


def test_the_text_says_how_it_will_be_called():
    with pytest.raises(ConfigurationError, match=r"callback=.*called with two arguments \(missing"):
        check_function("callback", lambda first, second, third: None, 2)


def test_what_says_nothing_of_its_arguments_is_believed():
    check_function("callback", max, 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "wss://venue.test"),
        ("protocol", none),
        ("on_state", 5),
        ("on_error", one),
        ("admit", one),
    ],
)
def test_a_sessions_own_functions_are_checked_likewise(field, value):
    fields = {"endpoint": one, "protocol": one} | {field: value}
    with pytest.raises(ConfigurationError) as caught:
        SessionOptions(**fields)
    assert caught.value.argument == field


class _Callable:
    def method(self, item):
        return item

    def two(self, item, other):
        return item


def _many(*items):
    return items


def _with_default(item, other=1):
    return item


def _keyword_only(item, *, other):
    return item


async def _async(item):
    return item


def _generator(item):
    yield item


@pytest.mark.parametrize(
    ("function", "takes", "plain"),
    [
        (lambda item: item, True, True),
        (lambda: None, False, False),
        (_Callable().method, True, True),
        (_Callable().two, False, False),
        (_many, True, True),
        (_with_default, True, True),
        (_async, True, False),
        (_generator, False, False),
        (_keyword_only, False, False),
        (print, False, False),  # nothing is known of it at a glance
        (functools.wraps(_with_default)(lambda: None), False, False),
    ],
)
def test_what_surely_takes_one_argument_is_seen_at_a_glance(function, takes, plain):
    assert takes_plainly(function, 1) is takes
    assert takes_plainly(function, 1, plain=True) is plain
