"""A customer's score: integer points for each factor, with the reason and the objects behind it, summing to the total.

What is not known gives no points and is named in `missing`; nothing is put in its place. Currencies are never added:
where a customer has several, the one in which they stand best counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from bridged.core.money import exponent
from bridged.profiles.facts import Profile
from bridged.profiles.scoring.distribution import Cuts, Distribution, months, quintile, rank
from bridged.profiles.scoring.model import FACTORS, Band, Weights

_DAY = 86_400
_FINE = 1000
"""Points are reckoned in thousandths before they are rounded: in integers, so that equal facts give equal scores."""
_RUNNING = ("active", "trialing", "past_due", "paused")
_DIRECTION: Mapping[str, float] = {"active": 1.0, "trialing": 0.5, "past_due": 0.25, "paused": 0.25}


@dataclass(frozen=True, slots=True)
class Engagement:
    """When a customer last replied to a message and last read one. Unix seconds; None: never."""

    replied_at: int | None
    read_at: int | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """One line of a score. `of`: the most it could give. `value` None: not known, so no points."""

    factor: str
    part: str
    points: int
    of: int
    value: int | float | str | None
    why: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """`total` is the sum of the contributions' points. `judged`: how many of the 100 points were open to judgement."""

    total: int
    band: Band
    judged: int
    contributions: tuple[Contribution, ...]
    gates: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """All a factor is judged from. `now`: Unix seconds."""

    profile: Profile
    distribution: Distribution
    half_lives: Mapping[str, int]
    engagement: Engagement | None
    now: int
    months: tuple[str, ...]


class Judged(NamedTuple):
    """`part`: 0 to 1 of the factor's points; None: not known."""

    part: float | None
    value: int | float | str | None
    why: str
    sources: tuple[str, ...] = ()


def excluded(profile: Profile, *, livemode: bool) -> str | None:
    """Why a customer of a connection of this mode gets no score: `deleted`, `test_mode`."""
    if profile.deleted:
        return "deleted"
    return "test_mode" if livemode and not profile.livemode else None


def score(
    profile: Profile,
    distribution: Distribution,
    weights: Weights,
    now: datetime,
    engagement: Engagement | None = None,
) -> Score:
    """The score at that moment. Equal arguments give an equal score."""
    return weigh(profile, judge(profile, distribution, weights, now, engagement), weights)


def judge(
    profile: Profile, distribution: Distribution, weights: Weights, now: datetime, engagement: Engagement | None
) -> list[Judged]:
    """Each factor judged, in their order. Of the weights only the half-lives count here."""
    at = int(now.timestamp())
    moment = now.astimezone(UTC)
    names = months(moment.year, moment.month, 25)
    case = _Case(profile, distribution, weights.half_lives, engagement, at, names)
    return [judged(case) for judged in _ORDER]


def weigh(profile: Profile, judged: Sequence[Judged], weights: Weights) -> Score:
    """The score of a customer judged so, by these weights."""
    most = [weights.points[each.name] for each in FACTORS]
    points = rounded([_earned(found.part, of) for found, of in zip(judged, most, strict=True)])
    lines = [
        Contribution(factor.name, factor.part, given, of, found.value, found.why, found.sources)
        for factor, found, given, of in zip(FACTORS, judged, points, most, strict=True)
    ]
    total, gates = sum(points), ()
    if profile.fraud:
        lines.append(_capped(profile, total, weights.fraud_cap))
        total, gates = min(total, weights.fraud_cap), ("fraud",)
    missing = tuple(each.factor for each in lines if each.value is None)
    known = sum(each.of for each in lines if each.value is not None)
    return Score(total, weights.band(total), known, tuple(lines), gates, missing)


def _earned(part: float | None, most: int) -> int:
    """Thousandths of a point."""
    return 0 if part is None else int(min(1.0, max(0.0, part)) * most * _FINE + 0.5)


