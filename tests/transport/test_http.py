"""HTTP calls against a real server on this machine, and the one decision that both clients share."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError, HttpError, WrongLoop
from tapewire.retry import NO_RETRY, RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.transport.http import (
    HttpClient,
    Reply,
    Request,
    SyncHttpClient,
    retry_delay,
)
from tapewire.transport.limiter import Budget, RateLimiter

pytestmark = pytest.mark.each_loop

QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.0, max_backoff=0.0)
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers each request with the next of `answers` (a status, headers and body, or a function on the socket)."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[Any], None]] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.asked = threading.Event()
        self.on_request: Callable[[str, int], object] = lambda _path, _port: None
        server = self

        class Peer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.seen.append((self.command, self.path, headers, body))
                server.asked.set()
                server.on_request(self.path, self.client_address[1])
                answer = server.answers.pop(0)
                if callable(answer):
                    answer(self.connection)
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
    for _ in range(100):
        try:
            connection.sendall(b"x")
        except OSError:
            return
        threading.Event().wait(0.03)


Caller = Callable[..., Reply]


@pytest.fixture(params=["async", "sync"])
def call(request: pytest.FixtureRequest, server: Server) -> Caller:
    """One request through either client: both must do the same."""

    def through_sync(method: Any, path: str, *, options: dict[str, Any] | None = None, **given: Any) -> Reply:
        with SyncHttpClient(
            **{"base_url": server.url, "policy": QUICK, "timeout": 2.0, **(options or {})}
        ) as client:
            return client.request(method, path, **given)

    def through_async(
        method: Any, path: str, *, options: dict[str, Any] | None = None, **given: Any
    ) -> Reply:
        async def run() -> Reply:
            async with HttpClient(
                **{"base_url": server.url, "policy": QUICK, "timeout": 2.0, **(options or {})}
            ) as client:
                return await client.request(method, path, **given)

        return asyncio.run(run())

    return through_sync if request.param == "sync" else through_async


def test_an_answer_comes_back_whole(server: Server, call: Caller) -> None:
    server.answers = [(200, {"X-Thing": "1"}, b'{"a": [1, 2]}')]
    reply = call("POST", "/path", query={"q": "a b"}, json={"x": 1}, headers={"x-mine": "2"})
    assert (reply.status, reply.headers["x-thing"], reply.json()) == (200, "1", {"a": [1, 2]})
    method, target, headers, body = server.seen[0]
    assert (method, target, headers["x-mine"], body) == ("POST", "/path?q=a+b", "2", b'{"x":1}')
    assert headers["content-type"] == "application/json"


def test_an_idempotent_call_is_repeated_after_a_server_fault_and_a_lost_answer(
    server: Server, call: Caller
) -> None:
    server.answers = [(503, {}, b""), hang_up, (200, {}, b"{}")]
    assert call("GET", "/").status == 200
    assert len(server.seen) == 3


def test_a_call_that_is_not_idempotent_is_never_sent_twice_after_it_left(
    server: Server, call: Caller
) -> None:
    server.answers = [hang_up, (200, {}, b"{}")]
    with pytest.raises(HttpError) as lost:
        call("POST", "/order")
    assert (lost.value.status, lost.value.sent, len(server.seen)) == (None, True, 1)


def test_a_server_fault_does_not_repeat_an_order_either(server: Server, call: Caller) -> None:
    server.answers = [(502, {}, b"gone"), (200, {}, b"{}")]
    with pytest.raises(HttpError) as failed:
        call("POST", "/order")
    assert (failed.value.status, failed.value.body, len(server.seen)) == (502, b"gone", 1)


def test_a_call_answered_429_is_repeated_whatever_it_is(server: Server, call: Caller) -> None:
    server.answers = [(429, {"Retry-After": "0"}, b""), (200, {}, b"{}")]
    assert call("POST", "/order").status == 200


def test_a_post_marked_idempotent_is_repeated(server: Server, call: Caller) -> None:
    server.answers = [(500, {}, b""), (200, {}, b"{}")]
    assert call("POST", "/query", idempotent=True).status == 200


def test_a_call_that_never_left_may_be_repeated_and_says_so(call: Caller, server: Server) -> None:
    server.stop()
    with pytest.raises(HttpError) as failed:
        call("POST", "/order")
    assert (failed.value.status, failed.value.sent) == (None, False)


def test_what_the_network_said_is_told_in_the_words_that_sockets_have_for_it(
    call: Caller, server: Server
) -> None:
    tls = {"base_url": server.url.replace("http:", "https:"), "timeout": 2.0}
    with pytest.raises(HttpError, match=": TLS failed: WRONG_VERSION_NUMBER; it may speak no TLS: a sandbox"):
        call("GET", "/", options=tls)
    server.stop()
    for host in ("127.0.0.1", "localhost"):
        url = server.url.replace("127.0.0.1", host)
        with pytest.raises(HttpError, match=rf"GET {re.escape(url)}/: connection refused"):
            call("GET", "/", options={"base_url": url})


def test_a_refusal_is_not_repeated_and_names_the_call_without_its_query(server: Server, call: Caller) -> None:
    server.answers = [(403, {"x-request-id": "F123"}, b"no")]
    with pytest.raises(HttpError, match="HTTP 403: Forbidden") as refused:
        call(
            "GET",
            "/thing",
            query={"token": "hunter2hunter2"},
            headers={"authorization": "Bearer hunter3hunter3"},
        )
    assert "hunter" not in f"{refused.value!r} {refused.value} {refused.value.__context__!r}"
    assert (refused.value.request_id, len(server.seen)) == ("F123", 1)


@pytest.mark.parametrize("value", ["hunter2hunter2\n", "hunter2hunter2\r\nx: y", "húnter2hunter2"])
def test_a_header_that_cannot_be_sent_is_named_and_never_shown(
    server: Server, call: Caller, value: str
) -> None:
    with pytest.raises(ConfigurationError, match="headers='x-key'") as refused:
        call("GET", "/", headers={"x-key": value})
    assert "nter2" not in f"{refused.value!r} {refused.value.__context__!r} {refused.value.__cause__!r}"
    assert server.seen == []


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/stolen", "/elsewhere"])
def test_a_redirect_is_not_followed(server: Server, call: Caller, place: str) -> None:
    server.answers = [(302, {"Location": place}, b"")]
    with pytest.raises(HttpError, match="redirects are not followed"):
        call("GET", "/", headers={"authorization": "Bearer hunter2hunter2"})
    assert len(server.seen) == 1


@pytest.mark.parametrize("path", ["http://127.0.0.1:1/", "//127.0.0.1:1/", "relative"])
def test_a_path_that_leaves_the_origin_is_refused(call: Caller, path: str) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        call("GET", path)


def test_gzip_is_understood(server: Server, call: Caller) -> None:
    server.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"a": 1}', mtime=0))]
    assert call("GET", "/").json() == {"a": 1}


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b"x" * 2000, "larger than 1000 bytes"),
        (
            {"Content-Encoding": "gzip"},
            gzip.compress(b"0" * 10_000_000, mtime=0)[:900],
            "larger than 1000 bytes",
        ),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"whole", mtime=0)[:-4], "not valid gzip"),
        ({"Content-Encoding": "gzip"}, b"not gzip", "not valid gzip"),
        ({"Content-Encoding": "br"}, b"??", "was not asked for"),
    ],
)
def test_a_body_is_bounded_before_and_after_decompression(
    server: Server, call: Caller, headers: dict[str, str], body: bytes, reason: str
) -> None:
    server.answers = [(200, headers, body)]
    with pytest.raises(HttpError, match=reason):
        call("GET", "/", options={"max_size": 1000})


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000, b"", b"NaN"])
def test_an_answer_that_is_no_json_is_an_error_with_an_excerpt(
    server: Server, call: Caller, body: bytes
) -> None:
    server.answers = [(200, {}, body)]
    reply = call("GET", "/")
    with pytest.raises(HttpError, match="not the JSON expected") as bad:
        reply.json()
    assert bad.value.body == body[:4096]


def test_an_answer_that_drips_is_cut_off(server: Server, call: Caller) -> None:
    server.answers = [drip]
    with pytest.raises(HttpError, match=r"no whole answer within 0.2 s"):
        call("POST", "/", timeout=0.2)


def test_headers_are_made_anew_for_each_attempt(server: Server, call: Caller) -> None:
    made: list[Request] = []

    def sign(request: Request) -> dict[str, str]:
        made.append(request)
        return {"x-signature": f"{request.method} {request.target} {len(made)}"}

    server.answers = [(500, {}, b""), (200, {}, b"{}")]
    call("GET", "/p", query={"a": "1"}, options={"headers": sign})
    assert [headers["x-signature"] for _, _, headers, _ in server.seen] == ["GET /p?a=1 1", "GET /p?a=1 2"]


def test_the_proxy_of_the_environment_is_not_used_for_this_machine(
    server: Server, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.answers = [(200, {}, b"{}")]
    assert call("GET", "/").status == 200


def test_the_library_below_logs_no_url(
    server: Server, call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [(200, {}, b"{}")]
    caplog.set_level(logging.DEBUG)
    call("GET", "/", query={"token": "hunter2hunter2"})
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://example.com", True),
        ("http://localhost:4000", True),
        ("http://127.0.0.1:4000/base", True),
        ("http://[::1]:4000", True),
        ("http://example.com", False),
        ("http://127.evil.example", False),
        ("ftp://example.com", False),
        ("https://user:secret@example.com", False),
        ("example.com", False),
    ],
)
async def test_plain_text_goes_to_this_machine_only(url: str, fits: bool) -> None:
    if fits:
        await HttpClient(url).aclose()
        return
    with pytest.raises(ConfigurationError, match="base_url") as refused:
        HttpClient(url)
    assert "secret" not in str(refused.value)


async def test_plain_text_elsewhere_needs_a_word() -> None:
    await HttpClient("http://example.com", allow_plaintext=True).aclose()


def answered(status: int, retry_after: str = "") -> httpx2.Response:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    return httpx2.Response(status, headers={"retry-after": retry_after}, content=nothing())


async def test_retry_after_is_a_floor_for_the_call_and_holds_everybody_on_its_limiter(
    clock: VirtualClock,
) -> None:
    times: list[float] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        times.append(clock.monotonic() - 1000.0)
        return answered(429, "7") if len(times) == 1 else answered(200)

    limiter = RateLimiter(rate=100)
    options: Any = {"policy": RetryPolicy(jitter=False), "clock": clock, "limiter": limiter}
    async with HttpClient("https://venue", http_transport=httpx2.MockTransport(answer), **options) as client:
        await asyncio.gather(client.request("GET", "/first"), _later(client, 1.0))
    assert times == pytest.approx([0.0, 7.0, 7.5])


async def _later(client: HttpClient, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await client.request("GET", "/second")


async def test_a_retry_after_longer_than_one_waits_is_given_to_the_caller(clock: VirtualClock) -> None:
    transport = httpx2.MockTransport(lambda _: answered(429, "3600"))
    async with HttpClient("https://venue", http_transport=transport, clock=clock) as client:
        with pytest.raises(HttpError) as limited:
            await client.request("GET", "/")
    assert (limited.value.retry_after, clock.monotonic()) == (3600.0, 1000.0)


async def test_a_call_takes_its_own_budget_and_a_429_without_a_time_holds_it_for_the_ban(
    clock: VirtualClock,
) -> None:
    times: list[float] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        times.append(clock.monotonic() - 1000.0)
        return answered(429) if len(times) == 1 else answered(200)

    kind, overall = RateLimiter(rate=1, per=4.0), RateLimiter(rate=100)
    budget = Budget((kind, overall), ban=10.0)
    policy = RetryPolicy(initial_backoff=0.0, max_backoff=0.0)
    async with HttpClient(
        "https://venue", http_transport=httpx2.MockTransport(answer), clock=clock
    ) as client:
        with pytest.raises(HttpError) as limited:
            await client.request("GET", "/", budget=budget, policy=NO_RETRY)
        await client.request("GET", "/", budget=budget, policy=policy)
        await client.request("GET", "/", budget=budget)
        await client.request("GET", "/", budget=Budget((overall,)))
    assert limited.value.retry_after == 10.0
    assert times == pytest.approx([0.0, 10.0, 14.0, 14.0])


@pytest.mark.parametrize("passing", [True, False])
async def test_a_refusal_under_a_good_status_is_a_failure_and_repeated_where_it_passes_and_harms_nothing(
    passing: bool,
) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.method)
        return answered(200)

    def refusal(reply: Reply) -> HttpError | None:
        if len(asked) > 1:
            return None
        return HttpError(reply.method, reply.url, status=200, detail="busy", passing=passing)

    transport = httpx2.MockTransport(answer)
    for method, repeated in (("GET", passing), ("POST", False)):
        asked.clear()
        async with HttpClient(
            "https://venue", http_transport=transport, policy=QUICK, refusal=refusal
        ) as client:
            if repeated:
                await client.request(method, "/")
            else:
                with pytest.raises(HttpError, match="busy"):
                    await client.request(method, "/")
        assert asked == [method] * (1 + repeated)


async def test_a_cancelled_call_ends_at_once(server: Server) -> None:
    server.answers = [drip]
    async with HttpClient(server.url, timeout=30) as client:
        task = asyncio.create_task(client.request("GET", "/"))
        await asyncio.to_thread(server.asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def error(status: int | None, *, sent: bool = True, retry_after: float | None = None) -> HttpError:
    return HttpError("POST", "https://venue/", status=status, detail="", sent=sent, retry_after=retry_after)


@given(
    status=st.sampled_from([None, 200, 302, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504]),
    sent=st.booleans(),
    idempotent=st.booleans(),
    attempts=st.integers(1, 5),
    retry_after=st.none() | st.floats(0, 120),
)
def test_what_may_have_been_done_is_not_done_again(
    status: int | None, sent: bool, idempotent: bool, attempts: int, retry_after: float | None
) -> None:
    """A repeated call is idempotent, or never left, or was answered 429; and never waits less than Retry-After."""
    failure = error(status, sent=sent or status is not None, retry_after=retry_after)
    delay = retry_delay(QUICK, attempts, failure, idempotent=idempotent)
    if delay is not None:
        assert idempotent or status == 429 or not failure.sent
        assert attempts < 3
        assert (retry_after or 0.0) <= delay <= 60.0
    if attempts < 3 and status == 503 and idempotent and not retry_after:
        assert delay is not None


def test_no_retry_means_none() -> None:
    assert retry_delay(NO_RETRY, 1, error(503), idempotent=True) is None


def test_a_body_of_several_gzip_members_is_whole(server: Server, call: Caller) -> None:
    body = gzip.compress(b'{"first": 1,') + gzip.compress(b"") + gzip.compress(b'"second": 2}') + bytes(7)
    server.answers = [(200, {"content-encoding": "gzip"}, body)]
    assert call("GET", "/").json() == {"first": 1, "second": 2}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (gzip.compress(b"{}") + b"and more", "not valid gzip"),
        (gzip.compress(b"{}") + gzip.compress(b"{}" * 100)[:-9], "not valid gzip"),
        (gzip.compress(b"") * 2000, "not valid gzip"),
        (gzip.compress(bytes(600)) * 2, "larger than 1000 bytes"),
    ],
    ids=["something behind", "half a member", "thousands of members", "each within the bound"],
)
def test_what_is_behind_a_gzip_member_is_judged_like_the_first(
    server: Server, call: Caller, body: bytes, why: str
) -> None:
    server.answers = [(200, {"content-encoding": "gzip"}, body)] * 3
    with pytest.raises(HttpError, match=why):
        call("GET", "/", options={"max_size": 1000 if "larger" in why else 100_000})


@pytest.mark.parametrize("status", [200, 301, 404, 503])
async def test_a_probe_is_answered_by_any_status_once_and_without_a_body(server: Server, status: int) -> None:
    server.answers = [(status, {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, b"")]
    async with HttpClient(server.url, policy=QUICK) as client:
        reply = await client.probe()
    assert (reply.status, reply.body) == (status, b"")
    assert reply.headers["date"].endswith("Sun, 06 Nov 1994 08:49:37 GMT")
    assert [(method, path) for method, path, _, _ in server.seen] == [("HEAD", "/")]


async def test_a_probe_that_nobody_answers_says_what_the_network_said() -> None:
    async with HttpClient("http://127.0.0.1:1", policy=QUICK) as client:
        with pytest.raises(HttpError, match="connection refused") as caught:
            await client.probe()
    assert caught.value.__cause__ is None


def test_a_client_belongs_to_the_loop_of_its_first_call(server: Server) -> None:
    server.answers = [(200, {}, b"{}"), (200, {}, b"{}")]
    client = HttpClient(server.url)  # made outside of any loop: that is nobody's yet

    async def use() -> Reply:
        return await client.request("GET", "/")

    with asyncio.Runner() as runner:
        assert runner.run(use()).status == 200
        with pytest.raises(WrongLoop, match="belongs to another event loop"):
            _in_a_thread(use)
        runner.run(client.aclose())
    assert len(server.seen) == 1


def _in_a_thread(use: Callable[[], Any]) -> None:
    """`asyncio.run` where no loop runs yet; what it raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(use())).result()


