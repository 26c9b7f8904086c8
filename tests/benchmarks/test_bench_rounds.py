"""Who cannot be measured is named, and the others go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from benchmarks.contenders import CONTENDERS
from benchmarks.peer_environment import PeerEnvironment, make, versions_in
from benchmarks.rounds import Bench, Limits

ONCE = Limits(least=1, rounds=1, seconds=20)


def test_a_peer_without_its_environment_is_skipped_with_the_reason() -> None:
    peer = next(contender for contender in CONTENDERS if contender.needs)
    bench = Bench([peer], PeerEnvironment(reasons={peer.needs: "no network"}), lambda line: None)
    bench.run(ONCE)
    assert bench.skipped == {peer.name: "no network"}
    assert bench.all_samples == []


def test_a_contender_that_fails_is_named_and_the_others_go_on() -> None:
    good = next(contender for contender in CONTENDERS if contender.name == "stx/decode")
    # The table is looked up by name in the client's process, so this one is not found there.
    broken = dataclasses.replace(good, name="broken")
    bench = Bench([broken, good], PeerEnvironment(), lambda line: None, scale=0.01)
    bench.run(ONCE)
    assert "failed" in bench.skipped["broken"]
    assert len(bench.samples["stx/decode"]) == 1


def test_rounds_go_on_for_those_of_whose_ratios_one_cannot_be_told_yet() -> None:
    decode = [contender for contender in CONTENDERS if contender.name in ("stx/decode", "stx/decode-json")]
    lines: list[str] = []
    # No sample of a paced figure: that pair stays open, and the other contender has had its one run.
    pairs = [("stx/decode", "stx/decode", "p50")]
    bench = Bench(decode, PeerEnvironment(), lines.append, scale=0.01, pairs=pairs)
    bench.run(Limits(least=1, rounds=3, seconds=20))
    assert [len(bench.samples[contender.name]) for contender in decode] == [3, 1]
    assert [line.split(",")[0] for line in lines] == [
        "round 1: 2 contenders",
        "round 2: 1 contenders",
        "round 3: 1 contenders",
    ]


def test_an_environment_that_cannot_be_made_is_a_reason_and_no_exception(tmp_path: Path) -> None:
    lock = tmp_path / "peers.lock"
    lock.write_text("this is no lock\n")
    made = make(tmp_path / "home", lock)
    assert isinstance(made, str)
    assert "could not be made" in made


def test_versions_are_read_from_a_lock() -> None:
    lock = "# made\none==1.2 \\\n    --hash=sha256:0\ntwo-three==0.4.1 ; x\n"
    assert versions_in(lock) == {"one": "1.2", "two-three": "0.4.1"}


def test_what_the_targets_are_about_comes_before_everything_else() -> None:
    decode = [contender for contender in CONTENDERS if contender.name in ("stx/decode", "stx/decode-json")]
    lines: list[str] = []
    bench = Bench(decode, PeerEnvironment(), lines.append, scale=0.01)
    bench.run(Limits(least=2, rounds=2, seconds=20), first={"stx/decode-json"})
    assert {name: len(samples) for name, samples in bench.samples.items()} == dict.fromkeys(bench.samples, 2)
    assert [line.split(",")[0] for line in lines] == [
        "round 1: 1 contenders",
        "round 2: 1 contenders",
        "round 1: 1 contenders",
        "round 2: 1 contenders",
    ]
