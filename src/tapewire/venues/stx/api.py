"""`STX` and `AsyncSTX`: the same methods, blocking and awaited. Thin shells: they perform what `signin.py` decides.

Making one sends nothing: credentials go into the shared `User`, and the first call that needs a token signs in. Close
it when done, or use it as a context manager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FlightTimeout
from datetime import UTC, datetime
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Final, Generic, ParamSpec, Self, TypeVar, Unpack, overload

from ...clock import Clock
from ...retry import RetryPolicy
from ...secrets import Secret
from ...transport.http import HttpClient, HttpOptions, SyncHttpClient
from ...transport.limiter import RateLimiter
from ..kit.dialing import HttpDialing, dialer_of
from ..kit.http import Api, BlockingApi
from ..kit.settings import Announcement, clock_of, retry_of
from . import operations
from .config import resolve
from .errors import ERRORS, STXInvalidParameterException, STXTransportException
from .operations import Operation, to_call
from .records import snake
from .signin import Course, Door, Send, Wait, authenticated, confirmed, signed_in, signed_in_anew
from .user import User

__all__ = ["STX", "AsyncSTX"]

logger = logging.getLogger("tapewire.venues.stx")

T = TypeVar("T")
P = ParamSpec("P")

FLIGHT_TIMEOUT = (
    60.0  # seconds to wait for somebody else's sign-in; each of its calls has a deadline of its own
)


class AccountSettings(HttpDialing, total=False):
    """Where and who, and how calls are made: what both clients and the socket take.

    `region`, `env`, `host`, `email`, `password`, `profile`: where and who; each may come from the environment or a
    profile instead (config.py). `user`: another than the process's one. `timeout` (seconds for one attempt), `limiter`:
    how calls are made. `device_id`: told to the venue on signing in. `allow_plaintext`: take an http host
    that is not this machine. `proxy`, `ssl`, `http_transport`: the way there (kit.dialing.HttpDialing).
    """

    region: str | None
    env: str | None
    host: str | None
    email: str | None
    password: str | Secret | None
    profile: str | None
    user: User | None
    timeout: float
    limiter: RateLimiter | None
    device_id: str | None
    clock: Clock
    allow_plaintext: bool


class Settings(AccountSettings, total=False):
    """What both clients take: `retry` is the policy of each call."""

    retry: RetryPolicy


class _Method(Generic[P, T]):
    """A method of both clients, written once: it returns T on STX and a coroutine of T on AsyncSTX."""

    def __init__(self, course: Callable[Concatenate[_Client, P], Course[T]]) -> None:
        self._course = course
        self.__doc__ = course.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: STX, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSTX, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: _Client | None, owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._course)
        def start(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._perform(self._course(client, *args, **kwargs))

        return start


def _calling(make: Callable[P, Operation[T]]) -> _Method[P, T]:
    """The method that sends what `make` makes of its arguments, with a token."""

    def course(client: _Client, /, *args: P.args, **kwargs: P.kwargs) -> Course[T]:
        return authenticated(client._door, make(*args, **kwargs))

    update_wrapper(course, make)
    return _Method(course)


@ERRORS.covers
class _Client:
    """What both clients share: their settings, their methods, and the meaning of failures."""

    _blocking: bool

    def __init__(self, settings: Settings) -> None:
        names = ("region", "env", "host", "email", "password", "profile")
        known = dict.fromkeys((*AccountSettings.__annotations__, *Settings.__annotations__))
        unknown = settings.keys() - known.keys()
        if unknown:
            raise STXInvalidParameterException("argument", ", ".join(sorted(unknown)), known)
        plaintext = settings.get("allow_plaintext", False)
        config = resolve(**{name: settings.get(name) for name in names}, allow_plaintext=plaintext)  # type: ignore[arg-type]
        self.origin: str = config.origin
        user = settings.get("user")
        if not isinstance(user, User | None):
            raise STXInvalidParameterException("user", user, "a User, such as User.new(), or None")
        self.user: User = User() if user is None else user
        clock = clock_of(settings.get("clock"))
        # What the environment says does not replace an account that was signed in on purpose.
        if config.email and config.password and (config.given or not self.user.is_known):
            self.user.seed(config.email, config.password, config.origin)
        self._door = Door(
            user=self.user,
            origin=self.origin,
            now=lambda: datetime.fromtimestamp(clock.time_ns() / 1e9, UTC),
            blocking=self._blocking,
            device_id=settings.get("device_id"),
        )
        self._last_token: Secret | None = None
        self._http_options: HttpOptions = {
            "policy": retry_of(settings.get("retry"), RetryPolicy()),
            "timeout": settings.get("timeout", 10.0),
            "limiter": settings.get("limiter"),
            "clock": clock,
            "allow_plaintext": plaintext,
        }
        self._dialer = dialer_of(settings, STXInvalidParameterException, blocking=self._blocking)
        self.announcement: Announcement = Announcement(logger, "stx", [self.origin], config.source)
        """Says where calls and streams go, once, before the first of them."""

    def _perform(self, course: Course[T]) -> Any: ...  # blocking in STX, awaited in AsyncSTX

    @_Method
    def login(
        self,
        params: dict[str, Any] | None = None,
        *,
        email: str | None = None,
        password: str | Secret | None = None,
    ) -> Course[User]:
        """Sign in now, with the credentials given here or kept. Other calls do so by themselves when they need to."""
        given = {snake(name): value for name, value in (params or {}).items()}
        given = {**given.get("credentials", given), **({"email": email} if email else {})}
        secret = password or given.get("password")
        if bool(given.get("email")) != bool(secret):
            raise STXInvalidParameterException("login", "one of email and password", "both, or neither")
        if secret:
            self.user.seed(
                given["email"], secret if isinstance(secret, Secret) else Secret(secret), self.origin
            )
        yield from signed_in_anew(self._door)
        return self.user

    @_Method
    def confirm_2fa(self, code: str | None = None, *, params: dict[str, Any] | None = None) -> Course[User]:
        """Finish a sign-in that raised STXTwoFactorRequiredException, with the code that the venue sent."""
        yield from confirmed(self._door, code or (params or {}).get("code") or "")
        return self.user

    @_Method
    def refresh(self) -> Course[User]:
        """Get a fresh token now. Calls do so by themselves before the old one ends."""
        yield from signed_in(self._door, stale=self.user.bearer)
        return self.user

    @_Method
    def token(self, fresh: bool = False) -> Course[Secret]:
        """A token that is valid now. `fresh`: the one that this method gave last was refused, so another."""
        token = yield from signed_in(self._door, stale=self._last_token if fresh else None)
        self._last_token = token
        return token

    @_Method
    def api_version(self) -> Course[str]:
        """The version of the venue's API. Needs no sign-in."""
        version: str = yield Send(operations.api_version())
        return version

    place_order: Final = _calling(operations.place_order)
    place_orders: Final = _calling(operations.place_orders)
    cancel_order: Final = _calling(operations.cancel_order)
    cancel_orders: Final = _calling(operations.cancel_orders)
    cancel_all_orders: Final = _calling(operations.cancel_all_orders)
    markets: Final = _calling(operations.markets)
    orders: Final = _calling(operations.orders)
    trades: Final = _calling(operations.trades)
    positions: Final = _calling(operations.positions)
    settlements: Final = _calling(operations.settlements)
    account: Final = _calling(operations.account)
    user_profile: Final = _calling(operations.user_profile)

    # The wire's own names, which are those of the earlier generation (document 001).
    confirm_orders: Final = place_orders
    confirmOrder: Final = place_order  # noqa: N815
    confirmOrders: Final = place_orders  # noqa: N815
    cancelOrder: Final = cancel_order  # noqa: N815
    cancelOrders: Final = cancel_orders  # noqa: N815
    cancelAllOrders: Final = cancel_all_orders  # noqa: N815
    confirm2Fa: Final = confirm_2fa  # noqa: N815
    marketInfos: Final = markets  # noqa: N815
    userOrders: Final = orders  # noqa: N815
    userProfile: Final = user_profile  # noqa: N815

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.origin}, {self.user!r}>"


