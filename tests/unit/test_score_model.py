"""What surrounds a score: weights read from JSON, simulations, announcements, CSV, the hour of the night."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridged.core.errors import RequestInvalid, UsageError
from bridged.core.types import Secret
from bridged.profiles.scoring import notice, spreadsheet
from bridged.profiles.scoring.model import DEFAULT, read, restored
from bridged.profiles.scoring.nightly import next_night
from bridged.profiles.scoring.simulation import Standing, compare

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


POINTS = DEFAULT.as_json()["points"]


def document(**parts: Any) -> dict[str, Any]:
    return DEFAULT.as_json() | parts


def test_weights_survive_their_document() -> None:
    assert read(DEFAULT.as_json()) == DEFAULT
    assert read({}) == DEFAULT
    route = {"owners": ["ana"], "countries": ["de"], "currencies": ["EUR"]}
    found = read(document(routing=[route], bands={"hot": 90}, half_life_days={"recency": 30}))
    assert read(found.as_json()) == found
    assert (found.cuts["hot"], found.cuts["warm"], found.half_lives["recency"]) == (90, 50, 30)
    assert (found.routes[0].countries, found.routes[0].currencies) == (("DE",), ("eur",))


def test_a_factor_that_came_later_gives_nothing_in_older_weights() -> None:
    older = document(points=POINTS | {"value": {"paid": 30}})
    with pytest.raises(RequestInvalid):
        read(older)
    assert (restored(older).points["mrr"], restored(older).points["paid"]) == (0, 30)
    assert restored(DEFAULT.as_json()) == DEFAULT


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "the document: an object is wanted"),
        (document(point={}), "point: unknown; the nearest is points"),
        (document(points={"value": {"paid": 100}}), "points.value.mrr: missing; 0 leaves it out"),
        (document(points=POINTS | {"value": {"paid": 5, "mrr": 5}}), "they sum to 80; they must"),
        (
            document(points=POINTS | {"value": {"paid": 1.5, "mrr": 5}}),
            "points.value.paid: a whole",
        ),
        (
            document(points=POINTS | {"value": {"paid": True, "mrr": 5}}),
            "points.value.paid: a whole",
        ),
        (document(points=POINTS | {"value": {"piad": 1, "mrr": 5}}), "nearest is paid"),
        (document(bands={"hot": 50, "warm": 50}), "hot must be above warm"),
        (document(bands={"risk": 5}), "bands.risk: unknown"),
        (document(fraud_cap=101), "fraud_cap: a whole number from 0 to 100 is wanted"),
        (document(half_life_days={"recency": 0}), "half_life_days.recency: a whole number from 1 to 3650"),
        (document(routing={}), "routing: a list is wanted"),
        (document(routing=[{}]), "routing.0.owners: at least one is wanted"),
        (document(routing=[{"owners": ["a"], "bands": ["cold"]}]), "routing.0.bands: 'cold' is none of hot, warm"),
        (document(routing=[{"owners": ["a"], "name": ""}]), "routing.0.name: 1 to 200"),
        (document(routing=[{"owners": "a"}]), "routing.0.owners: a list"),
        (document(routing=[{"owners": ["a"], "at_least": -1}]), "routing.0.at_least: a whole number"),
        (document(routing=["x"]), "routing.0: an object is wanted"),
    ],
)
def test_what_is_wrong_with_weights_is_named_by_its_place(given: Any, said: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        read(given)
    assert said in caught.value.message


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(RequestInvalid) as caught:
        read(document(fraud_cap=-1, bands={"hot": 0}, routing=1))
    assert caught.value.message.count(";") >= 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=10,
)
names = st.sampled_from(["points", "bands", "fraud_cap", "half_life_days", "routing", "x"])


@given(json_values | st.dictionaries(names, json_values))
def test_no_document_breaks_the_reader(given: object) -> None:
    try:
        found = read(given)
    except RequestInvalid:
        return
    assert sum(found.points.values()) == 100


standings = st.builds(Standing, st.integers(0, 100), st.sampled_from(["hot", "warm", "risk"]), st.none())


@given(st.lists(st.tuples(standings, standings), max_size=60))
def test_a_simulation_adds_up(pairs: list[tuple[Standing, Standing]]) -> None:
    ids = [f"cus_{number}" for number in range(len(pairs))]
    found = compare(ids, [each for each, _ in pairs], [each for _, each in pairs])
    assert found.customers == len(pairs) == sum(found.bands_before.values()) == sum(found.bands_after.values())
    assert found.bands_changed == sum(each.customers for each in found.moves)
    assert 0 <= found.kept_in_top <= 1
    moves = [abs(each.moved) for each in found.movers]
    assert moves == sorted(moves, reverse=True)
    assert all(moves)
    same = compare(ids, [each for each, _ in pairs], [each for each, _ in pairs])
    assert (same.scores_changed, same.ranks_changed, same.bands_changed, same.kept_in_top) == (0, 0, 0, 1.0)


def test_ranks_are_shared_by_equals() -> None:
    before = [Standing(total, "warm", None) for total in (90, 80, 80, 10)]
    after = [Standing(total, "warm", None) for total in (10, 80, 80, 95)]
    found = compare(["a", "b", "c", "d"], before, after)
    assert [(each.customer_id, each.rank_before, each.rank_after) for each in found.movers] == [
        ("d", 4, 1), ("a", 1, 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com/hook?x=1", "https://93.184.216.34/", "https://[2606:4700::1111]/",
    ],
)  # fmt: skip
def test_where_announcements_may_go(url: str) -> None:
    assert notice.checked(url, private=False) == url


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000/", "http://localhost/", "http://[::1]:8000/", "https://localhost:8443/"],
)
def test_to_this_machine_only_where_that_is_allowed(url: str) -> None:
    assert notice.checked(url, private=True) == url
    with pytest.raises(UsageError, match="this machine itself"):
        notice.checked(url, private=False)


@pytest.mark.parametrize(
    "url",
    [
        "", "crm.example.com", "ftp://example.com", "http://example.com/", "https://", "https://u:p@example.com",
        "https://example.com/#x", "https://10.0.0.1", "https://192.168.1.1", "https://172.16.0.1", "https://169.254.169.254",
        "https://100.64.0.1", "https://0.0.0.0", "https://[fd00::1]", "https://[fe80::1]", "https://[::ffff:10.0.0.1]",
        "https://[64:ff9b::a00:1]", "https://224.0.0.1", "https://example.com:99999", "https://exa\nmple.com",
        "http://10.0.0.1", "https://[::]", "https://" + "x" * 2000,
    ],
)  # fmt: skip
def test_where_they_may_not(url: str) -> None:
    with pytest.raises(UsageError):
        notice.checked(url, private=False)


def test_a_private_network_may_be_allowed_but_not_in_clear() -> None:
    assert notice.checked("https://10.0.0.1/", private=True)
    with pytest.raises(UsageError, match="in clear"):
        notice.checked("http://10.0.0.1/", private=True)


def test_the_signature_is_the_one_of_the_guide() -> None:
    found = notice.signature(Secret("bwh_example"), b'{"id":"1"}', 1_780_000_000)
    assert found == "t=1780000000,v1=" + "68a7b1" + found.partition("v1=")[2][6:] or found.startswith(
        "t=1780000000,v1="
    )
    assert found != notice.signature(Secret("bwh_example"), b'{"id":"1"}', 1_780_000_001)
    assert found != notice.signature(Secret("bwh_other"), b'{"id":"1"}', 1_780_000_000)


@given(st.integers(1, 40), st.none() | st.integers(100, 599))
def test_waits_grow_and_end(attempts: int, status: int | None) -> None:
    at = notice.again_at(attempts, status, NOW)
    if attempts >= notice.ATTEMPTS or status == 410:
        assert at is None
        return
    assert at is not None
    assert timedelta(seconds=30) <= at - NOW <= timedelta(hours=6)
    following = notice.again_at(attempts + 1, status, NOW)
    assert following is None or following >= at


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
@example(["\x1f%", "\u2003=1", "\ufeff \ufeff=1"])
def test_no_cell_is_a_formula_and_every_text_comes_back(cells: list[str]) -> None:
    text = spreadsheet.lines([cells])
    (row,) = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[""]]
    for cell, given_cell in zip(row, cells, strict=True):
        assert cell.lstrip()[:1] not in tuple("=+-@|%")
        plain = given_cell.replace("\0", "")
        assert cell in {plain, f"'{plain}"}


def test_numbers_stay_numbers() -> None:
    assert (spreadsheet.safe(-5), spreadsheet.safe("-5"), spreadsheet.safe(None)) == ("-5", "'-5", "")


@given(st.integers(0, 365 * 24 * 60), st.sampled_from([None, "Europe/Berlin", "nowhere/x"]))
def test_each_connection_has_its_minute_of_the_night(minutes: int, zone: str | None) -> None:
    now = NOW + timedelta(minutes=minutes)
    found = next_night("a", now, zone)
    assert now < found <= now + timedelta(days=1, hours=1)
    assert next_night("a", found, zone) > found
    assert len({next_night(str(number), now, zone) for number in range(50)}) > 20
