"""Figures of the score for conditions of playbooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.scoring.distribution import months, rank
from bridged.profiles.scoring.population import store as population


async def of_many(conn: Conn, scope: Scope, ids: Sequence[str], since: datetime) -> dict[str, dict[str, int]]:
    """By customer: `score`; `score_drop`, from the highest since that moment to now; `value_percentile`, 0 to 100.

    Who has no score has none of the first two; whose payments cannot be ranked has not the last.
    """
    cursor = await conn.execute(
        "select s.customer_id, s.total, greatest(0, coalesce(max(greatest(h.total, coalesce(h.total_before, 0))), "
        "s.total) - s.total) as fell from bridged.scores s left join bridged.score_history h "
        "on h.connection_id = s.connection_id and h.customer_id = s.customer_id and h.at >= %s "
        "where s.connection_id = %s and s.customer_id = any(%s) group by s.customer_id, s.total",
        (since, scope.connection_id, list(ids)),
    )
    found = {row["customer_id"]: {"score": row["total"], "score_drop": row["fell"]} for row in await cursor.fetchall()}
    for customer, percentile in (await _percentiles(conn, scope, ids)).items():
        found.setdefault(customer, {})["value_percentile"] = percentile
    return found


async def _percentiles(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, int]:
    """By the currency in which the customer ranks highest: amounts of different currencies are never added."""
    found: dict[str, int] = {}
    known = await profiles.many(conn, scope, list(ids))
    kept = {live: await population.kept(conn, scope.workspace_id, livemode=live) for live in (True, False)}
    for customer, profile in known.items():
        against = kept[profile.livemode]
        if against is None:
            continue
        year, month = _month(against.taken_at)
        last = months(year, month)
        paid: dict[str, int] = {}
        for name in last:
            for currency, amount in profile.payment_months.get(name, {}).items():
                paid[currency] = paid.get(currency, 0) + amount
        ranks = [part for currency, amount in paid.items() if (part := rank(against.paid.get(currency), amount))]
        if ranks:
            found[customer] = round(max(ranks) * 100)
    return found


def _month(unix: int) -> tuple[int, int]:
    at = datetime.fromtimestamp(unix, UTC)
    return at.year, at.month
