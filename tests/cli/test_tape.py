"""`tapewire record`, `replay` and `tape`, as they are started."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from tapewire.recording import Tape
from tapewire.recording.format import BLOCK_HEAD, Head, Kind, Record
from tapewire.recording.tape import SegmentWriter
from tests.cli.played_command import COMMAND, plain_environment, run


def made(path, blocks=6):
    """A tape of six blocks, a second each, that starts at 2023-11-14T22:13:20Z."""
    head = Head(venue="weex", wall_ns=1_700_000_000_000_000_000, monotonic_ns=0, software="tapewire 0")
    writer = SegmentWriter(path, head)
    for second in range(blocks):
        writer.write(
            [Record(Kind.READ, second * 10**9 + each, 1, [f'{{"n":{second}{each}}}']) for each in range(5)]
        )
    writer.close()
    return writer.path


def with_a_flipped_byte(path, block):
    with Tape(path) as tape:
        offset = tape.footer.index[block].offset
    data = bytearray(path.read_bytes())
    data[offset + BLOCK_HEAD + 5] ^= 1
    path.write_bytes(data)


def test_info_says_what_is_on_a_tape(tmp_path):
    path = made(tmp_path / "a.tape")
    result = run("tape", "info", str(path))
    assert result.returncode == 0, result.stderr
    assert "weex, by tapewire 0" in result.stdout
    assert "from 2023-11-14T22:13:20.000Z to 2023-11-14T22:13:25.000Z" in result.stdout
    assert "30 records" in result.stdout
    facts = json.loads(run("tape", "info", "--json", str(tmp_path)).stdout)
    assert (facts["closed"], facts["records"], facts["lost"]) == (True, {"read": 30}, [])


def test_info_reads_one_that_nobody_closed(tmp_path):
    path = made(tmp_path / "a.tape")
    with Tape(path) as tape:
        last = tape.footer.index[-1].offset
    part = path.with_name("a.tape.part")
    part.write_bytes(path.read_bytes()[: last + 20])
    path.unlink()
    facts = json.loads(run("tape", "info", "--json", str(tmp_path)).stdout)
    assert (facts["closed"], facts["records"]) == (False, {"read": 25})
    assert [span["since"] for span in facts["lost"]] == ["2023-11-14T22:13:24.000Z"]


def test_verify_names_the_span_that_is_lost_and_its_exit_code_says_so(tmp_path):
    path = made(tmp_path / "a.tape")
    assert run("tape", "verify", str(path)).stdout == f"{path}: 30 records, whole\n"
    with_a_flipped_byte(path, 2)
    result = run("tape", "verify", str(path))
    assert result.returncode == 1
    first, second = result.stdout.splitlines()
    assert first == f"{path}: 25 records, 1 spans lost"
    assert second.startswith("  lost from 2023-11-14T22:13:21.000Z to 2023-11-14T22:13:23.000Z: at byte ")
    told = json.loads(run("tape", "verify", "--json", str(path)).stdout)
    assert [span["until"] for span in told["lost"]] == ["2023-11-14T22:13:23.000Z"]


@pytest.mark.parametrize("command", [["tape", "info"], ["tape", "verify"], ["replay"]], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("photo.tape", b"\x89PNG\r\n\x1a\n" + b"y" * 100, "this is no tape"),
        ("cut.tape", b"\x89TAPE\r\n\x1a\n\0\1", "it ends within its head"),
        ("nowhere.tape", None, "No such file"),
        ("", None, "there are no tapes in it"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path, command, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(*command, str(tmp_path / name))
    assert (result.returncode, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_part_of_a_tape_is_a_tape(tmp_path):
    path, out = made(tmp_path / "a.tape"), tmp_path / "b.tape"
    result = run("tape", "cut", str(path), "--from", "1s", "--to", "2023-11-14T22:13:22.5", "-o", str(out))
    assert (result.returncode, result.stdout) == (0, f"{out}: 10 records\n"), result.stderr
    with Tape(out) as tape:
        assert [record.data for record in tape.read()] == [
            [f'{{"n":{second}{each}}}'] for second in (1, 2) for each in range(5)
        ]
        assert tape.footer.is_complete
    again = run("tape", "cut", str(path), "-o", str(out))
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_what_is_recorded_is_replayed_as_live_in_another_process(tmp_path):
    recorded = run("record", "sxbet", "weex", "-o", str(tmp_path), "--for", "5s", "--sandbox")
    assert recorded.returncode == 0, recorded.stderr
    lines = [line for line in recorded.stdout.splitlines() if line.startswith("  ")]
    result = run("replay", str(tmp_path), "--json", env=plain_environment())
    assert result.returncode == 0, result.stderr
    assert sorted(f"  {line}" for line in result.stderr.splitlines()) == sorted(
        f"{e}: as live" for e in lines
    )
    heard = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["venue"] for each in heard} == {"sxbet", "weex"}
    assert [each["at_ns"] for each in heard] == sorted(each["at_ns"] for each in heard)
    middle = heard[len(heard) // 2]["at_ns"] // 1_000 * 1_000
    begin = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=middle // 1_000)
    stepped = run("replay", str(tmp_path), "--json", "--step", env=plain_environment(), input="\nany\nq\n\n")
    assert stepped.returncode == 0, stepped.stderr
    assert stepped.stdout.splitlines() == result.stdout.splitlines()[:3]
    ended = run("replay", str(tmp_path), "--json", "--step", env=plain_environment(), input="\n")
    assert ended.stdout.splitlines() == result.stdout.splitlines()[:2]
    span = ["--from", begin.isoformat(), "--speed", "20"]
    again = run("replay", str(tmp_path), "--json", *span, env=plain_environment())
    later = [each["data"] for each in heard if each["at_ns"] >= middle]
    assert [json.loads(line)["data"] for line in again.stdout.splitlines()] == later


def test_whoever_reads_a_replay_may_leave(tmp_path):
    assert run("record", "weex", "-o", str(tmp_path), "--for", "5s", "--sandbox").returncode == 0
    command = " ".join([*COMMAND, "replay", str(tmp_path), "| head -n 1"])
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent otherwise there")
@pytest.mark.parametrize("is_there", [True, False])
def test_ctrl_c_closes_the_tape_whole_within_two_seconds(tmp_path, is_there):
    environment = plain_environment() | {"WEEX_HOST": "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [*COMMAND, "record", "weex", "-o", str(tmp_path), *(["--sandbox"] if is_there else [])],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 20
    while not list(tmp_path.glob("*.part")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    (path,) = tmp_path.glob("*.tape")
    with Tape(path) as tape:
        assert tape.footer.is_complete
        assert tape.verify() == []
        assert any(record.kind == Kind.NOTE and "heard" in record.data for record in tape.read())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["record", "weeex:BTC", "-o", "x"], "perhaps weex"),
        (["record", "weex", "-o", "x", "--for", "long"], "for='long'"),
        (["record", "weex", "-o", "x", "--kind", "bok"], "kind='bok'"),
        (["record", "weex", "-o", "/dev/null/x", "--sandbox"], "/dev/null"),
        (["record", "stake", "-o", "{folder}", "--kind", "book", "--sandbox"], "watch_order_book"),
    ],
    ids=str,
)
def test_what_cannot_be_recorded_is_one_line(tmp_path, arguments, complaint):
    result = run(*(each.format(folder=tmp_path) for each in arguments))
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
