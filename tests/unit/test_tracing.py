"""One id: computed, bound, written; and spans, which are nothing unless the environment names a collector."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core import log, tracing
from collector import Collector, collecting

URL = "OTEL_EXPORTER_OTLP_ENDPOINT"
OFF: tuple[dict[str, str], ...] = (
    {},
    {URL: ""},
    {URL: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    {URL: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
)


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (URL, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    yield
    tracing.close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv(URL, found.url)
        yield found


@given(st.text(), st.text(), st.text())
def test_the_id_is_of_place_and_cause(place: str, cause: str, other: str) -> None:
    found = tracing.trace_of(place, cause)
    assert len(found) == 32
    assert int(found, 16)
    assert found == tracing.trace_of(place, cause)
    assert (cause == other) == (found == tracing.trace_of(place, other))


def test_the_id_is_bound_to_what_runs_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    with tracing.about("a" * 32):
        log.logger("test").warning("inside")
        with tracing.about(None):
            assert tracing.current() == "a" * 32
        with tracing.about("b" * 32):
            assert tracing.current() == "b" * 32
    assert tracing.current() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert orjson.loads(line)["trace"] == "a" * 32


@pytest.mark.parametrize("env", OFF, ids=str)
def test_off_unless_the_environment_names_a_collector(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    tracing.configure()
    assert not tracing.on()
    with tracing.span("nothing", bridged__kind="x") as span:
        span.set(bridged__kind="y")
        span.fail("z")
    assert span is tracing.NOTHING


def test_without_the_extra_everything_works_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return plain(name, *rest, **more)

    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    monkeypatch.delitem(sys.modules, "bridged.core.telemetry", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    tracing.configure()
    assert not tracing.on()
    assert "bridged[otel]" in capsys.readouterr().err


def test_processes_that_never_met_make_one_trace(collector: Collector) -> None:
    trace = tracing.trace_of("connection", "evt_1")
    tracing.configure()
    with tracing.span("accept", "server", trace):
        pass
    tracing.close()
    tracing.configure()
    with tracing.span("batch", links=[trace]), tracing.span("send", trace=trace), tracing.span("inside"):
        pass
    tracing.began("event", trace, 1.0, 2.0, bridged__outcome="added")
    tracing.close()
    spans = {each.name: each for each in collector.spans}
    assert spans["event"].parent == ""
    assert {spans[name].parent for name in ("accept", "send")} == {spans["event"].id}
    assert {spans[name].trace for name in ("accept", "send", "inside", "event")} == {trace}
    assert spans["inside"].parent == spans["send"].id
    assert spans["send"].links == ((spans["batch"].trace, spans["batch"].id),)
    assert spans["batch"].links == ((trace, spans["event"].id),)
    assert spans["batch"].trace != trace


def test_what_is_sampled_follows_from_the_id(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    traces = [tracing.trace_of("connection", str(number)) for number in range(60)]
    for name in ("accept", "send"):
        tracing.configure()
        for each in traces:
            with tracing.span(name, trace=each):
                pass
        tracing.close()
    tracing.configure()
    for each in traces:
        tracing.began("event", each, 1.0, 2.0)
    tracing.close()
    kept = {name: {each.trace for each in collector.named(name)} for name in ("accept", "send", "event")}
    assert kept["accept"] == kept["send"] == kept["event"]
    assert 0 < len(kept["event"]) < len(traces)


def test_an_exception_is_told_by_its_class_alone(collector: Collector) -> None:
    tracing.configure()
    with pytest.raises(ValueError, match="Ana"), tracing.span("broken"):
        raise ValueError("Ana García, +34612345678")
    tracing.close()
    (span,) = collector.spans
    assert span.failed
    assert span.attributes["error.type"] == "ValueError"
    assert not any(b"Ana" in each for each in collector.bodies)
