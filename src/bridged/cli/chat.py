"""`bridged chat`: a conversation with the engine as a customer has it, on the terminal or from a pipe."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from bridged import app as root
from bridged.app import asking
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run
from bridged.conversation.run import Asked, Reply
from bridged.core import clock


def chat(
    text: Annotated[str | None, Parameter(help="One message; without it, messages are read line by line.")] = None,
    *,
    customer: Annotated[str, Parameter(help="The customer who writes: cus_…")],
    connection: ConnectionName = None,
    level: Annotated[
        Literal["1", "2"], Parameter(help="What they proved: 1 that the number is theirs, 2 by a code as well.")
    ] = "2",
    json: Json = False,
) -> int:
    """Talk to the engine as a customer would. Nothing is sent, and nothing is kept."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        place = asking.Thread(2 if level == "2" else 1)
        failed = 0
        for line in [text] if text is not None else _lines():
            if not line.strip():
                continue
            began = clock.monotonic()
            reply = await asking.ask(app, found, customer, line, place)
            place = _after(place, reply)
            failed += not reply.answered
            if json:
                output.document(_document(line, reply, clock.monotonic() - began), indent=False)
            else:
                output.show_answer(reply, json=False)
        return 1 if text is not None and failed else 0

    return run(work)


def _lines() -> Any:
    """Each line as it is typed."""
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\n")


def _after(place: asking.Thread, reply: Reply) -> asking.Thread:
    """Where the conversation is then."""
    if not reply.answered or reply.reading is None:
        missed = place.failures + 1 if reply.choices else 0
        return asking.Thread(place.level, place.previous, reply.answer.language, missed)
    last = reply.reading.questions[-1]
    objects = tuple(dict.fromkeys(source for item in reply.answer.items for source in item.sources))
    return asking.Thread(place.level, Asked(last.intent, last.slots, objects), reply.answer.language)


def _document(line: str, reply: Reply, seconds: float) -> dict[str, Any]:
    questions = reply.reading.questions if reply.reading else ()
    return {
        "text": reply.reading.text if reply.reading else line,
        "answer": reply.answer.text,
        "answered": reply.answered,
        "intents": [each.intent for each in questions],
        "confidence": min((each.confidence for each in questions), default=0.0),
        "choices": [{"intent": each.intent, "title": each.title} for each in reply.choices],
        "ticket": {"kind": reply.handoff.kind, "summary": reply.handoff.summary} if reply.handoff else None,
        "level": reply.level,
        "facts": [
            {"object_id": each.object_id, "field": each.field, "value": each.value} for each in reply.answer.facts
        ],
        "engine": reply.engine,
        "latency_ms": round(seconds * 1000, 1),
    }
