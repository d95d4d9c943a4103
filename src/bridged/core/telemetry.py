"""Spans as OpenTelemetry's SDK makes them, exported by OTLP over HTTP. Endpoint, sampling, headers and the like are the
SDK's own variables. Needs the extra `otel`; whoever has it not never imports this.

A trace's first span has an id that follows from the trace's, so that processes which never met hang their spans under
it. What of it is sampled follows from the trace's id too: all processes decide alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from opentelemetry import trace as api
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bridged import __version__
from bridged.core import tracing
from bridged.core.tracing import Kind, Value

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
}
_wanted: ContextVar[str | None] = ContextVar("bridged_wanted_trace", default=None)


def _first(trace: str) -> int:
    """The id of a trace's first span."""
    return int(trace[16:], 16) or 1


class _Ids(IdGenerator):
    """Random ids, but for the first span of a trace of ours."""

    def generate_trace_id(self) -> int:
        wanted = _wanted.get()
        return int(wanted, 16) if wanted else secrets.randbits(128) or 1

    def generate_span_id(self) -> int:
        wanted = _wanted.get()
        return _first(wanted) if wanted else secrets.randbits(64) or 1


def _given(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items() if value is not None}


class _Span:
    """A span that is current while it is entered. Of an exception only its class is told."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: api.Span) -> None:
        self._span = span

    def __enter__(self) -> Self:
        self._token = attach(api.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        detach(self._token)
        if kind is not None:
            self.fail(kind.__name__)
        self._span.end()

    def set(self, **attributes: Value | None) -> None:
        self._span.set_attributes(_given(attributes))

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))

    def rename(self, name: str) -> None:
        self._span.update_name(name)


class _Tracer:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("bridged", __version__)

    def span(
        self, name: str, kind: Kind, trace: str | None, links: Sequence[str], attributes: Mapping[str, Value | None]
    ) -> _Span:
        here = api.get_current_span().get_span_context()
        context: Context | None = None
        joined = [Link(self._start_of(each)) for each in links]
        wanted = trace or (None if here.is_valid else tracing.current())
        if wanted is not None and (not here.is_valid or here.trace_id != int(wanted, 16)):
            context = api.set_span_in_context(NonRecordingSpan(self._start_of(wanted)), Context())
            joined += [Link(here)] if here.is_valid else []
        return _Span(
            self._tracer.start_span(
                name, context, _KINDS[kind], _given(attributes), joined, record_exception=False,
                set_status_on_exception=False,
            )
        )  # fmt: skip

    def first(self, name: str, kind: Kind, trace: str, attributes: Mapping[str, Value | None]) -> _Span:
        return _Span(self._first(name, kind, trace, attributes, None))

    def began(self, name: str, trace: str, since: float, until: float, attributes: Mapping[str, Value | None]) -> None:
        span = self._first(name, "consumer", trace, attributes, int(since * 1e9))
        span.end(int(max(since, until) * 1e9))

    def _first(
        self, name: str, kind: Kind, trace: str, attributes: Mapping[str, Value | None], since: int | None
    ) -> api.Span:
        token = _wanted.set(trace)
        try:
            return self._tracer.start_span(
                name, Context(), _KINDS[kind], _given(attributes), start_time=since, record_exception=False,
                set_status_on_exception=False,
            )  # fmt: skip
        finally:
            _wanted.reset(token)

    def _start_of(self, trace: str) -> SpanContext:
        """What stands for a trace's first span, sampled as it is wherever it is made."""
        decided = self._provider.sampler.should_sample(Context(), int(trace, 16), "")
        sampled = TraceFlags.SAMPLED if decided.decision.is_sampled() else TraceFlags.DEFAULT
        return SpanContext(int(trace, 16), _first(trace), is_remote=True, trace_flags=TraceFlags(sampled))

    def close(self) -> None:
        self._provider.shutdown()


def tracer() -> _Tracer:
    """By the environment; the process's other libraries are not instrumented."""
    resource = Resource.create({"service.version": __version__})
    named = resource.attributes.get("service.name", "unknown_service")
    if str(named).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "bridged"}))
    provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return _Tracer(provider)
