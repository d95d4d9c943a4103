"""One customer in the dashboard: how they stand, what happened, what they agreed to, why they were written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from starlette.responses import Response

from bridged.accounts import Connection
from bridged.accounts.erasures import ELSEWHERE, KEPT
from bridged.app import consents, customers, erasure, timelines
from bridged.core.errors import UsageError
from bridged.mirror.kinds import BY_NAME
from bridged.profiles.contacts import Category
from bridged.web.connections import connection_of
from bridged.web.customers import BAND_MARKS, PLACE
from bridged.web.lifelines import STATUSES, line
from bridged.web.money import amount, money
from bridged.web.qualification import FACTOR_TITLES
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit, go

_ONE = PLACE + "/{connection}/{customer}"
_SHOWN = 50
_VERDICTS = {
    "sent": ("sent", "good"),
    "on_its_way": ("on its way", "busy"),
    "not_sent": ("not sent", "warn"),
    "not_reached": ("did not begin", ""),
    "off": ("off", ""),
}
_CATEGORIES: tuple[tuple[Category, str], ...] = (("utility", "About payments"), ("marketing", "Marketing"))
_CERTAIN = {
    "exact": "as Stripe says",
    "estimate": "estimated from the subscription",
    "unknown": "the amount is not known",
}
_LEFT_OUT = {
    "metered": "what is billed by use",
    "tiered": "prices in tiers",
    "discount_unknown": "a discount that is not known",
    "items_unknown": "items that are not known",
}
CHANGES_SHOWN = 10


class CustomerPages:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", _ONE, "read", self._one),
            Page("POST", _ONE + "/consent", "write", self._consent, self._one),
            Page("POST", _ONE + "/read", "sync", self._read, self._one),
            Page("GET", _ONE + "/erase", "admin", self._erase),
            Page("POST", _ONE + "/erase", "admin", self._do_erase, self._erase),
        ]

    async def _one(self, visit: Visit) -> Response:
        connection, customer, given = await connection_of(visit), _customer(visit), visit.request.query_params
        sort = given.get("show", "") if given.get("show", "") in timelines.SORTS else ""
        after = given.get("after", "")
        found = await customers.whole(visit.app, connection, customer)
        told = await timelines.timeline(visit.app, connection, customer, [sort] if sort else [], after, _SHOWN)
        base = _place(connection, customer)
        return self._show(
            visit,
            "customer.html",
            connection=connection,
            customer=customer,
            base=base,
            found=found,
            who=found.shown.profile if found.shown else None,
            lines=[line(each) for each in told.entries],
            sorts=list(timelines.SORTS),
            sort=sort,
            first=f"{base}{query(show=sort)}#timeline" if after else "",
            older=f"{query(show=sort, after=told.next)}#timeline" if told.next else "",
            done=given.get("done", ""),
            statuses=STATUSES,
            marks=BAND_MARKS,
            factors=FACTOR_TITLES,
            verdict_marks=_VERDICTS,
            categories=_CATEGORIES,
            certain=_CERTAIN,
            left_out=_LEFT_OUT,
            titles={name: kind.title for name, kind in BY_NAME.items()},
            shown_changes=CHANGES_SHOWN,
            money=money,
            amount=amount,
        )

    async def _consent(self, visit: Visit) -> Response:
        """What somebody agreed to or took back, written down by a person who says how they know."""
        connection, customer, form = await connection_of(visit), _customer(visit), visit.form
        chosen: list[Category] = [category for category, _ in _CATEGORIES if form.get(f"about.{category}")]
        state = form.get("state", "")
        if not chosen or state not in {"granted", "revoked"}:
            raise UsageError(
                "It is not said what they agreed to.", hint="Choose given or withdrawn, and what it is about."
            )
        if not form.get("source", "").strip():
            raise UsageError("A consent needs its source.", hint="Say how and where they told you.")
        await consents.decide(
            visit.app,
            connection,
            customer,
            chosen,
            visit.actor,
            granted=state == "granted",
            source=form["source"].strip(),
            text=form.get("words", "").strip() or None,
            proof=form.get("proof", "").strip() or None,
            phone=form.get("phone", "").strip() or None,
        )
        return go(f"{_place(connection, customer)}?done=consent#contact")

    async def _read(self, visit: Visit) -> Response:
        connection, customer = await connection_of(visit), _customer(visit)
        await customers.read_again(visit.app, connection, customer)
        return go(f"{_place(connection, customer)}?done=read")

    async def _erase(self, visit: Visit) -> Response:
        """What erasing does, before it is done; afterwards the receipt."""
        connection, customer = await connection_of(visit), _customer(visit)
        receipts = await erasure.receipts(visit.app, connection)
        receipt = next((each for each in receipts if each.customer_id == customer), None)
        return self._show(
            visit,
            "erase_customer.html",
            connection=connection,
            customer=customer,
            base=_place(connection, customer),
            receipt=receipt,
            kept=KEPT,
            elsewhere=ELSEWHERE,
        )

    async def _do_erase(self, visit: Visit) -> Response:
        connection, customer = await connection_of(visit), _customer(visit)
        if visit.form.get("sure", "").strip() != customer:
            raise UsageError("That is not the id of this customer.", hint=f"Type {customer} to erase them.")
        await erasure.erase(visit.app, connection, customer, visit.actor)
        return go(f"{_place(connection, customer)}/erase")


def _customer(visit: Visit) -> str:
    return cast("str", visit.request.path_params["customer"])


def _place(connection: Connection, customer: str) -> str:
    return f"{PLACE}/{connection.id}/{quote(customer, safe='')}"
