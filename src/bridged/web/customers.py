"""Customers in the dashboard: found by name, e-mail, phone or id; what is known of one, why they were written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import channels, consents, playbooks, profiles, scoring
from bridged.core.errors import NotFound
from bridged.core.money import Money, format_money
from bridged.web.visits import Page, Visit

PLACE = "/customers"
_FOUND = 50


class Customers:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._search),
            Page("GET", PLACE + "/{connection}/{customer}", "read", self._one),
        ]

    async def _search(self, visit: Visit) -> Response:
        text = visit.request.query_params.get("q", "").strip()
        found: list[tuple[Connection, Any]] = []
        for connection in await root.connections(visit.app, None):
            if text:
                people = await profiles.search(visit.app, connection, text, _FOUND)
            else:
                people = await profiles.page(visit.app, connection, _FOUND, after="", status=None)
            found += [(connection, each) for each in people]
        return self._show(visit, "customers.html", found=found[:_FOUND], text=text, money=money)

    async def _one(self, visit: Visit) -> Response:
        given = visit.request.path_params
        connection = await root.find_connection(visit.app, given["connection"])
        customer = given["customer"]
        shown = await profiles.show(visit.app, connection, customer)
        try:
            score = (await scoring.explain(visit.app, connection, customer)).row
        except NotFound:
            score = None
        return self._show(
            visit,
            "customer.html",
            connection=connection,
            shown=shown,
            score=score,
            consent=await consents.show(visit.app, connection, customer),
            messages=await channels.messages(visit.app, connection, customer_id=customer, limit=20),
            verdicts=await playbooks.why(visit.app, connection, customer, None),
            money=money,
            day=day,
        )


def money(amounts: Mapping[str, int]) -> str:
    """Amounts of each currency by itself: they are never added."""
    shown = [format_money(Money(amount, currency), "en") for currency, amount in sorted(amounts.items()) if amount]
    return ", ".join(shown) or "none"


def day(unix: int | None) -> str:
    """A day in UTC, for people."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d") if unix else "not known"