FORKED = """
import asyncio, os, sys
from tapewire.transport.http import HttpClient, SyncHttpClient

url, kind = sys.argv[1:]

class Async:
    def __init__(self):
        self.client = HttpClient(url)
    def get(self, path):
        return self.runner().run(self.client.request("GET", path))
    def runner(self):
        global runner, owner
        if owner != os.getpid():
            runner, owner = asyncio.Runner(), os.getpid()
        return runner

class Sync:
    def __init__(self):
        self.client = SyncHttpClient(url)
    def get(self, path):
        return self.client.request("GET", path)

owner = runner = None
client = Async() if kind == "async" else Sync()
assert client.get("/warm").status == 200
child = os.fork()
if child == 0:
    code = 1
    try:
        code = 0 if client.get("/child").status == 200 and client.get("/child").status == 200 else 2
    finally:
        os._exit(code)
assert client.get("/parent").status == 200
assert os.waitpid(child, 0)[1] == 0
assert client.get("/parent").status == 200
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_forked_child_connects_anew(server: Server, kind: str) -> None:
    connections: dict[str, set[int]] = {}
    server.answers = [(200, {}, b"{}")] * 5
    server.on_request = lambda path, port: connections.setdefault(path, set()).add(port)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, server.url, kind],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert connections["/warm"] == connections["/parent"], "the parent keeps its connection"
    assert len(connections["/child"]) == 1, "the child keeps its own too"
    assert not connections["/child"] & connections["/parent"]
