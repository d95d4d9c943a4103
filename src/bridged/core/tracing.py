"""One id from cause to effect: in the log's lines, in the tables, and in OpenTelemetry's spans where they are wanted.

The id is a trace id as W3C writes it, 32 hexadecimal digits, computed from what began it: an event of Stripe's and its
connection, a customer's message, a sync's run, a request. So every process and host says the same one, a redelivery and
a replay too, and nobody has to hand it on but the few rows that cannot name their cause otherwise.

Without a collector a span costs the look at one variable. The SDK is an extra, and imported only where one is set.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self

import structlog

from bridged.core import log

Kind = Literal["internal", "server", "client", "consumer", "producer"]
Value = str | int | float | bool
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_log = log.logger("tracing")


class Span(Protocol):
    """Something that takes time, while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def set(self, **attributes: Value | None) -> None:
        """Adds attributes; None is left out. `__` in a name stands for its dot."""
        ...

    def fail(self, error: str) -> None:
        """Says by a word why it did not work."""
        ...

    def rename(self, name: str) -> None:
        """What it is called, where that is known only later."""
        ...


class Tracer(Protocol):
    """Makes spans and has them exported."""

    def span(
        self, name: str, kind: Kind, trace: str | None, links: Sequence[str], attributes: Mapping[str, Value | None]
    ) -> Span:
        """A span in `trace`, under what began it; in the trace under way where it is the same or None."""
        ...

    def first(self, name: str, kind: Kind, trace: str, attributes: Mapping[str, Value | None]) -> Span:
        """The span a trace begins with."""
        ...

    def began(self, name: str, trace: str, since: float, until: float, attributes: Mapping[str, Value | None]) -> None:
        """What a trace began with, told when it is over; Unix seconds."""
        ...

    def close(self) -> None:
        """Has what was gathered exported."""
        ...


class _Nothing:
    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        pass

    def set(self, **attributes: Value | None) -> None:
        pass

    def fail(self, error: str) -> None:
        pass

    def rename(self, name: str) -> None:
        pass


NOTHING: Span = _Nothing()
_tracer: Tracer | None = None


def trace_of(place: str, cause: str) -> str:
    """The id of what began with `cause`, which is unique within `place`: a connection, or the installation."""
    return hashlib.sha256(f"{place} {cause}".encode()).hexdigest()[:32]


def current() -> str | None:
    """The id that is bound to what runs now."""
    return structlog.contextvars.get_contextvars().get("trace")


@contextlib.contextmanager
def about(trace: str | None) -> Generator[None]:
    """Binds the id to what runs meanwhile: each line of the log has it. None leaves it as it is."""
    if trace is None:
        yield
        return
    with structlog.contextvars.bound_contextvars(trace=trace):
        yield


def on() -> bool:
    """Whether spans go anywhere."""
    return _tracer is not None


def span(
    name: str, kind: Kind = "internal", trace: str | None = None, links: Sequence[str] = (), **attributes: Value | None
) -> Span:
    """A span to be entered. `links`: traces that it serves besides. Nothing personal may be among the attributes."""
    return NOTHING if _tracer is None else _tracer.span(name, kind, trace, links, attributes)


def first(name: str, kind: Kind, trace: str, **attributes: Value | None) -> Span:
    """The span that a trace begins with, to be entered; made by one process, once."""
    return NOTHING if _tracer is None else _tracer.first(name, kind, trace, attributes)


def began(name: str, trace: str, since: float, until: float, **attributes: Value | None) -> None:
    """Tells what a trace began with, once; spans that came before it stand under it all the same."""
    if _tracer is not None:
        _tracer.began(name, trace, since, until, attributes)


def configure() -> None:
    """Called once by each entry point: spans are made where the standard variables name a collector."""
    global _tracer  # noqa: PLW0603 - one for the process, as the log is
    if _tracer is not None or not _wanted(os.environ):
        return
    try:
        _tracer = importlib.import_module("bridged.core.telemetry").tracer()
    except ImportError:
        _log.warning("tracing_unavailable", hint="OTEL_* name a collector; pip install 'bridged[otel]' exports to it.")


def close() -> None:
    """Exports what was gathered, and stops."""
    global _tracer  # noqa: PLW0603
    if _tracer is not None:
        _tracer.close()
        _tracer = None


def _wanted(env: Mapping[str, str]) -> bool:
    off = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    chosen = env.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() or "otlp"
    return not off and chosen == "otlp" and any(env.get(name, "").strip() for name in _ENDPOINTS)
