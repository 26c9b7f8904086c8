"""The SDK against the sandbox, over real sockets of this machine."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from tapewire.errors import SubscriptionEnded
from tapewire.marks import Gap
from tapewire.sandbox import Sandbox
from tapewire.venues.stake import AuthenticationError, StakeAPI, StakeAPIError, StakeWebSocket
from tests.waiting import until

FAUCET = 'mutation { claimFaucet(currency: "usdt") { amount } }'
VAULT = 'mutation { createVaultDeposit(currency: "usdt", amount: 1.5) { amount } }'
WIRES = ["page", "graphql"]


@asynccontextmanager
async def line(wire="page", rate=0, **fields):
    async with (
        Sandbox(rate=rate, venues=["stake"]) as sandbox,
        StakeAPI("tok", base_url=sandbox.url) as api,
        StakeWebSocket("tok", wire=wire, base_url=sandbox.url, **fields) as ws,
    ):
        yield sandbox, api, ws


async def test_each_channel_of_the_page_brings_what_it_says():
    channels = ["user:balances", "game:crash", "game:dice", "sports:event:1", "bets", "chat:english"]
    async with line(rate=300) as (_, api, ws):
        subscriptions = {channel: ws.watch(channel) for channel in channels}
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions.values()))
        await api.graphql(FAUCET)
        async with asyncio.timeout(10):
            firsts = {channel: (await anext(one)).payload for channel, one in subscriptions.items()}
    assert firsts["user:balances"].keys() >= {"amount", "balance"}
    assert firsts["game:crash"].keys() >= {"status", "multiplier", "crashpoint"}
    assert firsts["game:dice"]["game"] == {"name": "dice"}
    assert firsts["sports:event:1"].keys() >= {"score", "odds"}
    assert firsts["bets"]["bet"].keys() >= {"amount", "payout"}
    assert firsts["chat:english"]["data"].keys() == {"message"}


@pytest.mark.parametrize(
    "channel", ["user:balances", "game:crash", "game:slide", "game:dice", "bets", "chat:sports"]
)
async def test_each_channel_with_a_counterpart_streams_on_the_live_sites_wire(channel):
    async with line("graphql", rate=300) as (_, api, ws):
        subscription = ws.watch(channel)
        await subscription.confirmed()
        await api.graphql(FAUCET)
        async with asyncio.timeout(10):
            message = await anext(subscription)
    assert message.channel == channel
    assert len(message.payload) == 1


@pytest.mark.parametrize("wire", WIRES)
async def test_every_change_of_the_balance_is_told(wire):
    async with line(wire) as (sandbox, api, ws):
        subscription = ws.watch("user:balances")
        await subscription.confirmed()
        for _ in range(5):
            await api.graphql(FAUCET)
        await api.graphql(VAULT)
        async with asyncio.timeout(5):
            told = [(await anext(subscription)).payload for _ in range(7)]
        balance = await api.get_user_balance()
        account = (await api.get_user_profile())["id"]
        assert len(sandbox.ledger.since(f"user:balances:{account}")) == 7
    if wire == "graphql":
        assert [list(payload) for payload in told[-2:]] == [["availableBalances"], ["vaultBalances"]]
        told = [next(iter(payload.values())) for payload in told]
    assert [str(payload["amount"]) for payload in told] == ["0.25"] * 5 + ["-1.5", "1.5"]
    assert told[-2]["balance"]["amount"] == balance["available"]["usdt"]
    assert told[-1]["balance"]["amount"] == balance["vault"]["usdt"]


async def test_a_publication_arrives_within_a_tenth_of_a_second():
    async with line() as (sandbox, _, ws):
        taken = []
        subscription = ws.watch("bets", lambda message: taken.append(time.time_ns()))
        await subscription.confirmed()
        for _ in range(40):
            sandbox.step()
            await asyncio.sleep(0)
        entries = sandbox.ledger.since("bets")
        await until(lambda: len(taken) == len(entries))
        late = sorted(at - entry.published_at_ns for at, entry in zip(taken, entries, strict=True))
        assert late[len(late) // 2] < 100e6  # the median: this machine may be busy


async def test_a_text_of_your_own_goes_out_on_the_line():
    seen = []

    class Own(StakeWebSocket):
        async def on_message(self, data):
            seen.append(data)

    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        own = Own("tok", base_url=sandbox.url)
        task = asyncio.create_task(own.connect())
        await until(lambda: own.ws is not None)
        await own.ws.send('{"type":"nonsense"}')
        await until(lambda: seen)
        await own.close()
        await task
    assert seen[0]["type"] == "error"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_broken_line_is_a_gap_and_the_stream_goes_on(wire):
    async with line(wire, session_options={"fraction": lambda: 0.01}) as (sandbox, api, ws):
        subscription = ws.watch("user:balances")
        await subscription.confirmed()
        sandbox.inject("abort")
        async with asyncio.timeout(5):
            assert isinstance(await anext(subscription), Gap)
            await api.graphql(FAUCET)
            assert (await anext(subscription)).channel == "user:balances"
        assert ws.statistics().reconnections == 1


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("fault", "marks"), [("crash_channel", [Gap]), ("close_channel", [])])
async def test_a_channel_that_crashes_is_asked_for_again_and_one_that_is_closed_ends(wire, fault, marks):
    async with line(wire, session_options={"fraction": lambda: 0.01}) as (sandbox, api, ws):
        subscription = ws.watch("user:balances")
        await subscription.confirmed()
        sandbox.inject(fault, topic="user:balances")
        async with asyncio.timeout(5):
            if marks:
                assert isinstance(await anext(subscription), Gap)
                await api.graphql(FAUCET)
                assert (await anext(subscription)).payload
            else:
                with pytest.raises(SubscriptionEnded) as ended:
                    await anext(subscription)
                assert isinstance(ended.value, StakeAPIError)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_refused_channel_is_raised_where_it_is_awaited(wire):
    async with line(wire) as (sandbox, _, ws):
        sandbox.inject("refuse_join", topic="bets", reason="not today")
        with pytest.raises(Exception, match="refused: not today"):
            await ws.watch("bets").confirmed()


@pytest.mark.parametrize("wire", WIRES)
async def test_half_a_message_is_a_gap_on_its_own_channel(wire):
    async with line(wire) as (sandbox, api, ws):
        balances, bets = ws.watch("user:balances"), ws.watch("bets")
        await balances.confirmed()
        await bets.confirmed()
        sandbox.inject("malformed")
        await api.graphql(FAUCET)
        async with asyncio.timeout(5):
            mark = await anext(balances)
        assert (type(mark), mark.reason) == (Gap, "undecodable")
        assert bets.statistics().buffered == 0


@pytest.mark.parametrize("wire", WIRES)
async def test_a_channel_that_crashes_while_it_is_asked_for_is_asked_for_again(wire):
    async with line(wire, session_options={"fraction": lambda: 0.01}) as (sandbox, api, ws):
        subscription = ws.watch("user:balances")
        await until(lambda: sandbox.faces["stake"].listening_accounts())
        sandbox.inject("crash_channel", topic="user:balances")
        assert not sandbox.faces["stake"].listening_accounts()
        await until(lambda: sandbox.faces["stake"].listening_accounts())
        await api.graphql(FAUCET)
        async with asyncio.timeout(5):
            item = await anext(subscription)
            while isinstance(item, Gap):
                item = await anext(subscription)
        assert item.channel == "user:balances"


async def test_refused_tokens_are_final_on_the_graphql_wire_too():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        with pytest.raises(AuthenticationError):
            await StakeWebSocket("refused-token", wire="graphql", base_url=sandbox.url).connect()
