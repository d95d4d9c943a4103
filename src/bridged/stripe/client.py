"""Requests to Stripe as raw bytes: paced, repeated where that is safe, and dated in Stripe's clock.

Every failure leaves as one of `core.errors`.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from bridged import __version__
from bridged.core import clock, counts, log, tracing
from bridged.core.errors import AnswerUnreadable, RateLimited, ReadsSpent, StripeError, StripeUnreachable
from bridged.core.jsontext import storable
from bridged.core.tracing import Span
from bridged.core.types import Held, Secret
from bridged.stripe import skew
from bridged.stripe.gate import Gate
from bridged.stripe.operations import Params, encoded, operation
from bridged.stripe.pacer import Outcome
from bridged.stripe.pages import PageHead, check_object, read_page
from bridged.stripe.patience import Patience, retry_after
from bridged.stripe.refusals import refusal
from bridged.stripe.tally import Tally, total

PIN = "2026-10-28.endive"
"""The API version of every request: without it each merchant's own default would decide the shapes."""

_AGENT = f"Bridged/{__version__} (stripe mirror; aiohttp)"
_FORM = "application/x-www-form-urlencoded"
_WALL_CLOCK_ERROR = 10.0
"""Seconds by which our own wall clock is trusted when an answer has no `Date`; Stripe's always have one."""

_T = TypeVar("_T")
_log = log.logger("stripe")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to get a connection with its TLS, and for one whole attempt."""

    connect: float = 10.0
    total: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx whose body is one JSON object. `sent` and `received` are in Stripe's clock, widened by its uncertainty."""

    body: bytes
    sent: float
    received: float
    request_id: str | None

    @property
    def held(self) -> Held:
        """The interval of every row read from this answer."""
        return Held(as_of=self.sent, known_until=self.received)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: the bytes for the store, the head for the walk."""

    answer: Answer
    head: PageHead


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    endpoint: str
    query: str = ""
    form: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    foreground: bool = False
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class _Raw:
    """One response as read, with the monotonic times of its request, its head and its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    sent: float
    head: float
    received: float


