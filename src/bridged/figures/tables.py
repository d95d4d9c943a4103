"""Figures as tables: a row for each period, money in one currency. Charts, twins, CSV and the API show these same rows.

What counts as what:
- A payment is a charge: succeeded once captured, or failed; at the time it was made, with what was charged. Refunds are
  not taken off.
- MRR is what the profiles say; over time a subscription counts at the price it has now or had in the end.
- A customer is lost when the MRR of all their subscriptions in a currency ends; who comes back is new. Churn of a
  period is what was lost in it by what there was at its start.
- Revenue is recovered when a payment that had failed is paid within thirty days after a message of a playbook about it
  was handed over; the last such message's playbook has the credit, once for each payment.
- A message counts at the time it was made, by what is known of it now; what was not sent, by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bridged.figures.periods import Periods
from bridged.figures.sums import Lag, Sum

Unit = Literal["count", "money", "part", "seconds"]
Value = int | float | None
BEFORE, LONG_BEFORE = -1, -2
_WITHHELD = "not sent: "
_OUTCOMES = (
    ("sent", "Sent"), ("delivered", "Delivered"), ("read", "Read"), ("failed", "Failed"), ("unknown", "Unknown"),
    ("waiting", "Waiting"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """`unit`: money is in minor units of the figure's currency, a part is of one. `drawn`: in the chart."""

    title: str
    unit: Unit
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A period, a reason or a connection, and a value for each column. None: there is none to tell."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One table. `currency` is empty where no column is money; `first`: what the labels of the rows are."""

    name: str
    title: str
    currency: str
    first: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def drawn(self) -> tuple[int, ...]:
        return tuple(place for place, each in enumerate(self.columns) if each.drawn)


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure of the range, and of the range before. `better`: whether more of it is good news."""

    name: str
    title: str
    unit: Unit
    currency: str
    value: Value
    before: Value
    better: bool = True


@dataclass(frozen=True, slots=True)
class Tables:
    """Sums by where they belong."""

    periods: Periods
    number: Mapping[tuple[str, int, str, str], int]
    amount: Mapping[tuple[str, int, str, str], int]

    @property
    def places(self) -> range:
        return range(len(self.periods.starts))

    def currencies(self, figure: str) -> list[str]:
        """Those that there is something of in the range, or now; the one with the most first."""
        told: Counter[str] = Counter()
        for (name, place, currency, _), number in self.number.items():
            if name == figure and (place >= 0 or name == "revenue"):
                told[currency] += number
        return sorted(told, key=lambda each: (-told[each], each))

    def keys(self, figure: str, currency: str = "") -> list[str]:
        found = {key for (name, place, its, key) in self.number if name == figure and its == currency and place >= 0}
        return sorted(found)

    def of(self, figure: str, place: int, currency: str, key: str) -> tuple[int, int]:
        at = (figure, place, currency, key)
        return self.number.get(at, 0), self.amount.get(at, 0)

    def rows(self, values: Callable[[int], tuple[Value, ...]]) -> tuple[Row, ...]:
        return tuple(Row(label, values(place)) for place, label in enumerate(self.periods.labels))


@dataclass(frozen=True, slots=True)
class Stand:
    """The revenue of a period: customers and minor units a month at its start, and how they moved within it."""

    customers: int
    mrr: int
    new: tuple[int, int]
    grown: int
    shrunk: int
    lost: tuple[int, int]

    @property
    def customers_after(self) -> int:
        return self.customers + self.new[0] - self.lost[0]

    @property
    def mrr_after(self) -> int:
        return self.mrr + self.new[1] + self.grown - self.shrunk - self.lost[1]


def tables_of(sums: Iterable[Sum], periods: Periods) -> Tables:
    """The sums at hand; those of what was withheld are messages that were not sent."""
    number: Counter[tuple[str, int, str, str]] = Counter()
    amount: Counter[tuple[str, int, str, str]] = Counter()
    for each in sums:
        figure = "messages" if each.figure == "withheld" else each.figure
        number[figure, each.place, each.currency, each.key] += each.number
        amount[figure, each.place, each.currency, each.key] += each.amount
    return Tables(periods, number, amount)


def figures_of(tables: Tables, names: Mapping[str, str], lags: Sequence[tuple[str, float | None, Lag]]) -> list[Figure]:
    """All figures. `names`: of playbooks, by id; `lags`: of connections by name, with the age of what is held."""
    found = [_payments(tables, each) for each in tables.currencies("payments")]
    for currency in tables.currencies("revenue"):
        stands = stands_of(tables, currency)
        found += [_mrr(tables, currency, stands), _churn(tables, currency, stands)]
    found += [_recovered(tables, each, names) for each in tables.currencies("recovered")]
    if tables.currencies("messages"):
        found += [_messages(tables), *_reasons(tables)]
    return [*found, _lag(lags)] if lags else found


def _payments(tables: Tables, currency: str) -> Figure:
    columns = (
        Column("Succeeded", "money", drawn=True), Column("Payments succeeded", "count"),
        Column("Failed", "money", drawn=True), Column("Payments failed", "count"),
    )  # fmt: skip

    def values(place: int) -> tuple[Value, ...]:
        good, bad = (tables.of("payments", place, currency, each) for each in ("succeeded", "failed"))
        return good[1], good[0], bad[1], bad[0]

    return Figure("payments", "Payments", currency, tables.periods.by, columns, tables.rows(values))


def stands_of(tables: Tables, currency: str) -> list[Stand]:
    """Of all before, of the range before, then of each period."""
    found: list[Stand] = []
    customers = mrr = 0
    for place in (LONG_BEFORE, BEFORE, *tables.places):
        new, grown, shrunk, lost = (
            tables.of("revenue", place, currency, each) for each in ("new", "expansion", "contraction", "lost")
        )
        stand = Stand(customers, mrr, new, grown[1], shrunk[1], lost)
        found.append(stand)
        customers, mrr = stand.customers_after, stand.mrr_after
    return found


def _mrr(tables: Tables, currency: str, stands: Sequence[Stand]) -> Figure:
    columns = (
        Column("MRR at the end", "money", drawn=True), Column("Paying customers", "count"), Column("New", "money"),
        Column("Expansion", "money"), Column("Contraction", "money"), Column("Lost", "money"),
    )  # fmt: skip

    def values(place: int) -> tuple[Value, ...]:
        own = stands[place + 2]
        return own.mrr_after, own.customers_after, own.new[1], own.grown, own.shrunk, own.lost[1]

    return Figure("mrr", "Monthly recurring revenue", currency, tables.periods.by, columns, tables.rows(values))


def _churn(tables: Tables, currency: str, stands: Sequence[Stand]) -> Figure:
    columns = (
        Column("Customers lost", "count", drawn=True), Column("Customers at the start", "count"),
        Column("Customer churn", "part"), Column("MRR lost", "money"), Column("MRR at the start", "money"),
        Column("MRR churn", "part"),
    )  # fmt: skip

    def values(place: int) -> tuple[Value, ...]:
        own = stands[place + 2]
        count, amount = own.lost
        return count, own.customers, part(count, own.customers), amount, own.mrr, part(amount, own.mrr)

    return Figure("churn", "Churn", currency, tables.periods.by, columns, tables.rows(values))


def part(some: int, all_: int) -> float | None:
    """None: of nothing."""
    return some / all_ if all_ else None


def _recovered(tables: Tables, currency: str, names: Mapping[str, str]) -> Figure:
    keys = tables.keys("recovered", currency)
    columns = tuple(
        column
        for key in keys
        for column in (
            Column(names.get(key, key), "money", drawn=True),
            Column(f"Payments by {names.get(key, key)}", "count"),
        )
    )

    def values(place: int) -> tuple[Value, ...]:
        told = [tables.of("recovered", place, currency, key) for key in keys]
        return tuple(value for number, amount in told for value in (amount, number))

    return Figure("recovered", "Recovered revenue", currency, tables.periods.by, columns, tables.rows(values))


def _messages(tables: Tables) -> Figure:
    withheld = [each for each in tables.keys("messages") if each.startswith(_WITHHELD)]
    columns = (
        *(Column(title, "count", drawn=key not in {"waiting", "unknown"}) for key, title in _OUTCOMES),
        Column("Not sent", "count", drawn=True),
    )

    def values(place: int) -> tuple[Value, ...]:
        told = (tables.of("messages", place, "", key)[0] for key, _ in _OUTCOMES)
        return (*told, sum(tables.of("messages", place, "", key)[0] for key in withheld))

    return Figure("messages", "Messages by outcome", "", tables.periods.by, columns, tables.rows(values))


def _reasons(tables: Tables) -> list[Figure]:
    told: Counter[str] = Counter()
    for key in tables.keys("messages"):
        if key.startswith(_WITHHELD):
            told[key.removeprefix(_WITHHELD)] += sum(tables.of("messages", at, "", key)[0] for at in tables.places)
    rows = tuple(Row(reason.replace("_", " "), (number,)) for reason, number in told.most_common())
    made = Figure("not_sent", "Why messages were not sent", "", "reason", (Column("Messages", "count"),), rows)
    return [made] if rows else []


def _lag(lags: Sequence[tuple[str, float | None, Lag]]) -> Figure:
    columns = (
        Column("Age of what is held", "seconds"), Column("Events", "count"),
        Column("Half took at most", "seconds"), Column("95 % took at most", "seconds"),
    )  # fmt: skip
    rows = tuple(Row(name, (age, lag.events, lag.half, lag.p95)) for name, age, lag in lags)
    return Figure("lag", "Sync lag", "", "connection", columns, rows)


def tiles_of(tables: Tables, lags: Sequence[tuple[str, float | None, Lag]] = ()) -> list[Tile]:
    """Key figures of the currencies with the most, of the range and the one before. `lags`: as `figures_of` says."""
    found: list[Tile] = []
    for currency in tables.currencies("revenue")[:1]:
        stands = stands_of(tables, currency)
        now, then, held = stands[-1], stands[1], stands[2:]
        lost, gone = sum(each.lost[0] for each in held), then.lost[0]
        found += [
            Tile("mrr", "MRR now", "money", currency, now.mrr_after, held[0].mrr),
            Tile("customers", "Paying customers", "count", currency, now.customers_after, held[0].customers),
            Tile("churn", "Customers lost", "count", currency, lost, gone, better=False),
        ]
    for currency in tables.currencies("payments")[:1]:
        for key, title, good in (("succeeded", "Payments succeeded", True), ("failed", "Payments failed", False)):
            now, then = _both(tables, "payments", currency, [key])
            found.append(Tile(f"payments_{key}", title, "money", currency, now, then, better=good))
    for currency in tables.currencies("recovered")[:1]:
        keys = sorted({key for (name, _, its, key) in tables.number if (name, its) == ("recovered", currency)})
        found.append(Tile("recovered", "Recovered", "money", currency, *_both(tables, "recovered", currency, keys)))
    if tables.currencies("messages"):
        reached = [
            sum(tables.of("messages", at, "", key)[0] for at in places for key in ("sent", "delivered", "read"))
            for places in (tables.places, (BEFORE,))
        ]
        found.append(Tile("messages", "Messages sent", "count", "", reached[0], reached[1]))
    ages = [age for _, age, _ in lags]
    if found and ages:
        oldest = None if None in ages else max(each for each in ages if each is not None)
        found.append(Tile("lag", "Age of what is held", "seconds", "", oldest, None, better=False))
    return found


def _both(tables: Tables, figure: str, currency: str, keys: Sequence[str]) -> tuple[int, int]:
    """Money in the range, and in the one before."""
    amounts = [
        sum(tables.of(figure, at, currency, key)[1] for at in places for key in keys)
        for places in (tables.places, (BEFORE,))
    ]
    return amounts[0], amounts[1]
