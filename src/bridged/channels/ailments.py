"""Which of what is stored of a WhatsApp number is told to an operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridged.accounts.alerts import Found
from bridged.channels.codes import OTHER, TABLE
from bridged.channels.registry import Ailing

_MEANING = {each.reason: each.meaning for each in (*TABLE, OTHER)}


def judge(each: Ailing) -> Iterator[Found]:
    """What stands still until a person resumes it, and a low rating."""
    if each.stopped:
        worst = each.stopped[0]
        parts = ", ".join(_part(stopped["part"]) for stopped in each.stopped)
        meaning = _MEANING.get(worst["reason"], worst["reason"].replace("_", " ") + ".")
        yield _found(each, "channel_stopped", worst["reason"], f"{parts}: {meaning}", severe=worst["part"] == "all")
    rating = _low(each.health)
    if rating is not None:
        yield _found(
            each, "channel_quality", rating.lower(), f"The rating is {rating.lower()}.", severe=rating == "RED"
        )


def _part(part: str) -> str:
    kind, _, name = part.partition(":")
    return {"all": "everything", "marketing": "marketing"}.get(kind, f"{kind} {name}")


def _low(health: Mapping[str, Any]) -> str | None:
    """The rating of the last look, unless WhatsApp told since that it is better; or a low one that it told of."""
    number: Any = health.get("number") or {}
    told: Any = health.get("phone_number_quality_update") or {}
    rating, event = str(number.get("quality_rating") or "").upper(), str(told.get("event") or "").upper()
    if rating in {"RED", "YELLOW"} and event != "UNFLAGGED":
        return rating
    return "RED" if event == "FLAGGED" and rating != "GREEN" else None


def _found(each: Ailing, kind: str, cause: str, detail: str, *, severe: bool) -> Found:
    place = f"/connections/{each.connection_id}"
    severity = "error" if severe else "warn"
    return Found(kind, each.channel_id, cause, severity, each.name, detail, place, each.connection_id)
