"""Every sample of the SX Bet page, in lines again, runs as written under the official client against the sandbox.

The official client comes from npm into `.cache/npm` of the project, once, and with it a WebSocket for a node that has
none. What a sample reacts to (a lost line, a history that is gone, a repetition) is ordered from the sandbox.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tapewire.sandbox import Sandbox
from tests.documents.sxbet_samples import SAMPLES, Sample
from tests.real.official_centrifuge import NPM_PACKAGES
from tests.real.packages import node_modules

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

DEADLINE = 20.0


class Running:
    """A sample in a process of its own. `said` waits until a pattern occurs `n` times in its output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.output = ""
        self._process = process
        self._grown = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := await self._process.stdout.read(65_536):
            self.output += piece.decode("utf-8", "replace")
            self._grown.set()

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.output, re.MULTILINE))

    async def said(self, pattern: str, n: int = 1) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                while self.count(pattern) < n:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            pytest.fail(f"not said {n} times: {pattern}\n{self.output[-3000:]}")

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader


@asynccontextmanager
async def running(sample: Sample, sandbox: Sandbox, folder: Path, key: str = "any") -> AsyncIterator[Running]:
    """The sample against the sandbox, until the end of the block."""
    (folder / "node_modules").symlink_to(node_modules(*NPM_PACKAGES))
    script = folder / "sample.mjs"
    socket_url = sandbox.url.replace("http", "ws") + "/connection/websocket"
    script.write_text(sample.program(sandbox.url, socket_url), "utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "SXBET_API_KEY": key,
        "MARKET_HASH": list(sandbox.faces["sxbet"].exchange.markets)[-1],  # the first is the next to end
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        "--no-warnings",
        str(script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    program = Running(process)
    try:
        yield program
    finally:
        await program.end()


def played(rate: float = 200) -> Sandbox:
    settings = {"sxbet": {"ping_interval": 1, "pong_timeout": 0.8}}
    return Sandbox(rate=rate, venues=("sxbet",), settings=settings)


def sample_of(title: str) -> Sample:
    return next(sample for sample in SAMPLES if sample.title == title)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
async def test_the_sample_runs_under_the_official_client(sample: Sample, tmp_path: Path) -> None:
    async with played() as sandbox, running(sample, sandbox, tmp_path) as program:
        for pattern in sample.expect:
            await program.said(pattern)
        assert "Error" not in program.output


async def test_the_subscribed_context_is_that_of_the_three_cases(tmp_path: Path) -> None:
    sample = sample_of("after a reconnection")
    async with played() as sandbox, running(sample, sandbox, tmp_path) as program:
        await program.said("^subscribed: false false")
        sandbox.inject("abort")
        await program.said("^subscribed: true true")
        sandbox.inject("new_epoch")
        await program.said("^subscribed: true false")


async def test_a_repeated_message_is_applied_once(tmp_path: Path) -> None:
    sample = sample_of("deduplicate")
    async with played() as sandbox, running(sample, sandbox, tmp_path) as program:
        await program.said("^came: ", 5)
        injected = sandbox.inject("duplicate_recovered")
        sandbox.inject("abort")
        for _ in range(400):
            if injected.hits:
                break
            await asyncio.sleep(0.05)
        assert injected.hits
        sandbox.rate = 0
        before = 0
        while program.count("^came: ") != before:
            before = program.count("^came: ")
            await asyncio.sleep(0.3)
        identities = re.findall("^came: (.+)$", program.output, re.MULTILINE)
        assert len(identities) > len(set(identities)), "something came twice"
        assert program.count("^applied") == len(set(identities))


async def test_the_book_is_seeded_once_while_recovery_works_and_again_where_it_does_not(
    tmp_path: Path,
) -> None:
    sample = sample_of("order book")
    async with played(rate=60) as sandbox, running(sample, sandbox, tmp_path) as program:
        await program.said("^snapshot: success")
        await program.said("^update: ")
        seen = program.count("^update: ")
        sandbox.inject("abort")
        await program.said("^update: ", seen + 5)
        assert program.count("^snapshot: ") == 1
        sandbox.inject("new_epoch")
        await program.said("^snapshot: success", 2)


async def test_a_refused_key_ends_the_official_client_and_a_busy_endpoint_does_not(tmp_path: Path) -> None:
    sample = sample_of("get token")
    async with played() as sandbox:
        (refused := tmp_path / "refused").mkdir()
        async with running(sample, sandbox, refused, key="refused-key") as program:
            await program.said("^disconnected: 1 unauthorized")
        (busy := tmp_path / "busy").mkdir()
        sandbox.inject("refuse_http", status=503)
        async with running(sample, sandbox, busy) as program:
            await program.said("^error: ")
            await program.said("^connected")
            sandbox.inject("close", code=3500, reason="invalid token")
            await program.said("^disconnected: 3500 invalid token")
