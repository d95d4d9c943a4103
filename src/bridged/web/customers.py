"""Customers in the dashboard: found by name, e-mail, phone or id; what is known of one, why they were written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from starlette.responses import Response

from bridged import app as root
from bridged.app import customers
from bridged.profiles.facts import Status
from bridged.profiles.listing import Sort, Wanted
from bridged.profiles.scoring.model import BANDS
from bridged.web.lifelines import STATUSES
from bridged.web.money import money
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit

PLACE = "/customers"
BAND_MARKS: Mapping[str, str] = {"hot": "good", "risk": "bad"}
"""How the state of a band is marked; the others are not."""
SORTS: Mapping[str, str] = {"newest": "Newest first", "name": "By name", "score": "Best score first"}


class Customers:
    """The list of them. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [Page("GET", PLACE, "read", self._search)]

    async def _search(self, visit: Visit) -> Response:
        given = visit.request.query_params
        everything = await root.connections(visit.app, None)
        chosen = [each for each in everything if each.id == given.get("connection")] or everything
        filters = _filters(given, {each.id for each in everything})
        wanted = Wanted(
            (),
            text=filters["q"],
            status=filters["status"] or None,
            product_id=filters["plan"] or None,
            overdue=bool(filters["overdue"]),
            band=filters["band"] or None,
            sort=cast("Sort", filters["sort"] or "newest"),
        )
        found = await customers.find(visit.app, chosen, wanted, given.get("after", ""))
        return self._show(
            visit,
            "customers.html",
            found=found,
            connections={each.id: each for each in everything},
            filters=filters,
            narrowed=any(value for name, value in filters.items() if name not in {"sort", "connection"}),
            statuses=STATUSES,
            marks=BAND_MARKS,
            bands=BANDS,
            sorts=SORTS,
            first=PLACE + query(**filters) if given.get("after") else "",
            older=query(**filters, after=found.next) if found.next else "",
            money=money,
        )


def _filters(given: Mapping[str, str], connections: set[str]) -> dict[str, str]:
    """What the address asks for; what it cannot ask for is empty."""
    known: Mapping[str, Any] = {
        "status": get_args(Status),
        "band": BANDS,
        "sort": SORTS,
        "connection": connections,
        "overdue": ("yes",),
    }
    found = {name: given.get(name, "").replace("\0", "").strip() for name in ("q", "plan")}
    return found | {
        name: given.get(name, "") if given.get(name, "") in values else "" for name, values in known.items()
    }