class StripeClient:
    """One key's way to Stripe. Clients of one account and mode share one `gate`; all live on one event loop.

    `account`: the connected account that a platform's key acts on, unless a request names another.
    """

    def __init__(
        self,
        key: Secret,
        api_base: str,
        gate: Gate,
        *,
        version: str = PIN,
        account: str | None = None,
        timeouts: Timeouts | None = None,
        patience: Patience | None = None,
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        self.gate = gate
        self.tallies: dict[str, Tally] = {}
        self.reads_left: int | None = None
        """GETs that may still be sent, repeated ones too; None: as many as it takes."""
        self._base = api_base.rstrip("/")
        self._timeouts = timeouts or Timeouts()
        self._patience = patience or Patience()
        self._key = key
        self._headers = {
            "Stripe-Version": version,
            "Accept-Encoding": "gzip",
            "User-Agent": _AGENT,
            **dict(_account(account)),
        }
        self._new_session = session_factory or _session
        self._random_unit = random_unit
        self._session: aiohttp.ClientSession | None = None
        self._skew: skew.Skew | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; the client may be used again and then opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def total(self) -> Tally:
        """All operations together."""
        return total(self.tallies.values())

    @property
    def reads(self) -> int:
        """GETs sent so far: what Stripe counts against the account's read allocation."""
        return sum(tally.requests for endpoint, tally in self.tallies.items() if endpoint.startswith("GET "))

    def instant(self) -> Held:
        """The present moment in Stripe's clock, as far as it is known."""
        at = clock.monotonic()
        return (self._skew or skew.guessed(clock.unix(), at, _WALL_CLOCK_ERROR)).held(at, at)

    async def get(
        self, path: str, params: Params | None = None, *, foreground: bool = False, account: str | None = None
    ) -> Answer:
        """Reads one object. `path` begins with `/v1/`; ids in it come from `operations.segment`. Raises StripeError."""
        answer, _ = await self._call(_get(path, params, foreground=foreground, account=account), check_object)
        return answer

    async def page(
        self, path: str, params: Params | None = None, *, foreground: bool = False, account: str | None = None
    ) -> Page:
        """Reads one page of a list. Raises StripeError; CursorVanished when `starting_after` is gone."""
        answer, head = await self._call(_get(path, params, foreground=foreground, account=account), read_page)
        return Page(answer, head)

    async def post(
        self,
        path: str,
        params: Params | None = None,
        *,
        idempotency_key: str | None,
        foreground: bool = False,
        account: str | None = None,
    ) -> Answer:
        """Writes, or asks for a preview. Repeated only with an `idempotency_key`: without one it might happen twice."""
        headers = (("Content-Type", _FORM), *_account(account))
        if idempotency_key is not None:
            headers = (*headers, ("Idempotency-Key", idempotency_key))
        call = _Call(
            "POST",
            path,
            operation("POST", path),
            form=encoded(params),
            headers=headers,
            foreground=foreground,
            repeatable=idempotency_key is not None,
        )
        answer, _ = await self._call(call, check_object)
        return answer

    async def delete(self, path: str, *, foreground: bool = False, account: str | None = None) -> Answer:
        """Deletes one object. Raises StripeError; ObjectMissing also where a repeated request finds its work done."""
        call = _Call("DELETE", path, operation("DELETE", path), headers=_account(account), foreground=foreground)
        answer, _ = await self._call(call, check_object)
        return answer

    async def _call(self, call: _Call, read: Callable[[bytes], _T]) -> tuple[Answer, _T]:
        """Attempts until an answer can be read, or repeating is not worth it."""
        tally = self.tallies.setdefault(call.endpoint, Tally())
        attempt = 1
        while True:
            try:
                with tracing.span(call.endpoint, "client", http__request__resend_count=attempt - 1 or None) as span:
                    return await self._attempt(call, tally, read, span)
            except StripeError as error:
                wait = retry_after(error, attempt, self._random_unit(), self._patience, foreground=call.foreground)
                again = wait is not None and call.repeatable
                _log.info("stripe_failed", again=again, attempt=attempt, **_about(call, error))
                if wait is None or not call.repeatable:
                    tally.failures += 1
                    raise
            await asyncio.sleep(wait)
            attempt += 1
            tally.retries += 1

    async def _attempt(self, call: _Call, tally: Tally, read: Callable[[bytes], _T], span: Span) -> tuple[Answer, _T]:
        """One request through the gate. Raises ReadsSpent."""
        self._spend(call)
        grant = await self.gate.enter(call.endpoint, foreground=call.foreground)
        outcome = Outcome.FAILED
        tally.requests += 1
        try:
            raw = await self._send(call)
            self._learn(raw)
            span.set(
                http__request__method=call.method, url__template=call.endpoint.partition(" ")[2],
                http__response__status_code=raw.status, stripe__request_id=raw.headers.get("Request-Id"),
            )  # fmt: skip
            tally.bytes += len(raw.body)
            _log.debug(
                "stripe_answered",
                endpoint=call.endpoint,
                status=raw.status,
                request_id=raw.headers.get("Request-Id"),
                bytes=len(raw.body),
                seconds=round(raw.received - raw.sent, 4),
            )
            if not 200 <= raw.status < 300:
                raise refusal(raw.status, raw.headers, raw.body)
            outcome = Outcome.ANSWERED
            body = _storable(raw.body)
            return self._answer(raw, body), read(body)
        except RateLimited as limit:
            outcome = Outcome.of_reason(limit.reason)
            tally.rate_limited[limit.reason] += 1
            raise
        finally:
            self.gate.leave(grant, outcome)
            counts.STRIPE.add(outcome.value)

    def _learn(self, raw: _Raw) -> None:
        """Stripe's clock from any answer, refusals too: a key without rights would leave us to our own clock."""
        date = skew.read_date(raw.headers.get("Date"))
        if date is not None:
            self._skew = skew.learn(self._skew, skew.observed(date, raw.sent, raw.head))

    def _spend(self, call: _Call) -> None:
        if self.reads_left is None or call.method != "GET":
            return
        if self.reads_left <= 0:
            raise ReadsSpent(
                "The reads allowed to this work are used up.",
                hint="Try again later, or allow more reads with --budget.",
            )
        self.reads_left -= 1

    def _answer(self, raw: _Raw, body: bytes) -> Answer:
        """Dates the answer. Its own `Date` was learned first, so that the bounds always agree with it."""
        known = self._skew or skew.guessed(clock.unix(), clock.monotonic(), _WALL_CLOCK_ERROR)
        held = known.held(raw.sent, raw.received)
        return Answer(body, held.as_of, held.known_until, raw.headers.get("Request-Id"))

    async def _send(self, call: _Call) -> _Raw:
        """The wire. Raises StripeUnreachable and AnswerUnreadable, and nothing of aiohttp's."""
        if self._session is None or self._session.closed:
            self._session = self._new_session()
        url = URL(f"{self._base}{call.path}{'?' if call.query else ''}{call.query}", encoded=True)
        sent = clock.monotonic()
        try:
            async with self._session.request(
                call.method,
                url,
                data=call.form,
                headers={"Authorization": f"Bearer {self._key.reveal()}", **self._headers, **dict(call.headers)},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeouts.total, connect=self._timeouts.connect),
            ) as response:
                head = clock.monotonic()
                body = await response.read()
                return _Raw(response.status, response.headers, body, sent, head, clock.monotonic())
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            raise AnswerUnreadable("Stripe's answer was cut off or garbled on its way.", hint="Ask again.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable(error, self._timeouts) from None


def _storable(body: bytes) -> bytes:
    """What neither our parsers nor PostgreSQL hold, escaped before anybody reads it."""
    try:
        return storable(body)
    except UnicodeDecodeError:
        raise AnswerUnreadable("Stripe's answer is not UTF-8.", hint="Ask again.") from None


def _about(call: _Call, error: StripeError) -> dict[str, object]:
    """What the log says of a failure: enough to ask Stripe's support, nothing of the body."""
    return {
        "endpoint": call.endpoint,
        "error": error.code,
        "status": error.status,
        "stripe_code": error.stripe_code,
        "request_id": error.request_id,
    }


def _get(path: str, params: Params | None, *, foreground: bool, account: str | None) -> _Call:
    endpoint = operation("GET", path)
    return _Call("GET", path, endpoint, query=encoded(params), headers=_account(account), foreground=foreground)


def _account(account: str | None) -> tuple[tuple[str, str], ...]:
    """Only a platform's key may name another account; a pasted key with this header is refused."""
    return () if account is None else (("Stripe-Account", account),)


def _session() -> aiohttp.ClientSession:
    """The pacer bounds what is in flight, so the pool does not. No cookies, nothing from the environment."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
    )
    # aiohttp repeats a GET by itself when a kept connection turns out closed: unpaced and uncounted. We repeat.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return session


def _unreachable(error: Exception, timeouts: Timeouts) -> StripeUnreachable:
    hint = "Check the network, BRIDGED_STRIPE_API_BASE and status.stripe.com, then ask again."
    match error:
        case aiohttp.ConnectionTimeoutError():
            what = f"Stripe could not be connected to within {timeouts.connect:g} s."
        case TimeoutError():
            what = f"Stripe did not answer within {timeouts.total:g} s."
        case aiohttp.ClientConnectorDNSError():
            what = "The name of Stripe's API could not be resolved."
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            what = "The connection to Stripe is not secure: its certificate could not be verified."
            hint = "Check this machine's clock, its CA certificates and any proxy that inspects TLS."
        case aiohttp.ClientConnectorError():
            what = "Stripe's API could not be connected to."
        case _:
            what = "The connection to Stripe broke off before the answer."
    return StripeUnreachable(what, hint=hint)
