"""The sandbox: one port of this machine on which venues are played, HTTP and WebSocket alike.

Loopback only. Requests whose Host or Origin is not this machine's are refused, connections, sizes and buffers are
bounded, silent clients are closed. One task makes things happen: the exchanges' steps at `rate` a second, in an order
that the seed decides.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets as secrets_module
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ...clock import Clock, SystemClock
from ...errors import ConfigurationError
from ...secrets import Secret
from ..core.activity import UserActivity
from ..core.carriage import Carriage
from ..core.faults import Faults, Injected
from ..core.ledger import Ledger
from ..face import FaceContext, Route, Socket, SocketHandler
from ..faces import FACES, make_face
from ..play import TopicFace
from .admin import PREFIX, Admin
from .clients import MAX_OUTGOING, SLOW_TIMEOUT, Client
from .http import Request, Response, is_loopback_host, is_loopback_origin
from .injection import TOPICS_SHOWN, Injection

__all__ = ["MAX_CONNECTIONS", "Sandbox", "run_sandbox"]

MAX_CONNECTIONS = 256
"""Connections at a time; further ones are reset."""

HTTP_IDLE = 30.0
"""Seconds an HTTP connection may be silent."""

ACTIVITY_INTERVAL = 0.5
"""Seconds between two things done in a listening user's name."""

MAX_MARKET_LIFE = 30 * 86_400.0
"""Seconds."""

MAX_ORDER_LATENCY = 60.0
"""Seconds."""

MAX_STEPS_PER_TURN = 1000
MADE_UP_FOR = 0.25
"""Steps, and seconds of them, made up for at once after the loop was held up: on a machine that is too slow for the
rate fewer things happen, and the sockets are served all the same."""

