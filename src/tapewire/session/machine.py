"""The connection of a session as one literal table: `(state, input) -> (state, actions)`. Pure.

Rules:

* Every pair stands in the table or is an error that names both: there is no silent "ignore". What may come late and
  means nothing (a second `close`) is listed with no actions.
* The driver performs actions and feeds inputs. It never looks at a state to decide anything.
* `ConnectionMachine` adds what a table cannot hold: it counts the dials of one outage and whether a fresh token was
  already asked for, and turns an input into its final form (`broken` into `exhausted`, a second `unauthorized` into
  `refused`, and that into `supervised` where the owner wants so) before the table sees it.
* What `max_attempts` allows is dials: those that failed, and those whose connection did not last, not the loss itself.
* An exception of ours in the midst of a transition is the input `defect`: from every state it leads to one that some
  input leaves again, with the transport dropped.

How one outage goes. A loss (`broken`) reports the topics disconnected, drops the transport and arms the back-off;
`backoff over` asks for a token, connects, greets; `ready` reports the topics connected and arms the stable timer. Only
`stable` ends the outage, so that a peer which accepts and drops is tried ever more slowly, unless it served us in
between (`served`). Three things end a session otherwise: what no retry can heal (`refused`), a policy that is
exhausted, and its owner. `supervised` turns the first two into a slow retry with an alarm each time.

The diagram in docs/states.md is made from this table by `scripts/state_diagrams.py`; a test compares them.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

from ..errors import IllegalTransition
from ..retry import RetryPolicy

__all__ = ["TABLE", "Action", "ConnectionMachine", "Input", "State"]


class State(Enum):
    """Where a connection stands."""

    NEW = "new"  # never opened
    AUTHORIZING = "authorizing"  # asking for a token
    CONNECTING = "connecting"  # opening a transport
    GREETING = "greeting"  # open; the protocol's own handshake is not over
    UP = "up"  # usable
    WAITING = "waiting"  # between two tries
    CLOSING = "closing"  # leaving politely
    CLOSED = "closed"  # closed by its owner
    FAILED = "failed"  # gave up


class Input(Enum):
    """What can happen to it."""

    OPEN = "open"
    AUTHORIZED = "authorized"
    OPENED = "opened"
    READY = "ready"
    STABLE = "stable"
    BROKEN = "broken"  # a try failed or the line was lost: try again
    UNAUTHORIZED = "unauthorized"  # the token was not accepted: try once with a fresh one
    EXPIRED = "expired"  # the token had ended: try with a fresh one, however many that takes
    REFUSED = "refused"  # the peer said no for good
    SUPERVISED = "supervised"  # the same, where the owner wants to be alarmed rather than stopped
    EXHAUSTED = "exhausted"  # the retry policy allows no more, or the first connection did not come in time
    DEFECT = "defect"  # an action of ours raised: whatever it left half done is dropped
    BACKOFF_OVER = "backoff over"
    RECONNECT = "reconnect"  # the owner asks for a new connection
    CLOSE = "close"
    GONE = "gone"  # the polite close is over


class Action(Enum):
    """What the driver is to do."""

    AUTHORIZE = "authorize"
    CONNECT = "connect"
    CANCEL_TRY = "cancel try"  # forget the running token request or connect
    GREET = "greet"
    ARM_STABLE = "arm stable timer"
    REPORT_CONNECTED = "report connected"  # subscriptions may be sent
    REPORT_DISCONNECTED = (
        "report disconnected"  # every subscription and request learns that the connection is gone
    )
    DROP = "drop transport"  # abort; its generation ends
    DISCARD_TOKEN = "discard token"
    ARM_BACKOFF = "arm backoff"
    RAISE_ALARM = "raise alarm"  # an ERROR in the log, and a long backoff
    DISARM_BACKOFF = "disarm backoff"
    LEAVE = "leave"  # leave each topic, then close the transport politely
    GIVE_UP = "give up"  # raise the last error in everything that waits
    FINISH = "finish"  # end everything that waits, without error


S, On, Do = State, Input, Action

_AFTER_DEFECT = (Do.CANCEL_TRY, Do.REPORT_DISCONNECTED, Do.DROP, Do.ARM_BACKOFF)

TABLE: MappingProxyType[tuple[State, Input], tuple[State, tuple[Action, ...]]] = MappingProxyType(
    {
        (S.NEW, On.OPEN): (S.AUTHORIZING, (Do.AUTHORIZE,)),
        (S.NEW, On.RECONNECT): (S.NEW, ()),
        (S.NEW, On.CLOSE): (S.CLOSED, (Do.FINISH,)),
        (S.NEW, On.DEFECT): (S.NEW, ()),
        #
        (S.AUTHORIZING, On.OPEN): (S.AUTHORIZING, ()),
        (S.AUTHORIZING, On.AUTHORIZED): (S.CONNECTING, (Do.CONNECT,)),
        (S.AUTHORIZING, On.BROKEN): (S.WAITING, (Do.ARM_BACKOFF,)),
        (S.AUTHORIZING, On.UNAUTHORIZED): (S.AUTHORIZING, (Do.DISCARD_TOKEN, Do.AUTHORIZE)),
        (S.AUTHORIZING, On.REFUSED): (S.FAILED, (Do.GIVE_UP,)),
        (S.AUTHORIZING, On.SUPERVISED): (S.WAITING, (Do.DISCARD_TOKEN, Do.RAISE_ALARM)),
        (S.AUTHORIZING, On.EXHAUSTED): (S.FAILED, (Do.GIVE_UP,)),
        (S.AUTHORIZING, On.RECONNECT): (S.AUTHORIZING, ()),
        (S.AUTHORIZING, On.CLOSE): (S.CLOSED, (Do.CANCEL_TRY, Do.FINISH)),
        (S.AUTHORIZING, On.DEFECT): (S.WAITING, _AFTER_DEFECT),
        #
        (S.CONNECTING, On.OPEN): (S.CONNECTING, ()),
        (S.CONNECTING, On.OPENED): (S.GREETING, (Do.GREET,)),
        (S.CONNECTING, On.BROKEN): (S.WAITING, (Do.ARM_BACKOFF,)),
        (S.CONNECTING, On.UNAUTHORIZED): (S.AUTHORIZING, (Do.DISCARD_TOKEN, Do.AUTHORIZE)),
        (S.CONNECTING, On.REFUSED): (S.FAILED, (Do.GIVE_UP,)),
        (S.CONNECTING, On.SUPERVISED): (S.WAITING, (Do.DISCARD_TOKEN, Do.RAISE_ALARM)),
        (S.CONNECTING, On.EXHAUSTED): (S.FAILED, (Do.GIVE_UP,)),
        (S.CONNECTING, On.RECONNECT): (S.CONNECTING, ()),
        (S.CONNECTING, On.CLOSE): (S.CLOSED, (Do.CANCEL_TRY, Do.FINISH)),
        (S.CONNECTING, On.DEFECT): (S.WAITING, _AFTER_DEFECT),
        #
        (S.GREETING, On.OPEN): (S.GREETING, ()),
        (S.GREETING, On.READY): (S.UP, (Do.ARM_STABLE, Do.REPORT_CONNECTED)),
        (S.GREETING, On.BROKEN): (S.WAITING, (Do.DROP, Do.ARM_BACKOFF)),
        (S.GREETING, On.UNAUTHORIZED): (S.AUTHORIZING, (Do.DROP, Do.DISCARD_TOKEN, Do.AUTHORIZE)),
        (S.GREETING, On.EXPIRED): (S.WAITING, (Do.DROP, Do.DISCARD_TOKEN, Do.ARM_BACKOFF)),
        (S.GREETING, On.REFUSED): (S.FAILED, (Do.DROP, Do.GIVE_UP)),
        (S.GREETING, On.SUPERVISED): (S.WAITING, (Do.DROP, Do.DISCARD_TOKEN, Do.RAISE_ALARM)),
        (S.GREETING, On.EXHAUSTED): (S.FAILED, (Do.DROP, Do.GIVE_UP)),
        (S.GREETING, On.RECONNECT): (S.GREETING, ()),
        (S.GREETING, On.CLOSE): (S.CLOSING, (Do.LEAVE,)),
        (S.GREETING, On.DEFECT): (S.WAITING, _AFTER_DEFECT),
        #
        (S.UP, On.OPEN): (S.UP, ()),
        (S.UP, On.STABLE): (S.UP, ()),
        (S.UP, On.BROKEN): (S.WAITING, (Do.REPORT_DISCONNECTED, Do.DROP, Do.ARM_BACKOFF)),
        (S.UP, On.UNAUTHORIZED): (
            S.WAITING,
            (Do.REPORT_DISCONNECTED, Do.DROP, Do.DISCARD_TOKEN, Do.ARM_BACKOFF),
        ),
        (S.UP, On.EXPIRED): (S.WAITING, (Do.REPORT_DISCONNECTED, Do.DROP, Do.DISCARD_TOKEN, Do.ARM_BACKOFF)),
        (S.UP, On.REFUSED): (S.FAILED, (Do.REPORT_DISCONNECTED, Do.DROP, Do.GIVE_UP)),
        (S.UP, On.SUPERVISED): (
            S.WAITING,
            (Do.REPORT_DISCONNECTED, Do.DROP, Do.DISCARD_TOKEN, Do.RAISE_ALARM),
        ),
        (S.UP, On.EXHAUSTED): (S.FAILED, (Do.REPORT_DISCONNECTED, Do.DROP, Do.GIVE_UP)),
        (S.UP, On.RECONNECT): (S.AUTHORIZING, (Do.REPORT_DISCONNECTED, Do.DROP, Do.AUTHORIZE)),
        (S.UP, On.CLOSE): (S.CLOSING, (Do.LEAVE,)),
        (S.UP, On.DEFECT): (S.WAITING, _AFTER_DEFECT),
        #
        (S.WAITING, On.OPEN): (S.WAITING, ()),
        (S.WAITING, On.BACKOFF_OVER): (S.AUTHORIZING, (Do.AUTHORIZE,)),
        (S.WAITING, On.RECONNECT): (S.AUTHORIZING, (Do.DISARM_BACKOFF, Do.AUTHORIZE)),
        (S.WAITING, On.EXHAUSTED): (S.FAILED, (Do.DISARM_BACKOFF, Do.GIVE_UP)),
        (S.WAITING, On.CLOSE): (S.CLOSED, (Do.DISARM_BACKOFF, Do.FINISH)),
        (S.WAITING, On.DEFECT): (S.WAITING, _AFTER_DEFECT),
        #
        (S.CLOSING, On.OPEN): (S.CLOSING, ()),
        (S.CLOSING, On.STABLE): (S.CLOSING, ()),
        (S.CLOSING, On.BROKEN): (S.CLOSING, ()),
        (S.CLOSING, On.UNAUTHORIZED): (S.CLOSING, ()),
        (S.CLOSING, On.EXPIRED): (S.CLOSING, ()),
        (S.CLOSING, On.REFUSED): (S.CLOSING, ()),
        (S.CLOSING, On.SUPERVISED): (S.CLOSING, ()),
        (S.CLOSING, On.EXHAUSTED): (S.CLOSING, ()),
        (S.CLOSING, On.READY): (S.CLOSING, ()),
        (S.CLOSING, On.RECONNECT): (S.CLOSING, ()),
        (S.CLOSING, On.CLOSE): (S.CLOSING, ()),
        (S.CLOSING, On.GONE): (S.CLOSED, (Do.DROP, Do.FINISH)),
        (S.CLOSING, On.DEFECT): (S.CLOSED, (Do.DROP, Do.FINISH)),
        #
        (S.CLOSED, On.OPEN): (S.CLOSED, ()),
        (S.CLOSED, On.CLOSE): (S.CLOSED, ()),
        (S.CLOSED, On.RECONNECT): (S.CLOSED, ()),
        (S.CLOSED, On.GONE): (S.CLOSED, ()),
        (S.CLOSED, On.DEFECT): (S.CLOSED, ()),
        #
        (S.FAILED, On.OPEN): (S.FAILED, ()),
        (S.FAILED, On.RECONNECT): (S.FAILED, ()),
        (S.FAILED, On.CLOSE): (S.CLOSED, (Do.FINISH,)),
        (S.FAILED, On.DEFECT): (S.FAILED, ()),
    }
)


# A token that ends on a live line is a loss like any.
_LOSSES = (Input.BROKEN, Input.UNAUTHORIZED, Input.EXPIRED)

# What counts for the tries of an outage; every other input is final as it is.
_JUDGED = (Input.STABLE, Input.READY, *_LOSSES)


class ConnectionMachine:
    """Walks the table and counts the tries of one outage."""

    def __init__(self, policy: RetryPolicy, supervise: RetryPolicy | None = None) -> None:
        self.policy = policy
        self.supervise = supervise
        self.state = State.NEW
        self.tries = 0
        """Dials of this outage: those that failed, and those that connected and did not last."""
        self.waits = 0
        """Waits since a connection last served us: what the growing delay is computed from."""
        self.alarms = 0
        """Refusals of this outage that were survived because somebody supervises."""
        self._asked_for_fresh_token = False
        self.is_over: bool = False
        """True where nothing is ever opened again."""
        self._was_up = False

    def handle(self, received: Input) -> tuple[Action, ...]:
        """Take one input. Perform the returned actions in order. Raises IllegalTransition for a pair not listed."""
        if (self.state, received) not in TABLE:
            raise IllegalTransition(self.state, received)
        if received in _JUDGED:
            received = self._finalize(received)
        if received is Input.REFUSED and self.supervise is not None and self.state is not State.CLOSING:
            self.alarms += 1
            if not self.supervise.exhausted(self.alarms):
                received = Input.SUPERVISED
        self.state, actions = TABLE[self.state, received]
        self.is_over = self.state in (State.CLOSING, State.CLOSED, State.FAILED)
        if Action.ARM_BACKOFF in actions:
            self.waits += 1
        return actions

    def served(self) -> None:
        """The present connection has been of use for a while: if it is lost, the first tries are quick again.

        A peer that accepts and drops, or that refuses, never comes here: there the waits go on growing.
        """
        self.waits = 0

    def _finalize(self, received: Input) -> Input:
        if received is Input.STABLE:
            self._start_afresh()
        elif received is Input.READY:
            self._asked_for_fresh_token = False  # it was accepted
            self.tries = self.tries + 1 if self._was_up else 0  # what opened the session is no outage's dial
            self._was_up = True
        elif received is Input.EXPIRED and self.state is State.GREETING and not self._asked_for_fresh_token:
            self._asked_for_fresh_token = True
            return Input.UNAUTHORIZED  # the first time at once
        elif received is Input.UNAUTHORIZED and self.state is not State.UP:
            if self._asked_for_fresh_token:
                return Input.REFUSED
            self._asked_for_fresh_token = True
        else:
            if self.state is not State.UP:
                self.tries += 1
            if self.policy.exhausted(self.tries):
                return Input.EXHAUSTED
        return received

    def _start_afresh(self) -> None:
        self._asked_for_fresh_token = False
        self.tries = self.waits = self.alarms = 0
