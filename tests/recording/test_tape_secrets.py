"""The invariant: no credential is in a tape's bytes, packed or unpacked, wherever it came by."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import msgspec
import pytest

from tapewire.errors import ConnectFailed
from tapewire.recording import Recorder, Tape, recorded
from tapewire.recording.format import BLOCK_HEAD, Kind
from tapewire.secrets import Secret
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork

LIVING = "k7-the-living-secret/with+signs=="
NAMED = {
    "access_token": "tok-one-aaaaaaaa",
    "refreshToken": "tok-two-bbbbbbbb",
    "password": 'pass"word-three',
    "apiKey": "key-four-dddddd",
    "passphrase": "phrase-five-eee",
    "signature": "sig-six-ffffffff",
}
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLXNldmVu"
HEADERS = {
    "Authorization": "Bearer bearer-eight-ggg",
    "Cookie": "sid=cookie-nine-hhh",
    "ACCESS-KEY": "akey-ten-iiiiii",
    "ACCESS-SIGN": "asign-eleven-jjj=",
    "X-Api-Key": "xkey-twelve-kkk",
    "ACCESS-PASSPHRASE": "aphrase-thirteen",
}
PLANTED = [LIVING, JWT, *NAMED.values(), *(value.split()[-1].split("sid=")[-1] for value in HEADERS.values())]
DATA = '{"baseToken":"0xabc","price":"1.25","size":"7"}'


class Listener:
    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def received(self, payloads: list[Any]) -> None:
        self.heard.set()

    def ponged(self) -> None: ...

    def lost(self, error: Any) -> None:
        self.error = error


def answering(request: httpx2.Request) -> httpx2.Response:
    said = {"data": {"session": NAMED | {"jwt": JWT}, "note": LIVING}}
    return httpx2.Response(200, headers={"Set-Cookie": HEADERS["Cookie"]}, json=said)


async def everything(folder: Path) -> list[Path]:
    """Each secret in each place."""
    network = MemoryNetwork()
    query = urlencode(NAMED | {"jwt": JWT})
    with Recorder(folder, "venue", settings={"plan": {}}) as recorder:
        way = recorded(recorder, connector=network, http_transport=httpx2.MockTransport(answering))
        listener = Listener()
        endpoint = Endpoint(
            url=f"ws://venue.test/socket?{query}&note={quote(LIVING, safe='')}", headers=HEADERS
        )
        transport = await way["connector"].connect(endpoint, listener)
        peer = await network.accept()
        said = json.dumps({**NAMED, "jwt": JWT, "note": LIVING})
        transport.send([said, json.dumps({"deep": said}), said.encode()])
        for _ in range(3):
            await peer.receive()
        peer.send(said, json.dumps([1, {"payload": said}]), DATA)
        async with asyncio.timeout(5):
            await listener.heard.wait()
        await transport.close(1000, "bye")
        network.unreachable(f"token={NAMED['access_token']} {LIVING}")
        with pytest.raises(ConnectFailed):
            await way["connector"].connect(endpoint, listener)
        async with httpx2.AsyncClient(transport=way["http_transport"]) as client:
            url = f"http://venue.test/session?{query}"
            answer = await client.post(url, headers=HEADERS, content=said)
            assert answer.json()["data"]["note"] == LIVING  # whoever asked has it as it is
        recorder.write_note({"note": LIVING, "access_token": NAMED["access_token"]})
    return recorder.paths


def bytes_of(path: Path) -> tuple[bytes, bytes]:
    """As they are, and all that is packed in them."""
    import zstandard

    data, unpacked = path.read_bytes(), b""
    with Tape(path) as tape:
        for entry in tape.footer.index:
            start = entry.offset + BLOCK_HEAD
            unpacked += zstandard.ZstdDecompressor().decompress(data[start : start + entry.packed])
    return data, unpacked


async def test_no_secret_that_is_planted_anywhere_is_in_the_file(tmp_path):
    secret = Secret(LIVING)
    (path,) = await everything(tmp_path)
    packed, unpacked = bytes_of(path)
    written = unpacked.replace(b"\\/", b"/")
    found = [
        planted
        for planted in PLANTED
        for form in {planted, json.dumps(planted)[1:-1], quote(planted, safe="")}
        if form.encode() in packed + written
    ]
    assert found == [], secret
    with Tape(path) as tape:
        records = list(tape.read())
    kinds = {record.kind for record in records}
    assert {Kind.DIAL, Kind.REFUSED, Kind.SENT, Kind.READ, Kind.ASKED, Kind.ANSWERED, Kind.NOTE} <= kinds
    (heard,) = (record.data for record in records if record.kind == Kind.READ)
    assert heard[-1] in (DATA, DATA.encode())  # what is data is untouched
    assert msgspec.json.decode(heard[0]).keys() == {*NAMED, "jwt", "note"}  # what is JSON stays JSON
