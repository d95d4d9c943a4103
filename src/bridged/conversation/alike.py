"""Questions that nobody answered, those that are alike together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bridged.conversation.text import words_of

MOST_QUESTIONS = 2000
"""So many of the newest open questions are looked at to find those that are alike."""
_SMALL = frozenset(
    word
    for words in (
        "a an and the is are of to in on for my me i you your please hi hello",
        "el la los las de del mi un una y por favor hola",
        "o os as do da meu minha um uma e",
        "der die das mein meine ein eine und bitte hallo",
        "le les du des mon ma mes une et bonjour",
    )
    for word in words.split()
)
"""Words that make no two questions differ."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question that nobody answered. `called`: a person was called afterwards in its thread."""

    connection_id: str
    thread_id: str
    number: int
    at: datetime
    text: str
    intent: str | None
    confidence: float | None
    outcome: str
    called: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are alike, the newest first; named by the words that count."""

    connection_id: str
    key: str
    questions: tuple[Question, ...]

    @property
    def buttons(self) -> int:
        return sum(each.outcome == "choices" for each in self.questions)

    @property
    def called(self) -> int:
        return sum(each.called for each in self.questions)

    @property
    def intents(self) -> tuple[str, ...]:
        return tuple(sorted({each.intent for each in self.questions if each.intent}))


def key_of(text: str) -> str:
    """Equal for questions that are alike: the same words in any order and number, but for the small ones."""
    words = set(words_of(text))
    return " ".join(sorted(words - _SMALL or words)) or text.strip()[:200]


def grouped(questions: Iterable[Question]) -> list[Group]:
    """Those of one connection that are alike together; the largest group first, then the one asked last."""
    found: dict[tuple[str, str], list[Question]] = {}
    for each in questions:
        found.setdefault((each.connection_id, key_of(each.text)), []).append(each)
    groups = [
        Group(connection_id, key, tuple(sorted(alike, key=lambda one: one.at, reverse=True)))
        for (connection_id, key), alike in found.items()
    ]
    return sorted(groups, key=lambda group: (len(group.questions), group.questions[0].at), reverse=True)
