"""A strategy on paper, live and again from the tape of its venue's lines: what its account is told is the same."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tapewire
from tapewire.recording import Recorder, Replay, replayed
from tapewire.retry import RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.trading import PaperConfig
from tapewire.transport.memory import LinkFaults, MemoryNetwork
from tests.market.played import PLAYED
from tests.venues.paper.on_paper import MONEY, NAMES, Account, on_paper

MAKER = Path(__file__).parents[3] / "examples" / "market" / "maker.py"
HOST = "http://127.0.0.1:4999"
CONFIG = PaperConfig(balance=MONEY, latency_in=(0.02, 0.05), latency_out=(0.01, 0.03))
STEP_SECONDS = 0.1
ON_THE_WAY = LinkFaults(delay=0.003)
"""What is said is heard a little later, as everywhere: on a tape whoever is answered in no time is answered first."""

PATIENCE_STEPS = 5_000
FILLS = {"stx": 15, "weex": 15, "sxbet": 4}
"""Who quotes a cent from the middle is met seldom where the step is a quarter of one."""


def maker_of(name: str) -> Any:
    """The example, as it is."""
    spec = importlib.util.spec_from_file_location("maker", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FILLS = FILLS[name]
    return module


def settings_of(name: str) -> dict[str, Any]:
    """Whose chance is the same live and from the tape."""
    return {"host": HOST, "retry": RetryPolicy(None, 0.5, jitter=False)} | PLAYED[name].chance(
        random.Random(7).random
    )


class Ran:
    """One run of the maker, and what its account was told."""

    def __init__(self) -> None:
        self.maker: Any = None
        self.rows: list[Any] = []
        self.profit: Any = None

    async def run(self, paper: Any) -> None:
        account = Account(paper)
        async for instrument in paper.instruments():
            self.maker = maker_of(paper.name).Maker(paper, instrument)
            break
        await self.maker.run()
        await asyncio.sleep(1.0)
        self.rows = [(verb, [row_of(item) for item in heard]) for verb, heard in account.heard.items()]
        self.profit = paper.profit()[instrument.currency]
        await account.close()
        self.check(account)

    def check(self, account: Account) -> None:
        """Fills sum to the position and to the money, and each order's to what it says."""
        fills = account.fills
        assert len({fill.fill_id for fill in fills}) == len(fills)
        held = sum((f.size if f.side == "buy" else -f.size for f in fills), Decimal(0))
        cash = sum(((-f.size if f.side == "buy" else f.size) * f.price - f.fee for f in fills), Decimal(0))
        assert (self.maker.held, self.maker.cash) == (held, cash)
        position = account.of("watch_positions")[-1]
        assert position.size == held
        balance = [b for b in account.of("watch_balance") if b.currency == fills[0].fee_currency][-1]
        cost = held * position.average_price if position.average_price is not None else Decimal(0)
        assert abs(balance.total - MONEY[balance.currency] - cash - cost) < Decimal("1e-15")
        for order in {each.client_order_id: each for each in account.of("watch_orders")}.values():
            own = [fill.size for fill in fills if fill.client_order_id == order.client_order_id]
            assert order.filled_size == sum(own, Decimal(0)) <= order.size

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode([self.rows, self.profit], enc_hook=repr)).hexdigest()


def row_of(item: Any) -> list[Any]:
    """Without this machine's times, and without ids that are drawn."""
    facts = msgspec.to_builtins(msgspec.structs.asdict(item), enc_hook=repr)
    left = {n: v for n, v in facts.items() if not n.endswith("_ns") and n != "client_order_id"}
    return [type(item).__name__, left]


def live(name: str, folder: Path, kills: tuple[int, ...]) -> tuple[Ran, list[Path]]:
    clock, ran = VirtualClock(), Ran()

    async def main() -> list[Path]:
        with Recorder(folder, PLAYED[name].venue_name, clock=clock) as recorder:
            network = MemoryNetwork(to_client=ON_THE_WAY, to_server=ON_THE_WAY)
            given = settings_of(name) | {"network": network, "recorder": recorder}
            async with on_paper(clock, name, CONFIG, **given) as at:
                at.venue.http_delay = lambda: ON_THE_WAY.delay
                running = asyncio.ensure_future(ran.run(at.market))
                for step in range(PATIENCE_STEPS):
                    await asyncio.sleep(STEP_SECONDS)
                    if running.done():
                        break
                    at.step()
                    if step in kills:
                        at.kill()
                await asyncio.wait_for(running, 60.0)
        return recorder.paths

    return ran, clock.run(main())


def again(name: str, paths: list[Path]) -> Ran:
    ran = Ran()
    with Replay(*paths) as replay:

        async def main(replay: Replay) -> None:
            way = {**settings_of(name), **replayed(replay)}
            market = PLAYED[name].connect(**way, **PLAYED[name].credentials())
            async with tapewire.paper(market, CONFIG, seed=7) as paper:
                await ran.run(paper)

        replay.run(main)
    return ran


@pytest.mark.parametrize("kills", [(), (40, 90, 140)], ids=["whole", "through lost lines"])
@pytest.mark.parametrize("name", NAMES)
def test_what_an_account_on_paper_is_told_is_told_again_from_the_tape(name, kills, tmp_path):
    before, paths = live(name, tmp_path, kills)
    after = again(name, paths)
    for (verb, rows), (_, others) in zip(before.rows, after.rows, strict=True):
        assert rows == others, verb
    assert before.maker.fills >= FILLS[name]
    assert before.digest == after.digest