@ERRORS.covers
class STX(_Client):
    """The blocking client. Do not call it where an event loop runs, or the loop stands still meanwhile: AsyncSTX.

    Raises STXInvalidParameterException for wrong settings; every call raises STXExceptions (errors.py).
    """

    _blocking = True

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__(settings)
        self._api = BlockingApi(
            SyncHttpClient(self.origin, **self._dialer.http, **self._http_options), ERRORS, self.announcement
        )

    @ERRORS.covered
    def _perform(self, course: Course[T]) -> T:
        answer: Any = None
        failure: Exception | None = None
        try:
            while True:
                errand = course.throw(failure) if failure else course.send(answer)
                answer, failure = None, None
                try:
                    if isinstance(errand, Send):
                        answer = self._api.call(to_call(errand.operation, errand.token))
                    else:
                        answer = self._wait(errand)
                except Exception as error:
                    failure = error
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            course.close()

    def _wait(self, errand: Wait) -> Any:
        try:
            return errand.flight.landed.result(FLIGHT_TIMEOUT)
        except FlightTimeout:
            failure = _waited_too_long()
        raise failure

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@ERRORS.covers
class AsyncSTX(_Client):
    """The client for asyncio: every method of STX, awaited. Close it with `aclose()` or `async with`.

    Raises STXInvalidParameterException for wrong settings; every call raises STXExceptions (errors.py).
    """

    _blocking = False

    def __init__(self, **settings: Unpack[Settings]) -> None:
        super().__init__(settings)
        self._api = Api(
            HttpClient(self.origin, **self._dialer.http, **self._http_options), ERRORS, self.announcement
        )

    @ERRORS.covered
    async def _perform(self, course: Course[T]) -> T:
        answer: Any = None
        failure: Exception | None = None
        try:
            while True:
                errand = course.throw(failure) if failure else course.send(answer)
                answer, failure = None, None
                try:
                    if isinstance(errand, Send):
                        answer = await self._api.call(to_call(errand.operation, errand.token))
                    else:
                        answer = await self._wait(errand)
                except Exception as error:
                    failure = error
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            course.close()

    async def _wait(self, errand: Wait) -> Any:
        try:
            async with asyncio.timeout(FLIGHT_TIMEOUT):
                return await asyncio.wrap_future(errand.flight.landed)
        except TimeoutError:
            failure = _waited_too_long()
        raise failure

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._api.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def _waited_too_long() -> STXTransportException:
    return STXTransportException(
        f"a sign-in under way elsewhere did not end within {FLIGHT_TIMEOUT:g} s", sent=False
    )
