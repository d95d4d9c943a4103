"""Messages in the shape the Cloud API takes, and what of its answers is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from bridged.channels import Template
from bridged.channels.parsing import TEMPLATE_STATES
from bridged.messages.outbox import Message

Json = dict[str, Any]
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def request_of(message: Message, attempt_id: str) -> Json:
    """The body of the one request that sends a message."""
    address = {"to": message.phone.removeprefix("+")} if message.phone else {"recipient": message.bsuid}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **address,
        **_content(message),
        "biz_opaque_callback_data": attempt_id,
    }


def _content(message: Message) -> Json:
    if message.template is not None:
        return {
            "type": "template",
            "template": {
                "name": message.template,
                "language": {"code": message.language.replace("-", "_")},
                "components": components(message.parameters),
            },
        }
    if message.interactive is not None:
        kind = str(message.interactive["type"])
        return {"type": kind, kind: message.interactive[kind]}
    return {"type": "text", "text": {"body": message.body, "preview_url": False}}


def components(parameters: Mapping[str, str]) -> list[Json]:
    """A template's parameters: by name, or by position where they are called 1, 2, …; of its header and buttons too."""
    found: list[Json] = []
    for name, value in parameters.items():
        if name.startswith("document:"):
            document = {"link": value, "filename": name.partition(":")[2]}
            found.append({"type": "header", "parameters": [{"type": "document", "document": document}]})
    words = {name: value for name, value in parameters.items() if ":" not in name}
    positional = all(name.isdigit() for name in words)
    ordered = sorted(words, key=int) if positional else list(words)
    if ordered:
        body = [
            {"type": "text", **({} if positional else {"parameter_name": name}), "text": words[name]}
            for name in ordered
        ]
        found.append({"type": "body", "parameters": body})
    for name in sorted(each for each in parameters if each.startswith("button:")):
        button = {"type": "button", "sub_type": "url", "index": name.partition(":")[2]}
        found.append({**button, "parameters": [{"type": "text", "text": parameters[name]}]})
    return found


def buttons(body: str, choices: Sequence[tuple[str, str]]) -> Json:
    """Up to three buttons below a text, each with its payload and what is on it."""
    replies = [{"type": "reply", "reply": {"id": payload, "title": title[:20]}} for payload, title in choices[:3]]
    return {
        "type": "interactive",
        "interactive": {"type": "button", "body": {"text": body}, "action": {"buttons": replies}},
    }


def choices(body: str, button: str, rows: Sequence[tuple[str, str, str]]) -> Json:
    """A list of up to ten: payload, title and description of each."""
    listed = [{"id": payload, "title": title[:24], "description": more[:72]} for payload, title, more in rows[:10]]
    action = {"button": button[:20], "sections": [{"title": button[:24], "rows": listed}]}
    return {"type": "interactive", "interactive": {"type": "list", "body": {"text": body}, "action": action}}


def document(link: str, filename: str, caption: str) -> Json:
    """A file by its address."""
    return {"type": "document", "document": {"link": link, "filename": filename, "caption": caption}}


def parameter_format(components: Sequence[Json]) -> str:
    """Whether a template's placeholders are numbered or have names, as WhatsApp asks to be told."""
    texts = [str(each.get("text") or "") for each in components]
    named = any(not name.isdigit() for text in texts for name in _PLACEHOLDER.findall(text))
    return "NAMED" if named else "POSITIONAL"


def template_of(found: Mapping[str, Any]) -> Template | None:
    """A template as the API lists it; None if it has no name or language."""
    name, language = found.get("name"), found.get("language")
    if not isinstance(name, str) or not isinstance(language, str):
        return None
    quality = found.get("quality_score")
    score = cast("Json", quality).get("score") if isinstance(quality, dict) else None
    return Template(
        name,
        language,
        str(found.get("category") or "").lower(),
        list(found.get("components") or []),
        TEMPLATE_STATES.get(str(found.get("status") or "").upper(), "pending"),
        score if isinstance(score, str) else None,
        None if found.get("id") is None else str(found["id"]),
        None if found.get("rejected_reason") in {None, "NONE"} else str(found["rejected_reason"]),
    )
