"""Alerts of a workspace: the kinds there are, what is found to be wrong, where that is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Severity = Literal["error", "warn"]
Change = Literal["opened", "recovered", "test"]
Medium = Literal["email", "webhook", "slack"]
MEDIA: tuple[Medium, ...] = ("email", "webhook", "slack")
DESTINATION = "alert_destination"
"""What the secret of a destination is bound to, beside the destination's id."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alert. `one`, `many`: what happened, of one subject and of `{number}`; `over`: that it is past;
    `step`: what to do.
    """

    name: str
    title: str
    one: str
    many: str
    over: str
    step: str


KINDS: tuple[Kind, ...] = (
    Kind(
        "key_refused", "Key refused", "Stripe refuses the key of {name}",
        "Stripe refuses the keys of {number} connections", "The key is no longer refused",
        "Replace the key, or give it the permissions it lacks. Nothing is read until then.",
    ),
    Kind(
        "sync_failing", "Sync failing", "The sync of {name} fails", "The syncs of {number} connections fail",
        "The sync no longer fails", "Look at the last runs of the connection: the error says what to do.",
    ),
    Kind(
        "sync_late", "Sync late", "The sync of {name} is late", "The syncs of {number} connections are late",
        "The sync is no longer late",
        "See whether workers are at capacity, or reads are being slowed; start another worker.",
    ),
    Kind(
        "webhook_down", "Webhook endpoint down", "The webhook endpoint of {name} does not work",
        "The webhook endpoints of {number} connections do not work", "The webhook endpoint is no longer down",
        "Repair the endpoint on the page of the webhook.",
    ),
    Kind(
        "webhook_silent", "No webhook events", "Stripe has events of {name} that were not delivered",
        "Stripe has events of {number} connections that were not delivered",
        "No event is missing from the deliveries any more",
        "Check that Stripe reaches the address, and read in the log why deliveries were refused. Nothing is lost: the "
        "events were fetched from Stripe's list.",
    ),
    Kind(
        "events_failed", "Events failed", "Events of {name} could not be applied",
        "Events of {number} connections could not be applied", "No failed events are left",
        "Read the error of each event, mend its cause and replay it.",
    ),
    Kind(
        "events_late", "Events late", "Events of {name} wait to be applied",
        "Events of {number} connections wait to be applied", "No event waits for long any more",
        "See whether a worker runs; start another one.",
    ),
    Kind(
        "channel_stopped", "WhatsApp stopped", "Messages of {name} stand still",
        "Messages of {number} channels stand still",
        "Messages no longer stand still", "Mend what WhatsApp names, then resume the channel: bridged channel resume.",
    ),
    Kind(
        "channel_quality", "WhatsApp quality", "WhatsApp rates the number of {name} low",
        "WhatsApp rates the numbers of {number} channels low", "The number is no longer rated low",
        "Send less marketing, and only to who asked for it; the rating is over seven days.",
    ),
    Kind(
        "worker_absent", "No worker", "No worker is running", "No worker is running", "A worker is running again",
        "Start one: bridged worker, or bridged serve, which has one of its own. Nothing is synced or sent until then.",
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Kind] = {each.name: each for each in KINDS}


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong now. `subject`: id of the connection or channel, empty for the installation.

    `cause`: what fails for one and the same cause is told together. `place`: path of the page to go to. `detail` holds
    no secret.
    """

    kind: str
    subject: str
    cause: str
    severity: Severity
    name: str
    detail: str
    place: str
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A kind that cannot be judged now, of one subject, or of all (`*`): its alerts stay as they are."""

    kind: str
    subject: str = "*"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is or was wrong, from `opened_at` to `recovered_at`."""

    id: str
    number: int
    kind: str
    subject: str
    cause: str
    severity: Severity
    connection_id: str | None
    name: str
    detail: str
    place: str
    opened_at: datetime
    recovered_at: datetime | None

    @property
    def title(self) -> str:
        """What happened, in a sentence without its point."""
        return BY_NAME[self.kind].one.format(name=self.name)

    @property
    def step(self) -> str:
        """What to do about it."""
        return BY_NAME[self.kind].step


@dataclass(frozen=True, slots=True)
class Destination:
    """Where alerts are told. `address` as it may be shown; `severity`: the least that is told; no `kinds`: all."""

    id: str
    kind: Medium
    name: str
    address: str
    severity: Severity
    kinds: tuple[str, ...]
    paused: bool
    created_at: datetime

    def wants(self, alert: Alert) -> bool:
        """Whether an alert is to be told there."""
        loud = self.severity == "warn" or alert.severity == "error"
        return loud and not self.paused and (not self.kinds or alert.kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a destination, and what came of it. `status`: of the receiver's last answer, where it has one."""

    id: str
    destination_id: str
    destination: str
    change: Change
    kind: str
    title: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    status: int | None
    problem: str | None
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is about to be sent. `attempts`: with the one about to be made."""

    id: str
    destination_id: str
    change: Change
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime
