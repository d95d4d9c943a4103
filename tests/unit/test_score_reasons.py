"""What people are told first of a score: its strongest reasons, its course, what differs between weights, its rank."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridged.profiles.scoring.listing import Change
from bridged.profiles.scoring.model import BANDS, DEFAULT, FACTORS, Route
from bridged.profiles.scoring.ranking import Spread
from bridged.profiles.scoring.reasons import differences, steps, strongest
from bridged.profiles.scoring.rules import score
from bridged.web.qualification import FACTOR_TITLES, PART_TITLES
from unit.profiles import KNOWN, NOW, any_profile, good, nobody

totals = st.integers(0, 100)


@given(any_profile(), st.integers(0, 16))
def test_the_strongest_reasons_are_lines_of_the_score_that_say_something(profile: object, most: int) -> None:
    lines = [asdict(each) for each in score(profile, KNOWN, DEFAULT, NOW).contributions]  # type: ignore[arg-type]
    found = strongest(lines, most)
    assert len(found) <= most
    assert all(each in lines and each["value"] is not None for each in found)
    away = [abs(2 * each["points"] - each["of"]) for each in found if each["part"] != "gate"]
    assert away == sorted(away, reverse=True)
    rest = [each for each in lines if each not in found and each["part"] != "gate" and each["value"] is not None]
    assert len(found) < most or not away or all(abs(2 * each["points"] - each["of"]) <= away[-1] for each in rest)


def test_a_gate_is_the_first_reason_and_what_is_unknown_none() -> None:
    fraud = score(good(fraud=True), KNOWN, DEFAULT, NOW)
    assert strongest([asdict(each) for each in fraud.contributions], 2)[0]["factor"] == "fraud_cap"
    empty = score(nobody(), KNOWN, DEFAULT, NOW)
    assert not {each["factor"] for each in strongest([asdict(each) for each in empty.contributions], 99)} & {
        *empty.missing
    }


def test_what_differs_is_named_by_its_place() -> None:
    assert differences(DEFAULT, DEFAULT) == []
    changed = replace(
        DEFAULT,
        points={**DEFAULT.points, "paid": 19, "mrr": 11},
        cuts={**DEFAULT.cuts, "hot": 80},
        routes=(Route("Top", ("ana", "ben")),),
    )
    assert differences(DEFAULT, changed) == [
        ("points.value.paid", "20", "19"),
        ("points.value.mrr", "10", "11"),
        ("bands.hot", "70", "80"),
        ("routing", "no rules", "Top to ana, ben"),
    ]


@given(st.lists(st.tuples(st.integers(0, 10**7), totals), max_size=30))
def test_the_line_of_a_score_has_a_corner_for_each_change(given: list[tuple[int, int]]) -> None:
    changes = [
        Change(NOW - timedelta(seconds=ago), total, None, "hot", None, 0, "facts")
        for ago, total in sorted(given, key=lambda each: each[0])
    ]
    corners = steps(changes, NOW, 640, 160)
    if not changes:
        assert corners == []
        return
    assert len(corners) == 2 * len(changes)
    assert (corners[0][0], corners[-1][0]) == (0, 640)
    assert [x for x, _ in corners] == sorted(x for x, _ in corners)
    assert all(0 <= y <= 160 for _, y in corners)
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(corners)), "no slopes"


@given(st.lists(st.tuples(st.sampled_from(BANDS), totals), max_size=60))
def test_ranks_and_bands_of_a_spread(people: list[tuple[str, int]]) -> None:
    found = Spread({each: people.count(each) for each in people})
    assert found.all() == len(people) == sum(found.bands().values())
    assert list(found.bands()) == list(BANDS)
    for _, total in people:
        assert found.rank(total) == 1 + sum(other > total for _, other in people)


def test_every_factor_has_words() -> None:

    assert {each.name for each in FACTORS} < set(FACTOR_TITLES)
    assert {each.part for each in FACTORS} < set(PART_TITLES)
