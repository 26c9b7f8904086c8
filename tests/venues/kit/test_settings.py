"""One rule for every venue: argument, then environment, then profile, then the documented default; and one answer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ConfigurationError
from tapewire.venues.kit.settings import EITHER, Rank, Setting, Sources, address
from tapewire.venues.weex import WeexConfig
from tests.venues.kit.one_of_each import STAKE, STX_, SXBET, VENUES, WEEX, OneVenue

each = pytest.mark.parametrize("venue", VENUES, ids=str)
both_kinds = pytest.mark.parametrize("kind", ["streaming", "calling"])

ELSEWHERE = "http://127.0.0.1:4001"
EVEN_ELSEWHERE = "http://127.0.0.1:4002"


def make(venue: OneVenue, kind: str, **where: Any) -> Any:
    maker: Callable[..., Any] = getattr(venue, kind)
    return maker(**where)


def leads_to(origin: str, found: str) -> bool:
    return found.replace("ws", "http", 1).startswith(origin)


@each
@both_kinds
async def test_an_argument_beats_the_environment_and_that_the_default(
    venue: OneVenue, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (there,) = venue.origins(make(venue, kind))
    assert leads_to(venue.default, there)
    monkeypatch.setenv(venue.variable, ELSEWHERE)
    (there,) = venue.origins(make(venue, kind))
    assert leads_to(ELSEWHERE, there)
    (there,) = venue.origins(make(venue, kind, **{venue.host: EVEN_ELSEWHERE}))
    assert leads_to(EVEN_ELSEWHERE, there)


@each
@both_kinds
async def test_an_empty_variable_is_not_set(
    venue: OneVenue, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(venue.variable, "")
    (there,) = venue.origins(make(venue, kind))
    assert leads_to(venue.default, there)


@pytest.mark.parametrize("venue", [STX_, SXBET], ids=str)
@both_kinds
async def test_a_place_asked_for_by_name_is_never_quietly_another(
    venue: OneVenue, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(venue.variable, ELSEWHERE)
    assert venue.origins(make(venue, kind, **venue.named)) == [venue.named_origin]
    assert venue.origins(make(venue, kind, **venue.named, **{venue.host: EVEN_ELSEWHERE})) == [EVEN_ELSEWHERE]
    with pytest.raises(venue.refusal, match="narnia"):
        make(venue, kind, **dict.fromkeys(venue.named, "narnia"))


async def test_the_variable_says_where_the_place_for_trying_things_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pages' samples name ontario and staging each time: they have to be led to a sandbox by one export."""
    monkeypatch.setenv("STX_HOST", ELSEWHERE)
    assert STX_.origins(STX_.calling(region="ontario", env="staging")) == [ELSEWHERE]
    monkeypatch.setenv("STX_ENV", "production")
    assert STX_.origins(STX_.calling()) == [ELSEWHERE]  # both are the environment's, and a host says more
    assert STX_.origins(STX_.calling(region="ontario")) == [STX_.named_origin]


@pytest.mark.parametrize(
    "variable", ["https://stx.example.com", "stx.example.com", "http://localhost.example"]
)
@pytest.mark.parametrize("named", [{"region": "ontario", "env": "staging"}, {"env": "staging"}], ids=str)
async def test_no_variable_leads_from_a_place_that_an_argument_names_to_another_server(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: dict[str, str]
) -> None:
    """Only this machine may play it: an argument is never overruled by somebody else's address."""
    monkeypatch.setenv("STX_HOST", variable)
    assert STX_.origins(STX_.calling(**named)) == ["https://api-staging.on.sportsxapp.com"]
    if variable.startswith("https"):
        assert STX_.origins(STX_.calling()) == [variable]


async def test_a_profile_stands_behind_the_environment_and_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\nenv = dev\n[local]\nhost = http://127.0.0.1:4003\n")
    file.chmod(0o600)
    monkeypatch.setenv("STX_CREDENTIALS_FILE", str(file))
    assert STX_.origins(STX_.calling()) == ["https://api-dev.on.sportsxapp.com"]
    assert STX_.origins(STX_.calling(profile="local")) == ["http://127.0.0.1:4003"]
    assert STX_.origins(STX_.calling(env="qa")) == ["https://api-qa.on.sportsxapp.com"]
    monkeypatch.setenv("STX_HOST", ELSEWHERE)
    assert STX_.origins(STX_.calling(profile="local")) == [ELSEWHERE]


WRONG = {
    "plain text elsewhere": "http://venue.example",
    "plain text elsewhere by the sockets scheme": "ws://venue.example",
    "empty": "",
    "a space before": " https://venue.example",
    "a space after": "https://venue.example ",
    "a space inside": "https://venue .example",
    "a line break": "https://venue.example\n",
    "user information": "https://ann:hunter2@venue.example",
    "user information without a scheme": "ann:hunter2@venue.example",
    "another scheme": "ftp://venue.example",
    "no host": "https://",
    "no port": "https://venue.example:0",
    "no port either": "https://venue.example:99999",
    "a bracket": "https://[::1",
    "a letter that looks like another": "https://venu\u0435.example",
    "a query": "https://venue.example?token=hunter2",
    "a number": 5,
}


