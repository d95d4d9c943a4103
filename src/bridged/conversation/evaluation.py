"""How well questions are understood: precision, coverage and confusions over a file of phrasings.

The file is an object of intents, each with `examples` (or is the list itself); `none` is for what is off topic. An
example is a text, or `{"text": …, "language": …}`, or `[text, language]`; without a language it is told from the words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from bridged.conversation.intents import INTENTS, LANGUAGES, NONE, read
from bridged.core.errors import RequestInvalid


@dataclass(frozen=True, slots=True)
class Phrasing:
    """A question and what it means."""

    intent: str
    text: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made of it: the intents answered, else the choices offered."""

    phrasing: Phrasing
    answered: tuple[str, ...]
    choices: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Answered, and with nothing else."""
        return self.answered == (self.phrasing.intent,)

    @property
    def offered(self) -> bool:
        """The right one is among the buttons."""
        return not self.answered and self.phrasing.intent in self.choices


def phrasings_in(document: object) -> list[Phrasing]:
    """What a file of phrasings holds. Raises RequestInvalid that names the place."""
    if not isinstance(document, dict):
        raise RequestInvalid("The file is no object of intents.", hint="It has the form of intents.json.")
    found: list[Phrasing] = []
    for intent, held in cast("dict[str, Any]", document).items():
        if intent not in {*INTENTS, NONE}:
            raise RequestInvalid(f"{intent!r} is no intent.", hint=f"They are {', '.join(INTENTS)} and {NONE}.")
        listed: object = cast("dict[str, object]", held).get("examples") if isinstance(held, dict) else held
        if not isinstance(listed, list):
            raise RequestInvalid(f"{intent} has no list of examples.", hint='Write {"examples": ["…"]}.')
        for place, each in enumerate(cast("list[object]", listed)):
            found.append(_phrasing(intent, place, each))
    return found


def _phrasing(intent: str, place: int, given: object) -> Phrasing:
    text: object = given
    language: object = None
    if isinstance(given, dict):
        held = cast("dict[str, object]", given)
        text, language = held.get("text"), held.get("language")
    elif isinstance(given, list) and len(cast("list[object]", given)) == 2:
        text, language = cast("list[object]", given)
    if not isinstance(text, str) or not isinstance(language, str | None):
        raise RequestInvalid(
            f"Example {place + 1} of {intent} is not understood.",
            hint='An example is a text, {"text": …, "language": …} or [text, language].',
        )
    spoken = language[:2].lower() if language else None
    return Phrasing(intent, text, spoken if spoken in LANGUAGES else None)


def loaded(raw: bytes) -> list[Phrasing]:
    """The phrasings of a file. Raises RequestInvalid."""
    try:
        return phrasings_in(msgspec.json.decode(raw))
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The file is no JSON: {error}.", hint="It has the form of intents.json.") from None


def outcome_of(phrasing: Phrasing) -> Outcome:
    """What the default engine makes of it."""
    reading = read(phrasing.text, phrasing.language)
    answered = tuple(each.intent for each in reading.questions if each.intent in INTENTS)
    return Outcome(phrasing, answered, () if answered else reading.questions[0].choices)


def judged(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures: shares are fractions of 1, None where there is nothing to divide by.

    `precision`: right answers among answers, those to off-topic questions among them. `coverage`: answers and buttons
    that are right, among on-topic questions. `buttons`: the share of on-topic questions that got buttons.
    """
    on = [each for each in outcomes if each.phrasing.intent != NONE]
    off = [each for each in outcomes if each.phrasing.intent == NONE]
    by_intent = {
        intent: _figures([each for each in on if each.phrasing.intent == intent], outcomes, intent)
        for intent in dict.fromkeys(each.phrasing.intent for each in on)
    }
    answered = [each for each in outcomes if each.answered]
    wrong = [each for each in answered if not each.right]
    confused = Counter((each.phrasing.intent, "+".join(each.answered)) for each in wrong)
    return {
        "phrasings": len(outcomes),
        "precision": _share(sum(each.right for each in answered), len(answered)),
        "coverage": _share(sum(each.right or each.offered for each in on), len(on)),
        "answered": _share(sum(bool(each.answered) for each in on), len(on)),
        "buttons": _share(sum(bool(each.choices) for each in on), len(on)),
        "off_topic": {
            "phrasings": len(off),
            "answered": sum(bool(each.answered) for each in off),
            "buttons": sum(bool(each.choices) for each in off),
        },
        "intents": by_intent,
        "confusions": [
            {"intent": meant, "answered": said, "count": count} for (meant, said), count in confused.most_common()
        ],
        "errors": [_shown(each) for each in outcomes if _is_error(each)],
    }


def _figures(own: Sequence[Outcome], every: Iterable[Outcome], intent: str) -> dict[str, Any]:
    said = [each for each in every if intent in each.answered]
    return {
        "phrasings": len(own),
        "precision": _share(sum(each.right for each in said), len(said)),
        "coverage": _share(sum(each.right or each.offered for each in own), len(own)),
        "buttons": _share(sum(bool(each.choices) for each in own), len(own)),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _is_error(each: Outcome) -> bool:
    if each.phrasing.intent == NONE:
        return bool(each.answered or each.choices)
    return not each.right and not each.offered


def _shown(each: Outcome) -> dict[str, Any]:
    return {
        "intent": each.phrasing.intent, "text": each.phrasing.text, "answered": list(each.answered),
        "choices": list(each.choices),
    }  # fmt: skip
