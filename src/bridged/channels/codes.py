"""What WhatsApp's error codes mean and what is done about each: one table, read by `deliver`, the guide and the tests.

By `code`, never by title: Meta says titles change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of the message that was refused."""

    FAIL = "fail"
    RETRY = "retry"
    """Again soon, later each time, so many times."""
    DEFER = "defer"
    """Again after a day at least, later each time."""


class Part(StrEnum):
    """What stands still because of it, besides this message."""

    NOTHING = "nothing"
    RECIPIENT = "recipient"
    THROUGHPUT = "throughput"
    CHANNEL = "channel"
    MARKETING = "marketing"
    TEMPLATE = "template"
    COUNTRY = "country"


class Learned(StrEnum):
    """What it says of the customer."""

    NOTHING = "nothing"
    UNREACHABLE = "unreachable"
    STOPPED_MARKETING = "stopped_marketing"
    NEEDS_PHONE = "needs_phone"


@dataclass(frozen=True, slots=True)
class Rule:
    """`reason` is what a message that failed by it says for ever. `pause` None with a part that stands still: until a
    person resumes it. `alert`: a person must look.
    """

    codes: tuple[int, ...]
    reason: str
    meaning: str
    advice: str
    fate: Fate = Fate.FAIL
    first_wait: timedelta = timedelta(0)
    most_tries: int = 1
    part: Part = Part.NOTHING
    pause: timedelta | None = None
    learned: Learned = Learned.NOTHING
    alert: bool = False


_DAY = timedelta(days=1)
TABLE: tuple[Rule, ...] = (
    Rule(
        (131026,), "undeliverable", "Not on WhatsApp, an app too old, or terms not accepted.",
        "Another channel for this customer; the number is tried again after 30 days.", learned=Learned.UNREACHABLE,
    ),
    Rule(
        (131047,), "window_closed", "More than 24 hours since the customer last wrote.",
        "Only a template may be sent now.",
    ),
    Rule(
        (131049,), "marketing_limit", "Withheld: this person gets enough marketing.",
        "Sent again after a day, then later each time.", Fate.DEFER, _DAY, 3,
    ),
    Rule(
        (131050,), "marketing_stopped_131050", "The person switched this business's marketing off in WhatsApp.",
        "Recorded as an opt-out from marketing.", learned=Learned.STOPPED_MARKETING,
    ),
    Rule(
        (131056,), "pair_limit", "Too many messages to this one recipient.", "This recipient waits, nobody else.",
        Fate.RETRY, timedelta(seconds=6), 8, part=Part.RECIPIENT,
    ),
    Rule(
        (130429,), "throughput", "More messages a second than the number may send.", "The whole number slows down.",
        Fate.RETRY, timedelta(seconds=2), 8, part=Part.THROUGHPUT, pause=timedelta(minutes=1),
    ),
    Rule(
        (80007, 4), "rate_limit", "The account's or the app's rate limit.", "The whole number waits.",
        Fate.RETRY, timedelta(seconds=30), 8, part=Part.CHANNEL, pause=timedelta(seconds=30),
    ),
    Rule(
        (131048,), "spam_rate", "Too many recipients blocked or reported the number.",
        "Marketing stands still. Look at the number's quality, then resume it.", Fate.RETRY, timedelta(hours=1), 3,
        part=Part.MARKETING, alert=True,
    ),
    Rule(
        (131064,), "category_limit", "The limit was cut because templates were in the wrong category.",
        "Marketing stands still. Put the templates right, then resume it.", Fate.RETRY, timedelta(hours=1), 3,
        part=Part.MARKETING, alert=True,
    ),
    Rule(
        (130472,), "in_experiment", "The number is in an experiment of Meta's: marketing is not delivered to it.",
        "Counted as not sent; not tried again.",
    ),
    Rule(
        (132000, 132008, 132012), "template_parameters", "The parameters are not those of the template.",
        "A bug: the template stands still.", part=Part.TEMPLATE, alert=True,
    ),
    Rule(
        (132001,), "template_missing", "The template does not exist in this language, or is not approved.",
        "Create it, or use a language it has.",
    ),
    Rule(
        (132005, 132007), "template_text", "The text is too long with its parameters, or against the policy.",
        "Change the template.", alert=True,
    ),
    Rule(
        (132015, 132016), "template_paused", "The template is paused or disabled for low quality.",
        "It stands still until WhatsApp says otherwise.", part=Part.TEMPLATE, alert=True,
    ),
    Rule((131008, 131009, 100), "bad_request", "The request is not what the API takes.", "A bug of ours.", alert=True),
    Rule((131021,), "own_number", "Sender and recipient are the same number.", "Left out."),
    Rule(
        (131030,), "not_allow_listed", "A test number may write to five listed recipients only.",
        "Add the recipient to the list in the app's API setup.",
    ),
    Rule(
        (131042, 131044), "payment_problem", "Meta cannot charge the business.",
        "Put the payment method right in the Business Manager, then resume the channel.",
        Fate.RETRY, timedelta(hours=1), 3, part=Part.CHANNEL, alert=True,
    ),
    Rule(
        (131031, 368, 131045, 131037), "locked", "The account is locked, or the number is not (rightly) registered.",
        "Everything stands still. Look into the WhatsApp Manager, then resume the channel.",
        Fate.RETRY, timedelta(hours=1), 3, part=Part.CHANNEL, alert=True,
    ),
    Rule(
        (130497,), "country_restricted", "The business may not write to this country.", "The country is left out.",
        part=Part.COUNTRY, alert=True,
    ),
    Rule(
        (131062,), "needs_phone", "This kind of message cannot go to an id without a phone number.",
        "Ask the customer for the number.", learned=Learned.NEEDS_PHONE,
    ),
    Rule(
        (131063,), "marketing_off", "Marketing is switched off for the Cloud API on this number.",
        "Marketing stands still: it needs the Marketing Messages API.", part=Part.MARKETING, alert=True,
    ),
    Rule(
        (190, 0, 3, 10, *range(200, 300)), "auth", "The token is refused or lacks a permission.",
        "Everything stands still. Give the channel a new token: `bridged channel add` with the same number.",
        Fate.RETRY, timedelta(hours=1), 3, part=Part.CHANNEL, alert=True,
    ),
    Rule(
        (131000, 131016, 131057, 1, 2, 135000), "transient", "WhatsApp could not do it now.",
        "Tried again, up to five times in all.", Fate.RETRY, timedelta(seconds=5), 5,
    ),
)  # fmt: skip
BY_CODE: Mapping[int, Rule] = {code: rule for rule in TABLE for code in rule.codes}
OTHER = Rule((), "refused", "A code this version does not know.", "Look it up in WhatsApp's documentation.", alert=True)
"""Never tried again: what it means is not known."""
_LONGEST = timedelta(days=7)


def rule_of(code: int) -> Rule:
    """What is done about a code."""
    return BY_CODE.get(code, OTHER)


def wait(rule: Rule, tries: int, unit: float) -> timedelta | None:
    """How long until the next try after `tries` of them; None: there is none. `unit`, 0 to 1, spreads those that wait.

    Doubled each time. Deferred ones and those for a recipient wait never less than that, others at least half of it.
    """
    if rule.fate is Fate.FAIL or tries >= rule.most_tries:
        return None
    whole = min(rule.first_wait * 2 ** min(tries - 1, 16), _LONGEST)
    least = 1.0 if rule.fate is Fate.DEFER or rule.part is Part.RECIPIENT else 0.5
    return whole * (least + unit / 2)