@each
@both_kinds
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_wrong_address_has_one_answer_that_names_it(
    venue: OneVenue, kind: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(venue.refusal) as refused:
        make(venue, kind, **{venue.host: wrong})
    error = refused.value
    assert isinstance(error, ConfigurationError)
    assert isinstance(error, venue.root)
    assert error.argument == venue.host
    assert "allowed: " in str(error)
    assert "://name" in str(error)
    assert "hunter2" not in f"{error!r}{error}"
    if isinstance(wrong, str) and wrong and "\n" not in wrong:
        monkeypatch.setenv(venue.variable, wrong)
        with pytest.raises(venue.refusal) as refused:
            make(venue, kind)
        assert refused.value.argument == venue.variable


@each
async def test_a_path_has_no_place_in_a_host(venue: OneVenue) -> None:
    with pytest.raises(venue.refusal, match=f"^{venue.host}="):
        venue.calling(**{venue.host: "https://venue.example/path"})


def nobody() -> str:
    """An address of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def first_line(caplog: pytest.LogCaptureFixture) -> str:
    return next(record for record in caplog.records if record.name.startswith("tapewire")).getMessage()


async def try_to_use(venue: OneVenue, kind: str, **where: Any) -> None:
    made = make(venue, kind, **where)
    with suppress(Exception):
        await (getattr(made, venue.open)() if kind == "streaming" else venue.call(made))
    close = getattr(made, venue.close, None) or getattr(made, "aclose", None) or made.close
    await asyncio.wait_for(close(), 10)


@each
@both_kinds
async def test_the_first_line_of_the_log_says_where_it_goes_and_why(
    venue: OneVenue, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapewire")
    there = nobody()
    await try_to_use(venue, kind, **{venue.host: there})
    assert first_line(caplog).startswith(f"{venue.name}: ")
    assert there.removeprefix("http://") in first_line(caplog)
    assert first_line(caplog).endswith(f"(from argument {venue.host}=)")
    assert sum("from argument" in record.getMessage() for record in caplog.records) == 1
    caplog.clear()
    monkeypatch.setenv(venue.variable, there)
    await try_to_use(venue, kind)
    assert first_line(caplog).endswith(f"(from {venue.variable})")


@each
@both_kinds
async def test_a_default_is_called_one(venue: OneVenue, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    made = make(venue, kind)
    if venue is STAKE:
        return  # covered by where its setting says it is from, below
    announcement = next(
        getattr(owner, "announcement")  # noqa: B009
        for owner in (made, getattr(made, "http", None), getattr(made, "_http", None))
        if hasattr(owner, "announcement")
    )
    assert str(announcement).endswith("(by default)")
    assert venue.default.removeprefix("https://") in str(announcement)


def test_a_setting_says_where_it_is_from_and_does_not_show_itself() -> None:
    sources = Sources({"ONE": "1", "EMPTY": ""}, section={"c": "3"}, profile="other")
    said = [
        sources.settle("a", "x", "ONE"),
        sources.settle("a", None, "EMPTY", "ONE"),
        sources.settle("c", None, "EMPTY"),
        sources.settle("d", None, default=4),
    ]
    assert [setting.source for setting in said] == [
        "from argument a=",
        "from ONE",
        "from c in profile 'other'",
        "by default",
    ]
    assert [setting.value for setting in said] == ["x", "1", "3", 4]
    assert [setting.rank for setting in said] == list(Rank)
    assert "hunter2" not in repr(Setting("hunter2", "key", Rank.ARGUMENT, "from argument key="))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("venue.example", "https://venue.example"),
        ("venue.example:8443/", "https://venue.example:8443"),
        ("wss://venue.example", "https://venue.example"),
        ("HTTPS://Venue.example", "https://Venue.example"),
        ("localhost:1", "https://localhost:1"),
        ("ws://localhost:1", "http://localhost:1"),
        ("http://127.4.5.6", "http://127.4.5.6"),
        ("http://[::1]:4000", "http://[::1]:4000"),
    ],
)
def test_an_address_is_settled_to_one_spelling(given: str, found: str) -> None:
    assert address(Sources({}).settle("host", given), EITHER, ConfigurationError) == found


# WEEX: three addresses, and an account of three parts.


@pytest.mark.parametrize(
    "given", [{"rest_url": ELSEWHERE}, {"ws_public_url": "wss://ws.example/v3/ws/public"}]
)
def test_half_of_one_world_never_meets_half_of_another(given: dict[str, str]) -> None:
    with pytest.raises(WEEX.refusal, match="both worlds"):
        WeexConfig(**given)


def test_an_accounts_parts_come_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEEX_SECRET_KEY", "of-another")
    monkeypatch.setenv("WEEX_PASSPHRASE", "of-another")
    with pytest.raises(WEEX.refusal, match=r"^secret_key="):
        WeexConfig(api_key="mine")
    monkeypatch.setenv("WEEX_API_KEY", "of-another")
    assert WeexConfig().has_credentials
