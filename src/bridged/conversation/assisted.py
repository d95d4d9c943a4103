"""A model's help put to use: only where the default engine is unsure, and only what proves to say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridged.conversation.facts import Answer
from bridged.conversation.grounding import violations
from bridged.conversation.intents import NONE, UNKNOWN, Reading
from bridged.conversation.model import INTENTS, SLOTS, Model


async def chosen(model: Model | None, reading: Reading) -> Reading:
    """The reading, with the model's choice for a single question that the default engine is unsure of.

    Its slots are added to those found in the words; a choice outside the lists counts for nothing.
    """
    if model is None or len(reading.questions) != 1:
        return reading
    (asked,) = reading.questions
    if asked.intent not in {UNKNOWN, NONE}:
        return reading
    found = await model.choose(reading)
    if found is None or found.intent not in INTENTS:
        return reading
    slots = {**_listed(found.slots), **asked.slots}
    confidence = min(max(found.confidence, 0.0), 1.0)
    question = replace(asked, intent=found.intent, slots=slots, confidence=confidence, choices=())
    return replace(reading, questions=(question,))


def _listed(slots: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    kept = {slot: tuple(value for value in values if f"{slot}:{value}" in SLOTS) for slot, values in slots.items()}
    return {slot: values for slot, values in kept.items() if values}


async def reworded(model: Model | None, answer: Answer) -> Answer:
    """The answer in the model's words if these show and claim the same; else as it is."""
    if model is None or not answer.items:
        return answer
    text = await model.rephrase(answer)
    if text is None or violations(text, answer):
        return answer
    return replace(answer, text=text)


def engine(base: str, model: Model, *, used: bool) -> str:
    """How an answer came about: `grammar`, `grammar+openai:gpt-x`, or why the model was no use."""
    if used:
        return f"{base}+{model.name}"
    return f"{base} ({model.name}: {model.trouble})" if model.trouble else base
