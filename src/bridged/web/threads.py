"""Conversations over HTTP: see them, take over, answer, hand back, see to tickets and questions, try the engine out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from bridged.app import asking, threads
from bridged.conversation.run import Reply
from bridged.conversation.threads import Thread
from bridged.core import clock
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Document, Failure
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

router = APIRouter(prefix=PREFIX, route_class=Guarded)
OfThread = Annotated[str, Path(max_length=36, description="The thread's id.", pattern=r"^[^\x00]+$")]
OfTicket = Annotated[str, Path(max_length=36, description="The ticket's id.", pattern=r"^[^\x00]+$")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The turn's number in its thread.")]
Words = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
_MOST = 100
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "It cannot be sent, or the account cannot be read"}
}


class ThreadDocument(BaseModel):
    """A conversation with one number or id. `customer_id`: who they proved to be by a code."""

    object: Literal["thread"]
    id: str
    channel_id: str
    identity: str
    customer_id: str | None
    verified_until: datetime | None
    language: str | None
    state: Literal["open", "taken"]
    taken_by: str | None
    turns: int
    heard_at: datetime | None
    said_at: datetime
    created_at: datetime


class TurnDocument(BaseModel):
    """One message; of an answer also what it rests on. `state`: of the message that went out."""

    number: int
    at: datetime
    author: str
    text: str
    wamid: str | None
    message_id: str | None
    intent: str | None
    confidence: float | None
    slots: dict[str, list[str]] | None
    engine: str | None
    level: int | None
    facts: list[dict[str, Any]] | None
    as_of: datetime | None
    latency_ms: int | None
    micros: int
    outcome: str | None
    thumb: int | None
    done_at: datetime | None
    done_by: str | None
    state: str | None


class WholeThread(ThreadDocument):
    """With its last turns, the oldest first."""

    transcript: list[TurnDocument]


class ThreadList(BaseModel):
    """Threads, the one that was last active first."""

    object: Literal["list"]
    data: list[ThreadDocument]
    has_more: bool
    url: str


class TicketDocument(BaseModel):
    """Something for a person to do."""

    id: str
    thread_id: str
    customer_id: str | None
    kind: str
    summary: str
    created_at: datetime
    done_at: datetime | None
    done_by: str | None


class TicketList(BaseModel):
    """Tickets, the oldest first."""

    object: Literal["list"]
    data: list[TicketDocument]
    has_more: bool
    url: str


class QuestionDocument(BaseModel):
    """A question that nobody answered."""

    thread_id: str
    number: int
    at: datetime
    text: str
    intent: str | None
    confidence: float | None
    outcome: str


class QuestionList(BaseModel):
    """Questions, the newest first."""

    object: Literal["list"]
    data: list[QuestionDocument]
    has_more: bool
    url: str


class ThreadQuery(Document):
    """Which threads."""

    limit: int = Field(20, ge=1, le=100)
    state: Literal["open", "taken"] | None = None
    unanswered: bool = Field(False, description="Only those with questions that nobody answered.")
    customer: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]+$")] | None = None


class MessageBody(Document):
    """What a person says."""

    text: Words


class ThumbBody(Document):
    """1: a good answer, -1: a bad one."""

    thumb: Literal[1, -1]


class ChatBody(Document):
    """A message as a customer would write it."""

    customer: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
    text: Words
    level: Literal[1, 2] = Field(2, description="What they proved: 1 that the number is theirs, 2 by a code as well.")
    language: Literal["en", "es", "pt", "de", "fr"] | None = None


class SentDocument(BaseModel):
    """The message that goes out."""

    message: str


class DoneDocument(BaseModel):
    """It is kept."""

    done: Literal[True]


class ChoiceDocument(BaseModel):
    """A button."""

    intent: str
    title: str


class ChatDocument(BaseModel):
    """What the engine answers, and why. Nothing was sent."""

    answer: str
    answered: bool
    intents: list[str]
    confidence: float
    language: str
    choices: list[ChoiceDocument]
    ticket: dict[str, str] | None
    level: int | None
    facts: list[dict[str, Any]]
    as_of: int | None
    engine: str
    latency_ms: int


@router.get("/{connection}/threads", responses={200: {"model": ThreadList}}, openapi_extra=needs("read"))
async def list_threads(app: CallersApp, connection: Named, query: Annotated[ThreadQuery, Query()]) -> Response:
    """Conversations, the one that was last active first."""
    found = await connection_of(app, connection)
    shown = await threads.listed(
        app, found, query.limit + 1, state=query.state, unanswered=query.unanswered, customer_id=query.customer
    )
    data = [document(each) for each in shown[: query.limit]]
    url = f"{connection_url(found)}/threads"
    return json({"object": "list", "data": data, "has_more": len(shown) > query.limit, "url": url})


@router.get("/{connection}/threads/{thread}", responses={200: {"model": WholeThread}}, openapi_extra=needs("read"))
async def get_thread(app: CallersApp, connection: Named, thread: OfThread) -> Response:
    """One conversation and its last hundred turns."""
    found, turns = await threads.shown(app, await connection_of(app, connection), thread, 100)
    return json(document(found) | {"transcript": turns})


@router.post(
    "/{connection}/threads/{thread}/take", responses={200: {"model": ThreadDocument}}, openapi_extra=needs("write")
)
async def take_thread(app: CallersApp, actor: CallingActor, connection: Named, thread: OfThread) -> Response:
    """From now on a person answers."""
    return json(document(await threads.take(app, await connection_of(app, connection), thread, actor)))


@router.post(
    "/{connection}/threads/{thread}/return", responses={200: {"model": ThreadDocument}}, openapi_extra=needs("write")
)
async def return_thread(app: CallersApp, actor: CallingActor, connection: Named, thread: OfThread) -> Response:
    """The engine answers again."""
    return json(document(await threads.hand_back(app, await connection_of(app, connection), thread, actor)))


@router.post(
    "/{connection}/threads/{thread}/messages", responses={200: {"model": SentDocument}} | _REFUSED,
    openapi_extra=needs("write"),
)  # fmt: skip
async def say_in_thread(
    app: CallersApp, actor: CallingActor, connection: Named, thread: OfThread, body: MessageBody
) -> Response:
    """A person's words to a customer who wrote within 24 hours; the thread is theirs from then on."""
    found = await connection_of(app, connection)
    return json({"message": await threads.say(app, found, thread, actor, body.text)})


