"""What an optional language model may do for an answer, and what it is shown: nothing here needs one.

It may choose an intent from a closed list, and say an answer in other words. It is shown the customer's own message
without what looks like a secret, and an answer in which every value (amount, date, address, name) is a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from bridged.conversation.facts import Answer
from bridged.conversation.grounding import line_values, shown
from bridged.conversation.intents import LANGUAGES, Reading, Understood

INTENTS: Mapping[str, str] = {
    "next_payment_date": "when the next payment is due or will be charged",
    "next_payment_amount": "how much the next payment is",
    "last_payment": "when or how much the last payment was",
    "payment_confirm": "whether a payment arrived",
    "payment_failed_why": "why a payment failed",
    "retry_when": "when a failed payment is tried again",
    "amount_owed": "how much is owed now",
    "pay_link": "a link to pay",
    "invoice_copy": "a copy of an invoice or receipt",
    "payment_history": "past payments",
    "total_spent": "how much was paid in all",
    "current_plan": "which plan they have",
    "plan_price": "what the plan costs",
    "subscription_status": "whether the subscription is active",
    "auto_renew": "whether it renews by itself",
    "cancel_status": "whether or when it is cancelled",
    "cancel_request": "they want to cancel",
    "trial_end": "when the trial ends",
    "refund_status": "where a refund is",
    "refund_request": "they want their money back",
    "unknown_charge": "a charge they do not recognise",
    "card_on_file": "which card is on file",
    "update_card": "how to change the card",
    "card_expiry": "when the card expires",
    "discount_status": "whether a discount applies",
    "dispute_status": "where a dispute is",
    "change_plan": "they want another plan",
    "billing_details": "their name, address or tax id for invoices",
    "human": "they want a person",
    "help": "what can be asked here",
}
"""The closed list, with what each means. Controls that do something (stop, verify, language) are not among them."""
SLOTS = frozenset(signal for words in LANGUAGES.values() for signal in words if ":" in signal) | {
    "which:last",
    "which:previous",
    "which:other",
    "period:this_month",
    "period:last_month",
    "period:this_year",
    "period:last_year",
}
"""The closed list of slots, as `slot:value`."""
LONGEST = 500
"""Characters of a message that the model is shown."""

_SECRET = re.compile(
    r"\b(?:[sr]k|pk|whsec|brg|brl|xox[a-z])_?[A-Za-z0-9_-]{8,}|\b[\w.+-]+@[\w-]+\.[\w.]+|(?:\d[ -]?){8,}"
)


class Model(Protocol):
    """For one message. Whatever fails is None: then the default engine answers.

    `name`: provider and model. `micros`: what it cost so far, in millionths of a dollar. `trouble`: why it was no use.
    """

    @property
    def name(self) -> str: ...
    @property
    def micros(self) -> int: ...
    @property
    def trouble(self) -> str | None: ...

    async def choose(self, reading: Reading) -> Understood | None:
        """What the message asks; None where that is on none of the lists."""
        ...

    async def rephrase(self, answer: Answer) -> str | None:
        """The answer in other words, not judged yet."""
        ...


def message_shown(text: str) -> str:
    """A message as the model sees it: short, printable, without keys, e-mail addresses and long numbers."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return _SECRET.sub("…", " ".join(printable.split()))[:LONGEST]


def masked(answer: Answer) -> tuple[str, Mapping[str, str]]:
    """The answer with a placeholder for each value it shows, and the values by their placeholders."""
    values: dict[str, str] = {}
    known = shown(answer)

    def placed(line: str) -> str:
        parts = line_values(line, known)
        for place in range(1, len(parts), 2):
            name = f"{{{len(values) + 1}}}"
            values[name] = parts[place]
            parts[place] = name
        return "".join(parts)

    return "\n".join(placed(line) for line in answer.text.split("\n")), values


def unmasked(text: str, values: Mapping[str, str]) -> str:
    """The values in the place of their placeholders."""
    return re.sub(r"\{\d+\}", lambda found: values.get(found[0], found[0]), text)
