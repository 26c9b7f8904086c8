"""Hold a transport to the Autobahn test suite's cases, which `kosoku` serves in this process, on 127.0.0.1.

Usage: python scripts/autobahn.py {fast,websockets} [--quick]

Prints one line per case that failed and was not known to, and a count per group; exits with 1 if there is such a case.
`--quick` leaves out groups 9 (large messages), 12 and 13 (compression). Without it the transport that has compression
offers it, and takes minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from typing import Any

from kosoku import FailureError, run_fuzzingserver

from tapewire.errors import ConnectionLost
from tapewire.protocols.base import Payload
from tapewire.transport.base import Connector, Endpoint, Transport
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector

CONNECTORS: dict[str, Connector] = {"fast": FastConnector(), "websockets": WebsocketsConnector()}
KNOWN = {"7.1.5", "9.3.1", "9.3.2", "9.4.1", "9.4.2"}
"""What `websockets` fails on purpose, and we with it: a close frame inside a fragmented message is answered 1002,
and a message of more than 4096 fragments is refused."""

SLOW_GROUPS = ["9.*", "12.*", "13.*"]
LIMIT = 64 * 1024 * 1024
CASE_DEADLINE = 120.0


class Echo:
    """A receiver that sends back what it gets, or only keeps it."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.payloads: list[Payload] = []
        self.transport: Transport
        self.ended = asyncio.Event()

    def received(self, payloads: list[Payload]) -> None:
        if self.answers:
            self.transport.send(payloads)
        else:
            self.payloads += payloads

    def ponged(self) -> None:
        """Nothing to do."""

    def lost(self, error: ConnectionLost) -> None:
        self.ended.set()


async def visit(connector: Connector, url: str, *, answers: bool, compression: bool) -> list[Payload]:
    """Connect, answer until the server ends, and return what was kept."""
    receiver = Echo(answers=answers)
    endpoint = Endpoint(url=url, max_size=LIMIT, send_buffer=LIMIT, compression=compression)
    receiver.transport = await connector.connect(endpoint, receiver)
    async with asyncio.timeout(CASE_DEADLINE):
        await receiver.ended.wait()
    return receiver.payloads


async def run(name: str, *, quick: bool) -> list[Any]:
    """Every case's result."""
    connector, compression = CONNECTORS[name], name == "websockets" and not quick
    excluded = SLOW_GROUPS if quick else [] if compression else SLOW_GROUPS[1:]
    async with run_fuzzingserver(exclude_cases=excluded, port=0) as server:
        address = f"ws://127.0.0.1:{server.port}"
        (count,) = await visit(connector, f"{address}/getCaseCount", answers=False, compression=False)
        for case in range(1, int(count) + 1):
            url = f"{address}/runCase?case={case}&agent={name}"
            await visit(connector, url, answers=True, compression=compression)
        await visit(connector, f"{address}/updateReports?agent={name}", answers=False, compression=False)
        try:
            return await asyncio.wait_for(server.get_result(), timeout=CASE_DEADLINE)
        except FailureError as failure:
            return list(failure.results)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("transport", choices=sorted(CONNECTORS))
    parser.add_argument("--quick", action="store_true", help="leave out groups 9, 12 and 13")
    options = parser.parse_args()
    results = asyncio.run(run(options.transport, quick=options.quick))
    failed = {result.case_id for result in results if not result.passed}
    for result in results:
        if result.case_id in failed - KNOWN:
            print(
                f"{result.case_id}: {result.behavior.value}, close {result.behavior_close.value}: {result.result}"
            )
    groups = Counter((result.case_id.split(".")[0], result.case_id in failed) for result in results)
    for group in sorted({group for group, _ in groups}, key=int):
        print(f"group {group}: {groups[group, False]} passed, {groups[group, True]} failed")
    verdicts = Counter(result.behavior.value for result in results)
    print(
        f"{len(results)} cases: "
        + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    )
    return 0 if results and failed <= KNOWN else 1


if __name__ == "__main__":
    sys.exit(main())
