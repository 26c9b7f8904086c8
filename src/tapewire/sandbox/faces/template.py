"""The template, played: one socket, numbered channels, a token in a header. `venues/template/NOTES.md` has the wire."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from tapewire.sandbox import (
    BalanceChanged,
    Entry,
    Event,
    Exchange,
    FaceContext,
    Flow,
    Injected,
    JoinGate,
    Request,
    Response,
    Socket,
    TopicFace,
    Traded,
)

__all__ = ["TemplateFace"]


class TemplateSocket:
    """The venue's end of one socket. Topics are the ledger's: that of a balance ends with its owner."""

    dialect = ""

    def __init__(self, face: TemplateFace, socket: Socket, account: str) -> None:
        self.gate = JoinGate(face.context, face.name, socket)
        self._face = face
        self._topics = {"trades": "trades", "balance": f"balance:{account}"}

    def received(self, payload: Any) -> None:
        message = msgspec.json.decode(payload)
        channel, topic = message["channel"], self._topics.get(message["channel"], message["channel"])
        if message["op"] == "unsubscribe":
            self._face.topics.leave(topic, self)
        else:
            self.gate.consider({channel: topic}, partial(self._decide, channel, topic, message["id"]))

    def _decide(self, channel: str, topic: str, number: int, order: Injected | None) -> None:
        if order is None and channel in self._topics:
            self._face.topics.join(topic, self)
            seq = self._face.context.ledger.last_sequence(topic, venue=self._face.name)
            self._say(op="subscribed", channel=channel, id=number, seq=seq)
        else:
            reason = "no such channel" if order is None else order.params["reason"]
            self._say(op="refused", channel=channel, id=number, reason=reason)

    def publish(self, entry: Entry, encoded: bytes) -> None:
        self.gate.send([encoded], "publication", entry)

    def end(self, topic: str, *, crashed: bool) -> None:
        self._face.topics.leave(topic, self)
        self._say(op="interrupted" if crashed else "ended", channel=topic.partition(":")[0], reason="a fault")

    def tick(self, now: float) -> None:
        """It has no deadlines."""

    def lost(self) -> None:
        self._face.forget(self)

    def _say(self, **message: Any) -> None:
        self.gate.send([msgspec.json.encode(message)])


class TemplateFace(TopicFace[TemplateSocket]):
    """The played venue. Any token that is not empty is an account."""

    name = "template"
    idle_timeout, idle_code, slow_consumer_code = 60.0, 1000, 1008
    subprotocols = ()
    socket_paths = frozenset({"/socket"})

    def __init__(self, context: FaceContext) -> None:
        super().__init__(context)
        self.routes = {}
        self._told_at_ns = 0
        self.exchange = Exchange(f"{self.name}-{context.seed}")
        self.flow = Flow(
            self.exchange, lambda number, _: {"symbol": f"T{number}"}, f"{self.name}-{context.seed}"
        )

    def accept(self, request: Request, socket: Socket) -> TemplateSocket | Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or self.context.meet("refuse_tokens"):
            return Response(status=401)
        self.exchange.open_account(token)
        return self.opened(TemplateSocket(self, socket, token))

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        for event in events:
            if isinstance(event, Traded):
                self.send("trades", "trade", msgspec.to_builtins(event.trade), now_ns)
            elif isinstance(event, BalanceChanged):
                # Later than the last: of two that say the same nobody could tell whether both have come.
                self._told_at_ns = max(now_ns, self._told_at_ns + 1)
                balance = {"cash": event.cash, "at": self._told_at_ns}
                self.send(f"balance:{event.account}", "balance", balance, now_ns)

    def encode(self, entry: Entry, payload: Any, dialect: Any) -> bytes:
        channel = entry.topic.partition(":")[0]
        return msgspec.json.encode(
            {"channel": channel, "seq": entry.sequence, "data": msgspec.Raw(entry.body)}
        )

    def listening_accounts(self) -> list[str]:
        return [topic.partition(":")[2] for topic in self.topics if topic.startswith("balance:")]

    def environment(self, url: str) -> dict[str, str]:
        return {"TEMPLATE_HOST": url}
