"""The log as documents: what the API answers and what the command line prints as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from bridged.core.jsontext import storable
from bridged.messages.log.store import Logged, LoggedChange, LoggedDelivery, OpenReread, Story, Summary
from bridged.messages.replay.store import Replay


def summary_json(found: Summary) -> dict[str, Any]:
    """Counts, by what they count."""
    return {
        "since": found.since,
        "events": found.events,
        "states": found.states,
        "outcomes": found.outcomes,
        "ties": found.ties,
        "deliveries": {
            "accepted": found.accepted,
            "duplicates": found.duplicates,
            "refused": found.refused,
            "suppressed": found.suppressed,
        },
        "gaps": {"found": found.gaps, "events": found.missed},
        "pending": found.pending,
        "oldest_pending_at": found.oldest_pending_at,
        "failed": found.dead,
        "rereads": found.rereads,
        "last_event_at": found.last_event_at,
        "last_delivery_at": found.last_delivery_at,
        "last_accepted_at": found.last_accepted_at,
    }


def event_json(event: Logged) -> dict[str, Any]:
    """An event without its payload."""
    return {
        "id": event.id,
        "object": "logged_event",
        "type": event.type,
        "created": event.created,
        "about": event.object_id,
        "customer": event.customer_id,
        "api_version": event.api_version,
        "source": event.source,
        "received_at": event.received_at,
        "state": event.state,
        "outcome": event.outcome,
        "tie": event.tie,
        "attempts": event.attempts,
        "retry_at": event.due_at,
        "applied_at": event.applied_at,
        "error": event.error,
        "replay": event.replay_id,
    }


def story_json(story: Story) -> dict[str, Any]:
    """All of an event; the payload as it came, without what JSON parsers choke on."""
    return {
        **event_json(story.event),
        "payload": orjson.Fragment(storable(story.payload.decode(errors="replace").encode())),
        "deliveries": [delivery_json(each) for each in story.deliveries],
        "changes": [_change(each) for each in story.changes],
        "rereads": [_reread(each) for each in story.rereads],
    }


def _change(change: LoggedChange) -> dict[str, Any]:
    found = asdict(change)
    return {"at": found.pop("at"), "kind": found.pop("kind"), "id": found.pop("object_id"), **found}


def _reread(asked: OpenReread) -> dict[str, Any]:
    found = asdict(asked)
    return {"kind": found.pop("kind"), "id": found.pop("object_id"), **found}


def delivery_json(delivery: LoggedDelivery) -> dict[str, Any]:
    """A delivery, by its key."""
    return {
        "id": delivery.key,
        "object": "delivery",
        "received_at": delivery.received_at,
        "verdict": delivery.verdict,
        "event": delivery.event_id,
        "type": delivery.type,
        "signed_at": delivery.signed_at,
        "bytes": delivery.bytes,
        "suppressed": delivery.suppressed,
        "accepted_at": delivery.accepted_at,
    }


def replay_json(replay: Replay) -> dict[str, Any]:
    """A replay and its state."""
    return {"id": replay.id, "object": "replay", "state": replay.state, **asdict(replay)}