def rounded(earned: Sequence[int]) -> list[int]:
    """Whole points that sum to the rounded sum of these thousandths, none a point or more from its own.

    The largest remainders are rounded up, of equal ones the first.
    """
    points = [each // _FINE for each in earned]
    left = (sum(earned) + _FINE // 2) // _FINE - sum(points)
    order = sorted(range(len(earned)), key=lambda index: (-(earned[index] % _FINE), index))
    for index in order[:left]:
        points[index] += 1
    return points


def _capped(profile: Profile, total: int, cap: int) -> Contribution:
    why = f"a fraudulent dispute or an early fraud warning: no score above {cap}"
    return Contribution("fraud_cap", "gate", min(0, cap - total), 0, cap, why, (profile.customer_id,))


def _unknown(why: str) -> Judged:
    return Judged(None, None, why)


def _money(amount: int, currency: str) -> str:
    places = exponent(currency)
    whole, rest = divmod(abs(amount), 10**places)
    sign = "-" if amount < 0 else ""
    return f"{currency.upper()} {sign}{whole}" + (f".{rest:0{places}}" if places else "")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _decay(at: int, now: int, half_life: int) -> float:
    return 0.5 ** (max(0, now - at) / (half_life * _DAY))


def _source(profile: Profile, *more: str | None) -> tuple[str, ...]:
    return (profile.customer_id, *(each for each in more if each is not None))


# Value


def _net(case: _Case, names: Sequence[str]) -> dict[str, int]:
    """Net paid in these months, by currency."""
    net: dict[str, int] = {}
    paid = case.profile.payment_months
    for name in names:
        for currency, amount in paid.get(name, {}).items():
            net[currency] = net.get(currency, 0) + amount
    return net


def _best(amounts: Mapping[str, int], cuts: Mapping[str, Cuts]) -> tuple[float | None, str]:
    """Where they stand best, and in which currency; None where too few customers have any of these currencies."""
    ranks = [(rank(cuts.get(currency), amount), currency) for currency, amount in sorted(amounts.items())]
    known = [(part, currency) for part, currency in ranks if part is not None]
    return max(known, key=lambda each: each[0]) if known else (None, "")


def _paid(case: _Case) -> Judged:
    profile = case.profile
    net = {currency: amount for currency, amount in _net(case, case.months[:12]).items() if amount > 0}
    if not net:
        return Judged(0.0, 0, "nothing paid in the last 12 months", _source(profile))
    part, currency = _best(net, case.distribution.paid)
    if part is None:
        return _unknown(f"too few customers pay in {_list(net)} to compare with")
    why = f"{_money(net[currency], currency)} net in the last 12 months, more than {int(part * 100)} of 100 customers"
    return Judged(part, net[currency], f"{why} paying in {currency.upper()}", _last(profile))


def _last(profile: Profile) -> tuple[str, ...]:
    return _source(profile, profile.last_payment_source)


def _list(currencies: Mapping[str, int]) -> str:
    return ", ".join(sorted(each.upper() for each in currencies))


def _mrr(case: _Case) -> Judged:
    profile = case.profile
    mrr = {currency: amount for currency, amount in profile.mrr.items() if amount > 0}
    if not mrr:
        return Judged(0.0, 0, "no recurring revenue", _source(profile))
    part, currency = _best(mrr, case.distribution.mrr)
    if part is None:
        return _unknown(f"too few customers subscribe in {_list(mrr)} to compare with")
    why = f"{_money(mrr[currency], currency)} a month, more than {int(part * 100)} of 100 subscribers"
    return Judged(part, mrr[currency], f"{why} in {currency.upper()}", profile.subscription_ids or _source(profile))


# Reliability


def _untried(profile: Profile) -> bool:
    return not (profile.payments or profile.invoices_due or profile.failed_payments)


_NOTHING_YET = "nothing was due or paid yet"


def _on_time(case: _Case) -> Judged:
    profile = case.profile
    if profile.invoices_due <= 0:
        return _unknown("no invoice was due yet")
    part = profile.invoices_on_time / profile.invoices_due
    why = f"{profile.invoices_on_time} of {profile.invoices_due} invoices paid on time"
    return Judged(part, round(part, 4), why, _last(profile))


def _failures(case: _Case) -> Judged:
    profile = case.profile
    tried = profile.payments + profile.failed_payments
    if tried <= 0:
        return _unknown("no payment was tried yet")
    part = profile.payments / tried
    why = f"{profile.failed_payments} of {tried} payments failed"
    return Judged(part, round(1 - part, 4), why, _last(profile))


def _standing(case: _Case) -> Judged:
    profile = case.profile
    overdue = {currency: amount for currency, amount in profile.overdue_amount.items() if amount > 0}
    if overdue:
        amounts = " and ".join(_money(amount, currency) for currency, amount in sorted(overdue.items()))
        return Judged(0.0, "overdue", f"{amounts} overdue", _source(profile, profile.next_payment_source))
    if profile.status == "past_due":
        return Judged(0.0, "past_due", "the subscription is past due", profile.subscription_ids or _source(profile))
    return _unknown(_NOTHING_YET) if _untried(profile) else Judged(1.0, "clear", "nothing is overdue", _last(profile))


def _disputes(case: _Case) -> Judged:
    profile = case.profile
    if profile.disputes:
        return Judged(0.0, profile.disputes, f"{profile.disputes} open or lost disputes", _source(profile))
    return _unknown(_NOTHING_YET) if _untried(profile) else Judged(1.0, 0, "no open or lost dispute", _last(profile))


def _refunds(case: _Case) -> Judged:
    """The part refunded of what was paid, in the currency in which it is largest."""
    profile = case.profile
    shares: list[tuple[float, str]] = []
    for currency in sorted({*profile.lifetime_value, *profile.refunded}):
        back = max(0, profile.refunded.get(currency, 0))
        paid = profile.lifetime_value.get(currency, 0) + back + max(0, profile.disputed.get(currency, 0))
        if paid > 0:
            shares.append((min(1.0, back / paid), currency))
    if not shares:
        return _unknown("nothing was paid that could be refunded")
    share, currency = max(shares)
    if share == 0:
        return Judged(1.0, 0, "nothing was refunded", _last(profile))
    why = f"{_money(profile.refunded.get(currency, 0), currency)} refunded, {share:.0%} of what was paid"
    return Judged(1 - share, round(share, 4), why, _source(profile))


# Recency and frequency


def _recency(case: _Case) -> Judged:
    at, half_life = case.profile.last_payment_at, case.half_lives["recency"]
    if at is None:
        return _unpaid(case)
    why = f"last payment on {_day(at)}; counts half after {half_life} days"
    return Judged(_decay(at, case.now, half_life), _day(at), why, _last(case.profile))


def _unpaid(case: _Case) -> Judged:
    if case.profile.payments:
        return _unknown("when the last payment was is not known")
    return Judged(0.0, 0, "no payment yet", _source(case.profile))


def _recency_quintile(case: _Case) -> Judged:
    at = case.profile.last_payment_at
    if at is None:
        return _unpaid(case)
    found = quintile(case.distribution.last_payment, at)
    if found is None:
        return _unknown("too few customers have paid to compare with")
    why = f"last payment in fifth {found} of 5 of all customers' (5 is the latest)"
    return Judged(found / 5, found, why, _last(case.profile))


def _frequency(case: _Case) -> Judged:
    profile = case.profile
    if profile.payments <= 0:
        return Judged(0.0, 0, "no payment yet", _source(profile))
    found = quintile(case.distribution.payments, profile.payments)
    if found is None:
        return _unknown("too few customers have paid to compare with")
    many = "1 payment" if profile.payments == 1 else f"{profile.payments} payments"
    why = f"{many}, in fifth {found} of 5 of all customers' (5 is the most)"
    return Judged(found / 5, found, why, _last(profile))


# Momentum


def _direction(case: _Case) -> Judged:
    profile = case.profile
    sources = profile.subscription_ids or _source(profile)
    if profile.status in _RUNNING and (profile.cancel_at_period_end or profile.cancel_at is not None):
        end = f" on {_day(profile.cancel_at)}" if profile.cancel_at is not None else " at the end of its period"
        return Judged(0.0, "ending", f"the subscription ends{end}", sources)
    said = {"never": "has never subscribed", "canceled": "has canceled"}
    why = said.get(profile.status, f"the subscription is {profile.status.replace('_', ' ')}")
    return Judged(_DIRECTION.get(profile.status, 0.0), profile.status, why, sources)


def _growth(case: _Case) -> Judged:
    """Net paid in the last complete months against as many before: three, or twelve for who pays by the year."""
    profile = case.profile
    span = 12 if profile.interval == "year" else 3
    recent, before = case.months[1 : span + 1], case.months[span + 1 : 2 * span + 1]
    first, currency = profile.first_payment_at, profile.last_payment_currency
    if first is None or currency is None or _day(first)[:7] > before[0]:
        return _unknown(f"no payment from before the last {span} months to compare with")
    now, then = _net(case, recent).get(currency, 0), _net(case, before).get(currency, 0)
    part = (1.0 if now > 0 else 0.0) if then <= 0 else max(0, now) / then / 2
    why = f"{_money(now, currency)} in the last {span} months, {_money(then, currency)} in those before"
    return Judged(min(1.0, part), now - then, why, _last(profile))


def _engagement(case: _Case) -> Judged:
    found, half_life = case.engagement, case.half_lives["engagement"]
    if found is None:
        return _unknown("no messages were exchanged")
    replied = 0.0 if found.replied_at is None else _decay(found.replied_at, case.now, half_life)
    seen = 0.0 if found.read_at is None else _decay(found.read_at, case.now, half_life) / 2
    last = max((each for each in (found.replied_at, found.read_at) if each is not None), default=None)
    if last is None:
        return Judged(0.0, 0, "has neither replied to a message nor read one", _source(case.profile))
    verb = "replied to" if replied >= seen else "read"
    at = found.replied_at if replied >= seen else found.read_at
    why = f"last {verb} a message on {_day(at or last)}; counts half after {half_life} days"
    return Judged(max(replied, seen), _day(at or last), why, _source(case.profile))


def _conversion(case: _Case) -> Judged:
    profile, half_life = case.profile, case.half_lives["conversion"]
    end, paid = profile.trial_end, profile.last_payment_at
    if end is None or end > case.now or paid is None or paid < end or profile.status == "canceled":
        return Judged(0.0, 0, "no trial has become paid", profile.subscription_ids or _source(profile))
    why = f"the trial that ended on {_day(end)} became paid; counts half after {half_life} days"
    return Judged(_decay(end, case.now, half_life), _day(end), why, profile.subscription_ids or _last(profile))


_JUDGES: Mapping[str, Callable[[_Case], Judged]] = {
    "paid": _paid,
    "mrr": _mrr,
    "on_time": _on_time,
    "failures": _failures,
    "standing": _standing,
    "disputes": _disputes,
    "refunds": _refunds,
    "recency": _recency,
    "recency_quintile": _recency_quintile,
    "frequency": _frequency,
    "direction": _direction,
    "growth": _growth,
    "engagement": _engagement,
    "conversion": _conversion,
}
_ORDER = tuple(_JUDGES[each.name] for each in FACTORS)
