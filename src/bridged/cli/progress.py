"""Live progress of a sync: a table that moves on a terminal, a line now and then where there is none. On stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bridged.cli.output import say
from bridged.core import clock
from bridged.sync.run import Sync

_REDRAW = 0.1
_LINE_EVERY = 5.0


class Progress(Protocol):
    """Shows a sync under way."""

    def show(self, sync: Sync) -> None: ...


@contextlib.contextmanager
def progress_of(name: str) -> Generator[Progress]:
    """The display that suits where stderr goes."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    with Live(console=Console(stderr=True), refresh_per_second=10, transient=True) as live:
        yield _Moving(live)


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = self._said = clock.monotonic()
        self._done: set[str] = set()

    def show(self, sync: Sync) -> None:
        now = clock.monotonic()
        for item in sync.progress.values():
            if item.complete and item.kind.name not in self._done:
                self._done.add(item.kind.name)
                say(f"{self._name}: {item.kind.title}: {item.rows:,} read")
        if now - self._said >= _LINE_EVERY:
            self._said = now
            rows, pages, left = _sums(sync)
            rate = rows / max(now - self._begun, 0.001)
            say(f"{self._name}: {rows:,} objects, {pages} pages, {rate:,.0f}/s, {_eta(left, pages, now - self._begun)}")


class _Moving:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._begun = clock.monotonic()
        self._drawn = 0.0

    def show(self, sync: Sync) -> None:
        now = clock.monotonic()
        if now - self._drawn >= _REDRAW:
            self._drawn = now
            self._live.update(_table(sync, now - self._begun))


def _table(sync: Sync, seconds: float) -> Table:
    rows, pages, left = _sums(sync)
    table = Table(box=None, pad_edge=False, caption_justify="left")
    table.add_column("Data object")
    for heading in ("Objects", "Pages", "Covered"):
        table.add_column(heading, justify="right")
    for item in sync.progress.values():
        covered = "refused" if item.error else "done" if item.complete else f"{item.fraction:.0%}"
        table.add_row(item.kind.title, f"{item.rows:,}", f"{item.pages:,}", covered)
    table.caption = f"{rows:,} objects, {rows / max(seconds, 0.001):,.0f}/s, {_eta(left, pages, seconds)}"
    return table


def _sums(sync: Sync) -> tuple[int, int, float]:
    items = sync.progress.values()
    left = sum(item.pages_left for item in items if not item.complete and not item.error)
    return sum(item.rows for item in items), sum(item.pages for item in items), left


def _eta(left: float, pages: int, seconds: float) -> str:
    if not left:
        return "catching up with what changed meanwhile"
    if not pages or seconds < 1:
        return "estimating"
    eta = left * seconds / pages
    return f"about {eta:,.0f} s to go" if eta < 90 else f"about {eta / 60:,.0f} min to go"
