"""Reads what a decision rests on, in the transaction that decides: profile, object, contact points, slot, caps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn
from bridged.messages.outbox import TemplateState
from bridged.messages.outbox import store as outbox
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.playbooks import judging, prices, subject
from bridged.playbooks.definitions import Playbook
from bridged.playbooks.fields import Value, View
from bridged.playbooks.judging import Channel, Situation
from bridged.playbooks.limits import store as limits
from bridged.playbooks.policy import Slot
from bridged.playbooks.runs import Run
from bridged.playbooks.store import Stored
from bridged.profiles import store as profiles
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile

Measures = Callable[[Conn, Scope, Sequence[str]], Awaitable[Mapping[str, Mapping[str, int]]]]
"""What is measured beside the profile (`score`, `score_drop`, `value_percentile`), by customer."""


async def nothing_measured(conn: Conn, scope: Scope, ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Where nobody measures."""
    del conn, scope, ids
    return {}


@dataclass(frozen=True, slots=True)
class Subject:
    """The object a moment is about. `known_at`: up to when (Unix seconds) it is known to be so; `unknown`: it is not
    there, or in doubt.
    """

    fields: Mapping[str, Value]
    known_at: int | None
    unknown: bool


async def subjects(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, Subject]:
    """The objects of these ids, as the mirror has them; those of kinds that are not mirrored say nothing."""
    found = {each: Subject({}, None, unknown=subject.kind_of(each) is not None) for each in ids}
    for kind in {kind for each in ids if (kind := subject.kind_of(each))}:
        wanted = [each for each in ids if subject.kind_of(each) == kind]
        for row in await mirror.by_ids(conn, BY_NAME[kind], scope, wanted):
            known = int(row.known_until.timestamp())
            fields = subject.fields_of(kind, row.data, deleted=row.deleted)
            found[row.id] = Subject(fields, known, unknown=row.dirty)
    return found


async def view_of(conn: Conn, scope: Scope, run: Run, measures: Measures, at: int) -> tuple[View, Subject]:
    """The customer as conditions see them at a time (Unix seconds)."""
    profile = await profiles.get(conn, scope, run.customer_id, at)
    gone = Profile(run.customer_id, deleted=True)
    wanted = judging.subject_id(run.moment)
    about = (await subjects(conn, scope, [wanted]))[wanted]
    measured = await measures(conn, scope, [run.customer_id])
    return View(profile or gone, run.moment, about.fields, measured.get(run.customer_id, {})), about


async def situation(
    conn: Conn, scope: Scope, run: Run, stored: Stored | None, playbook: Playbook, channel: Channel,
    measures: Measures, now: datetime,
) -> Situation:  # fmt: skip
    """Everything the decision about a run's step rests on. Slot and caps are held until the transaction ends."""
    at = int(now.timestamp())
    view, about = await view_of(conn, scope, run, measures, at)
    reach = await contacts.reach(conn, scope, run.customer_id, now)
    slot, until = await _slot(conn, scope, run)
    step = playbook.steps[run.step]
    wanted = judging.wanted_templates(playbook, step, view, at) if step.act == "template" else []
    this_month = stored is not None and stored.spent_month == now.date().replace(day=1)
    market = prices.market(reach.phone_e164, view.profile.country)
    return Situation(
        now=at,
        playbook=playbook,
        step=run.step,
        view=view,
        reach=reach,
        channel=channel,
        previous_at=int(run.previous_at.timestamp()),
        known_at=about.known_at,
        unknown=about.unknown,
        slot=slot,
        slot_until=until,
        sent=await limits.sent(conn, scope, run.customer_id, playbook.category),
        sent_here=await limits.sent(conn, scope, run.customer_id, own_counter(run.playbook_id)),
        templates=await template_states(conn, scope, channel, wanted),
        spent=stored.spent_micros if stored is not None and this_month else 0,
        price=prices.price(market, playbook.category),
    )


def own_counter(playbook_id: str) -> str:
    """The counter of what one playbook sends, beside those of the categories."""
    return f"playbook:{playbook_id}"


async def template_states(
    conn: Conn, scope: Scope, channel: Channel, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], TemplateState]:
    """What may be sent on a channel. One that reaches nobody takes every template."""
    if not channel.live:
        return dict.fromkeys(wanted, "approved")
    return {
        (name, code): await outbox.template_state(conn, scope.connection_id, channel.id, name, code)
        for name, code in dict.fromkeys(wanted)
    }


async def _slot(conn: Conn, scope: Scope, run: Run) -> tuple[Slot, int]:
    owner = await limits.owner(conn, scope, run.customer_id, run.fact)
    if owner is None:
        return "free", 0
    if owner.run_id == run.id:
        return "mine", 0
    if owner.used:
        return "taken", 0
    return ("free", 0) if owner.next_at is None else ("pending", int(owner.next_at.timestamp()) + 1)
