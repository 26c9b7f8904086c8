"""A TCP connection to a host that may have several addresses, the same on every event loop.

The addresses are tried as RFC 8305 says ("Happy Eyeballs"): in the resolver's order with the families taking turns, the
next one beside the first after `HEAD_START` seconds, or at once where one failed. The stock loop can do that itself, by
an argument that other loops do not know; so it is done here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from itertools import chain, zip_longest
from typing import Any, TypeAlias

__all__ = ["dial"]

HEAD_START = 0.25
"""Seconds until the next address is tried beside the first (RFC 8305 section 5)."""

_Address: TypeAlias = tuple[Any, Any]  # the family, and what the socket takes


async def dial(host: str, port: int) -> socket.socket:
    """A connected socket that does not block; it is the caller's to close. Raises OSError: of the preferred address."""
    addresses = await _resolve(host, port)
    if len(addresses) == 1:
        return await _connect(addresses[0])
    return await _race(addresses)


async def _resolve(host: str, port: int) -> list[_Address]:
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:  # no thread of the resolver's for that
        return [(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, (host, port))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is empty or too long for the DNS
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    first = found[0][0]
    preferred = [(family, address) for family, _, _, _, address in found if family == first]
    others = [(family, address) for family, _, _, _, address in found if family != first]
    return [address for address in chain(*zip_longest(preferred, others)) if address is not None]


async def _connect(address: _Address) -> socket.socket:
    family, where = address
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made


async def _race(addresses: list[_Address]) -> socket.socket:
    tries: list[asyncio.Task[socket.socket]] = []
    running: set[asyncio.Task[socket.socket]] = set()
    left = list(reversed(addresses))
    try:
        while left or running:
            if left:
                tries.append(asyncio.ensure_future(_connect(left.pop())))
                running.add(tries[-1])
            done, running = await asyncio.wait(
                running, timeout=HEAD_START if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for finished in done:
                if finished.exception() is None:
                    tries.remove(finished)
                    return finished.result()
        failure = tries[0].exception()
        assert failure is not None
        raise failure
    finally:
        await _discard(tries)


async def _discard(tries: list[asyncio.Task[socket.socket]]) -> None:
    """End what still tries, and close what came second."""
    for attempt in tries:
        attempt.cancel()
    for outcome in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()
