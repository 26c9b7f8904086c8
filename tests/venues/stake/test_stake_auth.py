"""What a browser session consists of."""

from __future__ import annotations

import asyncio

from tapewire.venues.stake import AuthManager

CURL = """curl 'https://stake.com/_api/graphql' \\
  -H 'content-type: application/json' \\
  -H 'x-access-token: 0123456789abcdef' \\
  -b 'currency=btc; session=cookie-of-the-session; locale=en'
"""


async def test_headers_and_cookies_are_made_of_what_is_known():
    manager = AuthManager("token-of-mine", "session-of-mine")
    assert await manager.get_auth_headers() == {"x-access-token": "token-of-mine"}
    assert manager.get_cookies() == {"session": "session-of-mine"}
    assert "of-mine" not in f"{manager!r} {vars(manager)}"
    manager.clear_tokens()
    assert await manager.get_auth_headers() == {}
    assert manager.get_cookies() == {}
    manager.set_session_cookie("another")
    assert manager.get_cookies() == {"session": "another"}


async def test_a_token_counts_as_expired_five_minutes_early(clock):
    manager = AuthManager(clock=clock)
    assert manager.is_token_expired()
    manager.set_access_token("token", expires_in=1000)
    await asyncio.sleep(699)
    assert not manager.is_token_expired()
    await asyncio.sleep(1)
    assert manager.is_token_expired()
    manager.set_access_token("token")
    assert not manager.is_token_expired()


def test_both_are_found_in_what_a_browser_copies():
    assert AuthManager.extract_access_token_from_curl(CURL) == "0123456789abcdef"
    assert AuthManager.extract_session_from_curl(CURL) == "cookie-of-the-session"
    assert AuthManager.extract_access_token_from_curl("curl x") is None
    assert AuthManager.extract_session_from_curl("curl x") is None
    header = 'curl x -H "Cookie: a=1; session=s2"'
    assert AuthManager.extract_session_from_curl(header) == "s2"
