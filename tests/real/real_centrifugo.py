"""A real Centrifugo of version 6 on this machine, and our own scripted venue behind a real socket with the same face.

The real one is `TAPEWIRE_CENTRIFUGO` (a path), else `centrifugo` of the PATH, else built once with Go into
`.cache/bin`: `python -m tests.real.real_centrifugo` does that, and says how long it took. Of its namespaces
`order_book` and `trades` keep a history; `best_odds` has none and is asked for plainly; `odds_v3` has none and takes
the flags of recovery all the same.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from tests.real.official_centrifuge import RealVenue

MODULE = "github.com/centrifugal/centrifugo/v6"
VERSION = "v6.9.1"
CACHE = Path(__file__).parents[2] / ".cache" / "bin"
BUILD_SECONDS = 900
USER = "tester"
SECRET, API_KEY = "hmac-secret-of-the-tests", "api-key-of-the-tests"
HISTORY = 5000
QUEUE = 1_048_576
"""Bytes that may wait for one client, as the server has it by default."""


def binary() -> str:
    """Where the server is. Skips the test where there is nothing to build it with; where there is, it must build."""
    path, why_not = _found_or_built()
    if why_not and shutil.which("go") is None:
        pytest.skip(why_not)
    if why_not:
        pytest.fail(why_not)
    return path


@cache  # a module proxy that said no is not asked again in this run
def _found_or_built() -> tuple[str, str]:
    if known := os.environ.get("TAPEWIRE_CENTRIFUGO") or shutil.which("centrifugo"):
        return known, ""
    built, go = CACHE / "centrifugo", shutil.which("go")
    if built.exists() and (go is None or _is_of_this_version(go, built)):
        return str(built), ""
    if go is None:
        return "", "there is no centrifugo here, and no Go to build it with"
    CACHE.mkdir(parents=True, exist_ok=True)
    built.unlink(missing_ok=True)
    command = [go, "install", f"{MODULE}@{VERSION}"]
    environment = os.environ | {"GOBIN": str(CACHE)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"centrifugo was not built within {BUILD_SECONDS} s"
    why_not = f"centrifugo could not be built: {done.stderr.strip()[-400:]}"
    return str(built), "" if built.exists() else why_not


def _is_of_this_version(go: str, built: Path) -> bool:
    told = subprocess.run([go, "version", "-m", str(built)], capture_output=True, text=True, check=False)
    return f"{MODULE}\t{VERSION}" in told.stdout


def signed_token(seconds: float) -> str:
    """A connection token as the server takes it, good for so many seconds."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"sub": USER, "exp": int(time.time() + seconds), "iat": int(time.time())}
    body = ".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{body}.{part(hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest())}"


def configuration(port: int, expired_close_delay: str) -> dict[str, Any]:
    kept = {
        "history_size": HISTORY,
        "history_ttl": "300s",
        "allow_subscribe_for_client": True,
        "allow_history_for_subscriber": True,
        "allow_positioning": True,
        "allow_recovery": True,
    }
    return {
        "http_server": {"address": "127.0.0.1", "port": port},
        "http_api": {"key": API_KEY},
        "usage_stats": {"disabled": True},
        "client": {
            "allowed_origins": ["*"],
            "token": {"hmac_secret_key": SECRET},
            "ping_interval": "3s",
            "pong_timeout": "1s",
            "channel_limit": 512,
            "expired_close_delay": expired_close_delay,
            "history_max_publication_limit": 1000,
            "recovery_max_publication_limit": 1000,
        },
        "channel": {
            "namespaces": [
                {"name": "order_book", **kept},
                {"name": "trades", **kept},
                {"name": "best_odds", "allow_subscribe_for_client": True},
                {"name": "odds_v3", **kept, "history_size": 0, "history_ttl": "0s"},
            ]
        },
    }


def data(n: int, padding: int) -> dict[str, Any]:
    return {"n": n, "padding": "x" * padding} if padding else {"n": n}


def tags(channel: str, n: int) -> dict[str, str]:
    return {"messageId": f"{channel}-{n}"}


class RealCentrifugo:
    """`async with RealCentrifugo(folder) as server:`; what it can do, `OwnVenue` can too."""

    def __init__(self, folder: Path) -> None:
        self._binary = binary()
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self._port}/connection/websocket"
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}", headers={"X-API-Key": API_KEY}, trust_env=False
        )
        self._config = self._folder / "centrifugo.json"
        self._config.write_text(json.dumps(configuration(self._port, "1s")))
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._kill()
        await self._http.aclose()

    async def _start(self) -> None:
        process = self._process = self._launch()
        for _ in range(200):
            if process.poll() is not None:
                break
            try:
                if (await self._http.post("/api/info", json={})).status_code == 200:
                    return
            except httpx2.HTTPError:
                await asyncio.sleep(0.05)
        pytest.fail(f"the server did not start: {(self._folder / 'centrifugo.log').read_text()[-500:]}")

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self._folder / "centrifugo.log").open("ab") as log:
            return subprocess.Popen([self._binary, "--config", str(self._config)], stdout=log, stderr=log)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def publish(self, channel: str, numbers: Sequence[int], padding: int = 0) -> None:
        """Publish each number, in order, with so many bytes beside it."""
        for start in range(0, len(numbers), 500):
            commands = [
                {"publish": {"channel": channel, "data": data(n, padding), "tags": tags(channel, n)}}
                for n in numbers[start : start + 500]
            ]
            answer = await self._http.post("/api/batch", json={"commands": commands})
            answer.raise_for_status()
            assert not any(reply.get("error") for reply in answer.json()["replies"])

    async def unsubscribe(self, channel: str) -> None:
        """End the channel for whoever has it, by the server's own API."""
        order = {"user": USER, "channel": channel}
        answer = await self._http.post("/api/unsubscribe", json=order)
        answer.raise_for_status()
        assert "error" not in answer.json()

    async def die_and_come_back(self) -> None:
        """Kill it with all its memory, and start it anew."""
        self._kill()
        await asyncio.sleep(0.3)
        await self._start()

    def token(self, seconds: float) -> str:
        return signed_token(seconds)


class OwnVenue:
    """The scripted venue of `tapewire.testing` with the same settings, behind a real socket."""

    def __init__(self, folder: Path) -> None:
        self._venue = RealVenue(ping_interval=3, pong_timeout=1.0, queue_limit=QUEUE)
        self._life = 0

    async def __aenter__(self) -> Self:
        self._peer = await self._venue.__aenter__()
        self._peer.without_history("best_odds:global")
        self._peer.without_history("odds_v3:global", claims=True)
        self.url = self._peer.url
        return self

    async def __aexit__(self, *what: object) -> None:
        await self._venue.__aexit__(*what)

    async def publish(self, channel: str, numbers: Sequence[int], padding: int = 0) -> None:
        for n in numbers:
            self._peer.publish(channel, data(n, padding), tags=tags(channel, n))
        await asyncio.sleep(0)

    async def unsubscribe(self, channel: str) -> None:
        self._peer.unsubscribe(channel, 2000)

    async def die_and_come_back(self) -> None:
        self._life += 1
        for connection in self._peer.connections:
            if connection.is_open:
                self._peer.abort(connection)
        for channel in {command.channel for command in self._peer.of("subscribe")}:
            self._peer.restart(channel, f"life {self._life}")

    def token(self, seconds: float) -> str:
        self._peer.token_ttl = int(seconds)
        return f"token for {seconds} s"


if __name__ == "__main__":
    began = time.monotonic()
    path, why_not = _found_or_built()
    print(f"{why_not or path} ({time.monotonic() - began:.0f} s)", flush=True)