HELD_UP = 0.5
DRAINING_TURNS = 10
"""Seconds between two looks at the clients' deadlines after which the loop was held up; and turns of the loop that are
given to the sockets then: a client of the same process needs some to answer, too."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TURN = 0.25
_IDLE_TURN = 0.05
_UNAVAILABLE = b"<html><body><h1>Service unavailable</h1></body></html>"
_log = logging.getLogger("tapewire.sandbox")


class Sandbox:
    """`async with Sandbox() as sandbox:` plays the venues at `sandbox.url` until the block ends.

    `venues`: which, by default every one. `rate`: things that happen per second and venue; at 0 only `step()` makes
    them happen; it may be changed while the sandbox runs. `activity`: house orders in the name of every account that
    somebody listens to, and now and then the end of a market in which it holds something; without it nothing but its
    owner's own orders lands on an account. `market_life`: seconds that a market of a betting venue lives; without it
    one ends now and then, but none in which an account has an order or a position. `order_latency`: seconds that an
    order or a cancellation takes to its venue, half of them at least, as the seed decides. `settings`: keyword
    arguments of the faces, by venue. `faces`: further venues by name, each with what makes its face of a `FaceContext`
    and those arguments. `max_outgoing`: bytes that may wait for one client; `slow_timeout`: seconds that it then has
    to read why it is closed. `narrate` is given a line for people whenever a client opens or leaves a socket and when
    a fault is ordered or lifted.
    Raises ConfigurationError for a host that is not loopback, an unknown venue, a bad number.
    """

    rate: float
    seed: int | str
    order_latency: float
    max_connections: int
    max_outgoing: int
    slow_timeout: float
    slow_consumers: int
    refused: int

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | str = 1,
        rate: float = 20.0,
        venues: Sequence[str] | None = None,
        activity: bool = False,
        market_life: float | None = None,
        order_latency: float = 0.0,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        faces: Mapping[str, Callable[..., TopicFace[Any]]] | None = None,
        max_connections: int = MAX_CONNECTIONS,
        max_outgoing: int = MAX_OUTGOING,
        slow_timeout: float = SLOW_TIMEOUT,
        clock: Clock | None = None,
        narrate: Callable[[str], None] = lambda line: None,
    ) -> None:
        _check(host, port, rate, market_life, order_latency)
        self.clock: Clock = clock or SystemClock()
        self.ledger: Ledger = Ledger()
        self.carriage: Carriage = Carriage(lambda venue, topic: self.ledger.last_sequence(topic, venue=venue))
        self.faults: Faults = Faults()
        self.admin_token: Secret = Secret(secrets_module.token_urlsafe(24))
        self.rate, self.max_connections = rate, max_connections
        self.max_outgoing, self.slow_timeout = max_outgoing, slow_timeout
        self.seed, self.order_latency = seed, order_latency
        self._latencies = random.Random(f"latency-{seed}")
        self.slow_consumers = self.refused = 0
        self._host, self._port = host, port
        self._narrate, self._activity = narrate, activity
        context = self._context = FaceContext(
            ledger=self.ledger, carriage=self.carriage, faults=self.faults, clock=self.clock, seed=seed,
            market_life=market_life,
        )  # fmt: skip
        self.faces: dict[str, TopicFace[Any]] = _made(context, venues, settings or {}, faces or {})
        self._activities = {
            venue: UserActivity(face.exchange, face.flow, seed) for venue, face in self.faces.items()
        }
        self._routes = self._all_routes()
        self._clients: dict[int, Client] = {}
        self._injection = Injection(context, self.faces, self._clients, self.step, narrate)
        self._admin = Admin(self.admin_token, context, self.faces, self._injection, self.state)
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._last_number = 0
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None

    # For users

    @property
    def url(self) -> str:
        """Where it is, or was: `http://127.0.0.1:PORT`."""
        if self._address is None:
            raise ConfigurationError("url", "none yet", "after `async with` has started the sandbox")
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def environment(self) -> dict[str, str]:
        """The environment variables that lead the venues' SDKs here."""
        found: dict[str, str] = {}
        for face in self.faces.values():
            found |= face.environment(self.url)
        return found

    def inject(self, fault: str, /, **params: Any) -> Injected:
        """Order a fault by name; see `tapewire.sandbox.FAULTS`. Call it on the sandbox's event loop.

        Raises ConfigurationError for an unknown name or parameter, listing what is allowed.
        """
        return self._injection.order(fault, params)

    def lift(self, fault: str | None = None) -> int:
        """End faults that still stand, and what mutes or slows sockets; returns how many were ended."""
        return self._injection.lift(fault)

    def suffering(self) -> dict[str, list[int]]:
        """The connections that suffer from a fault that lasts, by its name."""
        return self._injection.suffering()

    def step(self, count: int = 1) -> None:
        """Let `count` things happen at each venue, now."""
        for face in self.faces.values():
            for _ in range(count):
                now_ns = self.clock.time_ns()
                face.publish(face.flow.step(now_ns), now_ns)

    def act(self, venue: str, account: str) -> None:
        """Let the next thing happen in the name of an account, now: what `activity` does of those that are listened to.

        An order that rests, then one that fills, then a cancellation, and again. Raises KeyError for no venue of these.
        """
        face, now_ns = self.faces[venue], self.clock.time_ns()
        face.publish(self._activities[venue].step(account, now_ns), now_ns)

    def state(self) -> dict[str, Any]:
        """Figures for logs, tests and screens."""
        return {
            "url": self.url,
            "seed": self.seed,
            "rate": self.rate,
            "connections": [client.state() for client in self._clients.values()],
            "slow_consumers": self.slow_consumers,
            "refused": self.refused,
            "published": self.ledger.published,
            "faults_standing": sorted({order.name for order in self.faults.in_force(self.clock.time_ns())}),
            "venues": {
                name: {
                    "markets": list(face.exchange.markets),
                    "joined": sorted(face.joined_topics())[:TOPICS_SHOWN],
                    "trades": face.exchange.trades,
                    "steps": face.flow.steps,
                }
                for name, face in self.faces.items()
            },
        }

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        now_ns = self.clock.time_ns()
        for face in self.faces.values():
            face.publish(face.flow.open(now_ns), now_ns)
        self._server = await loop.create_server(self._new_client, self._host, self._port)
        self._address = self._server.sockets[0].getsockname()[:2]
        self._task = loop.create_task(self._run(), name="sandbox")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._task is not None
        self._server.close()
        self._task.cancel()
        ended = (await asyncio.gather(self._task, return_exceptions=True))[0]
        for client in list(self._clients.values()):
            client.abort()
        await self._server.wait_closed()
        await self._all_gone.wait()
        if isinstance(ended, Exception) and error is None:
            raise ended

    async def wait(self) -> None:
        """Wait until the sandbox fails; cancel it to stop waiting."""
        assert self._task is not None
        await asyncio.shield(self._task)

    def __repr__(self) -> str:
        where = self.url if self._server and self._server.is_serving() else "not running"
        return f"<Sandbox {where} venues={','.join(self.faces)} connections={len(self._clients)}>"

    # For its clients: it is their `Port`

    def admit(self, client: Client) -> bool:
        """Count a new connection in; False where there are too many."""
        self._clients[client.number] = client
        self._all_gone.clear()
        if len(self._clients) > self.max_connections:
            self.refused += 1
            return False
        return True

    def opened(self, client: Client) -> None:
        """A connection has become a socket."""
        self._narrate(f"{client.venue}: connection {client.number} opened")

    def ended(self, client: Client) -> None:
        """A connection is over."""
        known = self._clients.pop(client.number, None)
        if known is not None and client.venue is not None:
            counts = f"sent {client.sent} messages, received {client.received}"
            self._narrate(f"{client.venue}: connection {client.number} is over ({counts})")
        if not self._clients:
            self._all_gone.set()

    def slowed(self, client: Client) -> None:
        """A client did not read fast enough and is being disconnected."""
        self.slow_consumers += 1
        _log.warning("%r does not read fast enough: disconnected", client)
        self._narrate(f"{client.venue}: connection {client.number} does not read fast enough: disconnected")

    async def respond(self, request: Request) -> Response:
        """The answer to an HTTP request."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if request.path.startswith(PREFIX):
            return self._admin.answer(request)
        fault = self._http_fault("http_429") or self._refused(request)
        if fault is not None:
            return fault
        hanging = self.faults.meet("hang_http", self.clock.time_ns(), path=request.path)
        if hanging is not None:
            await asyncio.sleep(hanging.params["seconds"])
        route = self._routes.get((request.method, request.path))
        if route is not None:
            if self.order_latency and any(face.is_order(request) for face in self.faces.values()):
                await asyncio.sleep(self.order_latency * self._latencies.uniform(0.5, 1))
            return await route(request)
        methods = sorted(method for method, path in self._routes if path == request.path)
        if methods:
            return Response.of({"error": "method not allowed"}, 405, allow=", ".join(methods))
        return Response.error(404, "not found")

    def accept(
        self, request: Request, socket: Socket
    ) -> tuple[TopicFace[Any] | None, SocketHandler | Response]:
        """The face and handler of a socket that wants to open, or the response that refuses it."""
        refusal = self._refusal(request) or self._http_fault("socket_429")
        if refusal is not None:
            return None, refusal
        for face in self.faces.values():
            if request.path in face.socket_paths:
                return face, face.accept(request, socket)
        return None, Response(status=404)

    # Inside

    def _new_client(self) -> Client:
        self._last_number += 1
        return Client(
            self._last_number,
            self,
            self._context,
            max_outgoing=self.max_outgoing,
            slow_timeout=self.slow_timeout,
        )

    def _all_routes(self) -> dict[tuple[str, str], Route]:
        routes: dict[tuple[str, str], Route] = {}
        for face in self.faces.values():
            taken = routes.keys() & face.routes.keys()
            if taken:
                raise ConfigurationError("venues", face.name, f"venues that do not share {sorted(taken)}")
            routes |= face.routes
        return routes

    def _refusal(self, request: Request) -> Response | None:
        origin = request.headers.get("origin")
        if is_loopback_host(request.headers.get("host", "")) and (
            origin is None or is_loopback_origin(origin) or self._is_expected(origin, request.path)
        ):
            return None
        self.refused += 1
        return Response(status=403)

    def _is_expected(self, origin: str, path: str) -> bool:
        """True for the Origin that a venue's own clients send, on that venue's sockets."""
        return any(path in face.socket_paths and origin in face.origins for face in self.faces.values())

    def _http_fault(self, limited: str) -> Response | None:
        now_ns = self.clock.time_ns()
        down = self.faults.meet("unavailable", now_ns)
        if down is not None:
            return Response(
                status=down.params["status"], body=_UNAVAILABLE, headers={"content-type": "text/html"}
            )
        busy = self.faults.meet(limited, now_ns)
        if busy is not None:
            return Response.of(
                {"error": "too many requests"}, 429, retry_after=f"{busy.params['retry_after']:g}"
            )
        return None

    def _refused(self, request: Request) -> Response | None:
        refused = self.faults.meet("refuse_http", self.clock.time_ns(), path=request.path)
        if refused is None:
            return None
        status = refused.params["status"]
        return Response.of(
            {"error": "refused by the sandbox", "message": "REFUSED", "statusCode": status}, status
        )

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last = last_activity = last_sweep = loop.time()
        owed = 0.0
        while True:
            await asyncio.sleep(min(_TURN, max(0.002, 1 / self.rate)) if self.rate else _IDLE_TURN)
            now = loop.time()
            owed += (now - last) * self.rate
            last = now
            due = int(owed)
            owed -= due
            self.step(min(due, MAX_STEPS_PER_TURN, max(1, int(self.rate * MADE_UP_FOR))))
            if self._activity and now - last_activity >= ACTIVITY_INTERVAL:
                last_activity = now
                for venue, face in self.faces.items():
                    for account in face.listening_accounts():
                        self.act(venue, account)
            if now - last_sweep >= _TURN:
                if now - last_sweep >= HELD_UP:
                    await self._read_first()
                last_sweep = now
                self._sweep(now)

    @staticmethod
    async def _read_first() -> None:
        """After the loop was held up, take what clients have sent meanwhile, before anybody is judged to be silent."""
        for _ in range(DRAINING_TURNS):
            await asyncio.sleep(0)

    def _sweep(self, now: float) -> None:
        for face in self.faces.values():
            face.tick(now, self.clock.time_ns())
        for client in list(self._clients.values()):
            client.close_if_silent(now, HTTP_IDLE)


def _check(host: str, port: int, rate: float, market_life: float | None, order_latency: float) -> None:
    if not 0 <= order_latency <= MAX_ORDER_LATENCY:
        raise ConfigurationError("order_latency", order_latency, f"0 to {MAX_ORDER_LATENCY:g} seconds")
    if market_life is not None and not 1 <= market_life <= MAX_MARKET_LIFE:
        raise ConfigurationError("market_life", market_life, f"1 to {MAX_MARKET_LIFE:g} seconds")
    if host not in _LOOPBACK:
        raise ConfigurationError(
            "host", host, f"{', '.join(_LOOPBACK)}: the sandbox is for this machine only"
        )
    if not 0 <= port <= 65535:
        raise ConfigurationError("port", port, "0 (any free one) to 65535")
    if not 0 <= rate <= 100_000:
        raise ConfigurationError("rate", rate, "0 to 100000 a second")


def _made(
    context: FaceContext,
    venues: Sequence[str] | None,
    settings: Mapping[str, Mapping[str, Any]],
    further: Mapping[str, Callable[..., TopicFace[Any]]],
) -> dict[str, TopicFace[Any]]:
    """The faces of those venues; of every one, where none is named."""
    known = [*FACES, *further]
    names = known if venues is None else venues
    if not names or isinstance(names, str):
        raise ConfigurationError("venues", venues, f"a list of: {', '.join(known)}")
    return {name: make_face(name, context, further, **settings.get(name, {})) for name in names}


async def run_sandbox(*, ready: Callable[[Sandbox], None] | None = None, **arguments: Any) -> None:
    """Run a sandbox, made with `arguments`, until cancelled. `ready(sandbox)` is called when it listens."""
    async with Sandbox(**arguments) as sandbox:
        if ready is not None:
            ready(sandbox)
        await sandbox.wait()
