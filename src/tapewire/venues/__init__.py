"""The venues and their registry: the command line and the demo look names up here.

Each venue is a package with the same rooms (see ARCHITECTURE.md), and a `spec.py` that says what it is. One is imported
when it is asked for, so that a program pays only for the venue it uses. `VenueDemo` is what a venue shows in
`tapewire demo`, `VenueCheckup` what `tapewire doctor` asks of one. `template` is no venue: it is there to be copied
(docs/new-venue.md).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..arguments import near_names
from ..errors import ConfigurationError
from ..marks import Mark

if TYPE_CHECKING:
    from ..market.venue import Venue
    from ..session.options import Statistics
    from .kit.spec import VenueSpec

__all__ = [
    "VENUES",
    "DemoFault",
    "Observer",
    "VenueCheckup",
    "VenueDemo",
    "VenueSeeding",
    "connect",
    "demo_settings",
    "load",
    "make_checkup",
    "make_demo",
    "make_seeding",
]


class _Registry(Mapping[str, "VenueSpec"]):
    """Names are known without an import; a venue's spec is imported with it when it is asked for."""

    _names = ("stx", "sxbet", "stake", "weex")

    def __getitem__(self, name: str) -> VenueSpec:
        if name not in self._names:
            raise KeyError(name)
        spec: VenueSpec = importlib.import_module(f"{__name__}.{name}.spec").SPEC
        return spec

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<venues {', '.join(self._names)}>"


VENUES: Mapping[str, VenueSpec] = _Registry()
"""What each venue is, by name."""


class DemoFault(msgspec.Struct, frozen=True):
    """A fault to order during a demo: when (as a share of the run), which, and what a person calls it."""

    at: float
    name: str
    params: Mapping[str, Any]
    title: str


class Observer(Protocol):
    """Where a demo's handlers note what they receive, in order."""

    def publication(self, event: str, payload: Any) -> None: ...
    def mark(self, mark: Mark) -> None: ...


class VenueDemo(Protocol):
    """What a venue shows: log in, list, subscribe, trade, stream; and the faults that make it interesting."""

    faults: Sequence[DemoFault]

    async def sign_in(self) -> str:
        """Log in and look around; returns a line for people."""
        ...

    async def subscribe(self, observe: Callable[[str, str], Observer]) -> None:
        """Join a public and a private stream; `observe(label, topic)` gives each its observer."""
        ...

    async def trade(self) -> str:
        """Place an order that fills; returns a line for people."""
        ...

    async def compare(self, truth: Callable[[str], Any]) -> list[str]:
        """Compare what was built from the streams with the exchange's own; returns what differs, for people.

        `truth(market)` is the played exchange's book of a market, None where the face has no such thing.
        """
        ...

    def statistics(self) -> Statistics:
        """Of the socket."""
        ...

    async def close(self) -> None:
        """Leave and close everything."""
        ...


class VenueCheckup(Protocol):
    """What a venue is asked when somebody wants to know what is wrong: through the documented classes, by environment.

    Made with the seconds that each of its two steps may take. `api`: the origin of its HTTP; `sockets`: where its
    streams are, without what is secret; `source`: where those addresses came from. `credentials`: the variables that
    hold them; `has_credentials`: they are given; `needs_credentials`: the venue lets nobody subscribe without. Nothing
    is repeated: the first failure is what is asked for.
    """

    api: str
    sockets: Sequence[str]
    source: str
    credentials: Sequence[str]
    has_credentials: bool
    needs_credentials: bool

    async def sign_in(self) -> str:
        """Show the venue who we are; returns a line for people, without anything secret. Raises why not."""
        ...

    async def subscribe(self) -> str:
        """Open the socket and have one public topic confirmed; returns a line for people. Raises why not."""
        ...

    async def close(self) -> None:
        """Leave and close everything."""
        ...


class VenueSeeding(Protocol):
    """How a tape of the venue can begin in its midst: what `recording.seeds.Seeding` has to know, and the snapshots."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        """What of a message has to be said again to whoever begins anew, None for nothing; and what it publishes, each
        with its place: of that the last of each place is kept.
        """
        ...

    def is_beat(self, message: bytes) -> bool:
        """True for what we say only because we were asked whether we are there."""
        ...

    def begun(
        self, said: Sequence[tuple[bool, bytes]], last: Mapping[str, bytes]
    ) -> list[tuple[bool, bytes]] | None:
        """What a line begins with on which this was said, True by us, and this last of each place.

        None where whoever begins anew would say something else.
        """
        ...

    def is_state(self, url: str) -> bool:
        """True for a request whose answer has to be of the moment at which one begins: `snapshots` asks for it."""
        ...

    async def snapshots(
        self, market: Any, wanted: Mapping[str, Sequence[str]]
    ) -> Sequence[tuple[str, bytes]] | None:
        """Ask over the market's HTTP for what begins the feeds, by their verbs those of these instruments.

        Of a book that begins with a message: its topic, and that message. None where they cannot begin so. Raises what
        the venue refuses.
        """
        ...


def load(name: str) -> ModuleType:
    """The package of a venue. Raises ConfigurationError listing the names there are."""
    if name not in VENUES:
        raise ConfigurationError("venue", name, VENUES)
    return importlib.import_module(f"{__name__}.{name}")


def connect(venue: str, /, **settings: Any) -> Venue:
    """The market of a venue, by the venue's name: `async with tapewire.connect("sxbet", api_key=...) as venue:`.

    `settings`: what the venue's own classes take; what is not given is read from the environment as they do. The verbs
    are those of `tapewire.market.Venue`. Raises ConfigurationError for an unknown name (with near ones) or setting.
    """
    if venue not in VENUES:
        near = near_names(str(venue), VENUES)
        raise ConfigurationError(
            "venue", venue, f"{', '.join(VENUES)}{f'; perhaps {near[0]}' if near else ''}"
        )
    made: Venue = importlib.import_module(f"{__name__}.{venue}.market").connect(**settings)
    return made


def demo_settings(name: str) -> Mapping[str, Any]:
    """What the sandbox's face of a venue is given for a demo. Raises ConfigurationError for an unknown name."""
    load(name)
    settings: Mapping[str, Any] = getattr(importlib.import_module(f"{__name__}.{name}.demo"), "SETTINGS", {})
    return settings


def make_demo(name: str, url: str, way: Mapping[str, Any], fraction: Callable[[], float]) -> VenueDemo:
    """The demo of a venue against the local sandbox at `url`. Raises ConfigurationError for an unknown name.

    `way`: `connector`, `http_transport` and `clock` of its classes, those that are to be others than usual. `fraction`:
    the chance in its back-off.
    """
    load(name)
    demo: VenueDemo = importlib.import_module(f"{__name__}.{name}.demo").Demo(url, way, fraction)
    return demo


def make_checkup(name: str, timeout: float) -> VenueCheckup:
    """The check-up of a venue. Raises ConfigurationError for an unknown name, and for a setting that is wrong."""
    load(name)
    checkup: VenueCheckup = importlib.import_module(f"{__name__}.{name}.checkup").Checkup(timeout)
    return checkup


def make_seeding(name: str) -> VenueSeeding | None:
    """How a tape of a venue can begin in its midst; None where it cannot.

    Raises ConfigurationError for an unknown name.
    """
    load(name)
    module = f"{__name__}.{name}.seeds"
    if importlib.util.find_spec(module) is None:
        return None
    seeding: VenueSeeding = importlib.import_module(module).Seeding()
    return seeding
