"""A message as each medium takes it: the text of an e-mail, the document of a webhook, the blocks of Slack."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bridged.accounts.alerts import Change, Message

_MARKS: Mapping[Change, str] = {"opened": ":red_circle:", "recovered": ":white_check_mark:", "test": ":wave:"}
_MOST = 3500
"""Characters of a chat message; some take no more than four thousand."""
TEST = "This is a test of Bridged: alerts will arrive here"


def subject(message: Message) -> str:
    """Of an e-mail."""
    return f"[Bridged] {message.payload['title']}"


def text(message: Message, home: str) -> str:
    """The body of an e-mail. `home`: where the dashboard is, without a slash in the end; empty: not known."""
    payload = message.payload
    lines = [f"{payload['title']}."]
    lines += [f"- {line}" for line in _lines(payload, message.change)]
    lines += [payload["step"]] if payload.get("step") else []
    lines += [f"{home}{_place(payload)}"] if home else []
    lines += [f"Message {message.id}: who gets it twice got one message twice."]
    return "\n\n".join(lines)


def document(message: Message, home: str) -> bytes:
    """The body of a signed webhook, the same at each try."""
    payload = message.payload
    shown = [{**each, "url": f"{home}{each['place']}" if home else None} for each in payload["alerts"]]
    for each in shown:
        del each["place"]
    return orjson.dumps(
        {
            "id": message.id,
            "type": f"alert.{message.change}",
            "created": int(message.created_at.astimezone(UTC).timestamp()),
            "data": {**payload, "alerts": shown},
        }
    )


def slack(message: Message, home: str) -> bytes:
    """The body for an incoming webhook of Slack, or of whatever takes the same: one plain text, without marks."""
    whole = text(message, home)
    cut = whole if len(whole) <= _MOST else whole[:_MOST] + "…"
    # The three signs that Slack reads even in plain text: nobody's name mentions a channel or makes a link.
    safe = cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return orjson.dumps({"text": f"{_MARKS[message.change]} {safe}", "mrkdwn": False})


def _lines(payload: Mapping[str, Any], change: Change) -> list[str]:
    shown = [_line(each, change) for each in payload["alerts"]]
    more = payload["number"] - len(shown)
    return [*shown, f"and {more:,} more"] if more > 0 else shown


def _line(each: Mapping[str, Any], change: Change) -> str:
    name = f"{each['name']}: " if each["name"] else ""
    if change == "recovered":
        return f"{name}from {_when(each['opened_at'])} to {_when(each['recovered_at'])}"
    return f"{name}{each['detail']} Since {_when(each['opened_at'])}."


def _when(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _place(payload: Mapping[str, Any]) -> str:
    """To the thing itself where there is one, else to the list of all."""
    only = payload["alerts"][0]["place"] if payload["number"] == 1 and payload["alerts"] else "/alerts"
    return str(only)
