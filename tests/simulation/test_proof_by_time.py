"""Proof by time: what a thousand customers are told is what Stripe then bills them, to the cent and to the second.

Every customer is asked about, then the simulator's clock is moved on. The simulator bills by its own arithmetic and
imports nothing of ours; where it bills otherwise, a change after the answer must explain it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from bridged import app as root
from bridged.app import asking
from bridged.conversation.facts import Item
from bridged.core.settings import Settings
from bridged.sim import billing, world
from bridged.sim.store import Account, Obj
from simulation import stage

DAY = 86400
HORIZON = 40 * DAY
CUSTOMERS = 930  # and the cast of about a hundred, one for each row of the decision table
QUESTION = "When is my next payment due, and how much is it?"

RENEWALS = {
    "renewal", "renewal_zero", "renewal_invoice", "trial", "trial_zero", "trial_invoice", "trial_no_method_invoice",
}  # fmt: skip
ENDS = {"ends", "ends_final_invoice", "trial_ends", "trial_no_method_cancel", "trial_no_method_pause"}


@dataclass
class Outcome:
    """How the answers held, by kind of statement; `off` those that did not, in words."""

    held: Counter[str] = field(default_factory=Counter[str])
    beyond: Counter[str] = field(default_factory=Counter[str])
    explained: list[str] = field(default_factory=list[str])
    off: list[str] = field(default_factory=list[str])


async def test_what_was_answered_is_what_is_billed(settings: Settings) -> None:
    made = world.build(11, CUSTOMERS, livemode=True)
    async with stage.staged(settings, made) as shown:
        await shown.connect()
        assert (await shown.sync()).complete
        connection = await root.find_connection(shown.app, None)
        customers = [each["id"] for each in shown.account.all("customers")]
        answers = {each: (await asking.ask(shown.app, connection, each, QUESTION)).answer for each in customers}
        asked = made.clock.now
    made.clock.freeze()
    billing.advance(made, asked + HORIZON)

    outcome = Outcome()
    later = Later(shown.account, asked)
    for answer in answers.values():
        for item in answer.items:
            judge(item, later, outcome)
    print(f"\n{len(answers)} customers asked; held {dict(outcome.held)}; beyond the horizon {dict(outcome.beyond)}")
    print("\n".join(["explained by later changes:", *outcome.explained]))
    assert len(answers) >= 1000
    assert outcome.off == [], "\n".join(outcome.off)
    assert sum(outcome.held.values()) >= 500
    assert {"renewal", "renewal_invoice", "ends", "invoice_retry", "invoice_due"} <= outcome.held.keys()


class Later:
    """What happened at Stripe after the questions."""

    def __init__(self, account: Account, asked: int) -> None:
        self.asked = asked
        self.account = account
        self.invoices: dict[str, list[Obj]] = defaultdict(list)
        for invoice in sorted(account.all("invoices"), key=lambda each: each["created"]):
            details = (invoice["parent"] or {}).get("subscription_details") or {}
            if invoice["created"] > asked and details:
                self.invoices[details["subscription"]].append(invoice)
        self.attempts: dict[str, list[int]] = defaultdict(list)
        paying = {each["payment"].get("payment_intent"): each["invoice"] for each in account.all("invoice_payments")}
        for charge in account.all("charges"):
            if charge["created"] > asked and charge["payment_intent"] in paying:
                self.attempts[paying[charge["payment_intent"]]].append(charge["created"])

    def over_before(self, subscription_id: str, moment: int) -> bool:
        """Whether failed payments ended a subscription after the question and before a moment."""
        found = self.account.get("subscriptions", subscription_id)
        assert found is not None
        reason = (found["cancellation_details"] or {}).get("reason")
        ended = found["ended_at"]
        return ended is not None and self.asked < ended <= moment and reason == "payment_failed"


def judge(item: Item, later: Later, outcome: Outcome) -> None:
    """Compares one statement with what happened."""
    moment = item.then if item.then is not None and item.kind.endswith("_invoice") else item.when
    if moment is not None and moment > later.asked + HORIZON - DAY:
        outcome.beyond[item.kind] += 1
    elif item.kind in RENEWALS:
        _judge_renewal(item, moment, later, outcome)
    elif item.kind in ENDS:
        _judge_end(item, later, outcome)
    elif item.kind in {"invoice_retry", "invoice_attempt"}:
        attempts = later.attempts[item.sources[0]]
        _note(item, outcome, held=item.when in attempts, told=item.when, happened=sorted(attempts)[:3])
    elif item.kind in {"invoice_due", "invoice_overdue"}:
        invoice = later.account.get("invoices", item.sources[0])
        assert invoice is not None
        assert item.money is not None
        _note(item, outcome, held=invoice["due_date"] == item.when and invoice["currency"] == item.money.currency)


def _judge_renewal(item: Item, moment: int | None, later: Later, outcome: Outcome) -> None:
    billed = later.invoices[item.sources[0]]
    regular = [each for each in billed if each["billing_reason"] in {"subscription_cycle", "subscription_create"}]
    if billed and billed[0] not in regular:
        outcome.explained.append(f"{item.sources[0]}: {billed[0]['billing_reason']} before the renewal")
    if not regular and moment is not None and later.over_before(item.sources[0], moment):
        outcome.explained.append(f"{item.sources[0]}: canceled before the renewal, after payments that failed later")
        return
    if not regular:
        _note(item, outcome, held=False, told=moment, happened="nothing was billed")
        return
    first = regular[0]
    amount = item.money.amount if item.money else None
    same = first["created"] == moment and (item.certainty != "exact" or first["amount_due"] == amount)
    happened = (first["created"], first["amount_due"], first["currency"])
    _note(item, outcome, held=same, told=(moment, amount, item.certainty), happened=happened)


def _judge_end(item: Item, later: Later, outcome: Outcome) -> None:
    subscription = later.account.get("subscriptions", item.sources[0])
    assert subscription is not None
    paused = item.kind == "trial_no_method_pause"
    ended = subscription["status"] == ("paused" if paused else "canceled")
    billed = [each["amount_due"] for each in later.invoices[item.sources[0]] if each["amount_due"]]
    expected = [item.money.amount] if item.kind == "ends_final_invoice" and item.money else []
    on_time = paused or subscription["ended_at"] == item.when
    _note(item, outcome, held=ended and on_time and billed == expected, told=item.when, happened=billed)


def _note(item: Item, outcome: Outcome, *, held: bool, told: object = None, happened: object = None) -> None:
    if held:
        outcome.held[item.kind] += 1
    else:
        outcome.off.append(f"{item.kind} {item.sources}: told {told}, happened {happened}")
