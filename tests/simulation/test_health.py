"""How a connection stands, in a word: the first of what may be wrong that is; and how far back a sync has read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridged.accounts.life import Trouble
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME, list_ids
from bridged.sync.plan import ListId, Window
from bridged.web.health import course_of, covered, health_of, lines
from simulation.stage import build, staged


async def test_in_a_word(settings: Settings) -> None:
    async with staged(settings, build(3, 2)) as stage:
        await stage.connect()
        before = await stage.status()
        assert health_of(before).word == "Waiting"
        assert {each.state.word for each in lines(before, {})} == {"not read yet"}
        await stage.sync()
        good = await stage.status()
        assert health_of(good).kind == "good"
        assert not course_of(good, queued=False, worker=False).running
        now, standing = clock.now(), good.standing
        trouble = Trouble("key_invalid", "It was rolled.", "Replace it.", now)
        dirty = replace(good.kinds[0], dirty=3)
        claim = good.kinds[0].claim
        assert claim is not None
        failed = replace(good.kinds[0], claim=replace(claim, complete=False, error="403"))
        paused = replace(good.settings, paused=True)
        for status, word in (
            (replace(good, overdue=timedelta(hours=1)), "Late"),
            (replace(good, overdue=timedelta(seconds=20)), "Up to date"),
            (replace(good, running=True), "Syncing"),
            (replace(before, running=True, run=good.run), "First sync"),
            (replace(good, kinds=(dirty, *good.kinds[1:])), "Catching up"),
            (replace(good, kinds=(failed, *good.kinds[1:])), "Incomplete"),
            (replace(good, events=replace(good.events, watch_problem="403")), "Incomplete"),
            (replace(good, settings=paused, running=True), "Paused"),
            (replace(good, settings=paused, standing=replace(standing, trouble=trouble)), "Needs attention"),
            (replace(good, standing=replace(standing, trouble=trouble, disconnected_at=now)), "Disconnected"),
        ):
            found = health_of(status)
            assert found.word == word
            assert found.why or found.kind in {"good", "busy"}
        assert lines(replace(good, kinds=(failed, *good.kinds[1:])), {})[0].state.why == "403"
        assert lines(replace(good, settings=replace(good.settings, paused_kinds=("customers",))), {})[0].paused


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()), min_size=1, max_size=6))
def test_back_to_where_nothing_is_missing(parts: list[tuple[int, int, bool]]) -> None:
    """Windows one below the other: covered down to the first that is not done, and as far as that one is."""
    kind, top = BY_NAME["customers"], 10_000
    windows, lo, expected, open_above = list[Window](), top, None, False
    for number, (size, at, ended) in enumerate(parts):
        hi, lo = lo - 1, lo - size
        window = Window(number, ListId(list_ids(kind)[0]), lo, hi, at=max(lo - 1, hi - at), ended=ended)
        windows.append(window)
        if not window.done and not open_above:
            open_above = True
            expected = window.at + 1 if window.at < top - 1 else None
    found = covered(windows, [kind]).get("customers")
    assert found == (None if expected is None else datetime.fromtimestamp(expected, UTC))