@router.post(
    "/{connection}/threads/{thread}/turns/{number}/done", responses={200: {"model": DoneDocument}},
    openapi_extra=needs("write"),
)  # fmt: skip
async def settle_question(
    app: CallersApp, actor: CallingActor, connection: Named, thread: OfThread, number: Number
) -> Response:
    """A person has seen to a question that nobody answered."""
    await threads.settle(app, await connection_of(app, connection), thread, number, actor)
    return json({"done": True})


@router.post(
    "/{connection}/threads/{thread}/turns/{number}/thumb", responses={200: {"model": DoneDocument}},
    openapi_extra=needs("write"),
)  # fmt: skip
async def rate_answer(
    app: CallersApp, connection: Named, thread: OfThread, number: Number, body: ThumbBody
) -> Response:
    """A thumb for an answer."""
    await threads.rate(app, await connection_of(app, connection), thread, number, body.thumb)
    return json({"done": True})


@router.get("/{connection}/tickets", responses={200: {"model": TicketList}}, openapi_extra=needs("read"))
async def list_tickets(app: CallersApp, connection: Named) -> Response:
    """What a person has to do, the oldest first."""
    found = await connection_of(app, connection)
    data = await threads.tickets(app, found, _MOST + 1)
    url = f"{connection_url(found)}/tickets"
    return json({"object": "list", "data": data[:_MOST], "has_more": len(data) > _MOST, "url": url})


@router.post(
    "/{connection}/tickets/{ticket}/done", responses={200: {"model": DoneDocument}},
    openapi_extra=needs("write"),
)  # fmt: skip
async def close_ticket(app: CallersApp, actor: CallingActor, connection: Named, ticket: OfTicket) -> Response:
    """A ticket is done."""
    await threads.close_ticket(app, await connection_of(app, connection), ticket, actor)
    return json({"done": True})


@router.get("/{connection}/questions", responses={200: {"model": QuestionList}}, openapi_extra=needs("read"))
async def list_questions(app: CallersApp, connection: Named) -> Response:
    """Questions that nobody answered, the newest first."""
    found = await connection_of(app, connection)
    data = await threads.queue(app, found, _MOST + 1)
    url = f"{connection_url(found)}/questions"
    return json({"object": "list", "data": data[:_MOST], "has_more": len(data) > _MOST, "url": url})


@router.post("/{connection}/chat", responses={200: {"model": ChatDocument}} | _REFUSED, openapi_extra=needs("write"))
async def try_chat(app: CallersApp, connection: Named, body: ChatBody) -> Response:
    """What the engine would answer. Nothing is sent or kept."""
    found, began = await connection_of(app, connection), clock.monotonic()
    place = asking.Thread(body.level, language=body.language)
    reply = await asking.ask(app, found, body.customer, body.text, place)
    return json(_tried(reply, int((clock.monotonic() - began) * 1000)))


def document(thread: Thread) -> dict[str, Any]:
    """A thread as it is shown."""
    return {
        "object": "thread", "id": thread.id, "channel_id": thread.channel_id, "identity": thread.identity,
        "customer_id": thread.customer_id, "verified_until": thread.verified_until, "language": thread.language,
        "state": thread.state, "taken_by": thread.taken_by, "turns": thread.turns, "heard_at": thread.heard_at,
        "said_at": thread.said_at, "created_at": thread.created_at,
    }  # fmt: skip


def _tried(reply: Reply, took: int) -> dict[str, Any]:
    questions = reply.reading.questions if reply.reading else ()
    return {
        "answer": reply.answer.text,
        "answered": reply.answered,
        "intents": [each.intent for each in questions],
        "confidence": min((each.confidence for each in questions), default=0.0),
        "language": reply.answer.language,
        "choices": [{"intent": each.intent, "title": each.title} for each in reply.choices],
        "ticket": {"kind": reply.handoff.kind, "summary": reply.handoff.summary} if reply.handoff else None,
        "level": reply.level,
        "facts": [
            {"object_id": each.object_id, "field": each.field, "value": each.value, "as_of": each.as_of}
            for each in reply.answer.facts
        ],
        "as_of": reply.answer.as_of,
        "engine": reply.engine,
        "latency_ms": took,
    }
