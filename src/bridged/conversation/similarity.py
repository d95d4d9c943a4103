"""How like each intent's examples a question is: words, pairs of words, parts of words and meanings, weighed by rarity.

The examples of all languages help each: what they mean is the same. They lie in `examples/`, one file per language.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from bridged.conversation.meanings import LANGUAGES, meanings_of
from bridged.conversation.text import words_of

NONE = "none"
"""The intent of what is not ours to answer."""
_WEIGHTS = {"m": 1.0, "w": 1.5, "b": 0.7, "c": 0.35, "p": 0.5}
_GRAM = 4
_COMMON = 0.12
"""Features of a larger share of the examples tell little and are most of the work: they are not counted."""
_UNSEEN = 3.0
"""The weight of a feature that no example has."""


@dataclass(frozen=True, slots=True)
class Index:
    """The examples as a question in one language is compared with them: where each feature stands, and its weight."""

    intents: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, float]
    lengths: tuple[float, ...]


def examples(language: str) -> dict[str, list[str]]:
    """By intent, `none` among them."""
    text = files("bridged.conversation").joinpath("examples", f"{language}.txt").read_text("utf-8")
    found = (line.partition(": ") for line in text.splitlines())
    return {intent: [each.strip() for each in listed.split("|")] for intent, _, listed in found}


def likeness(words: tuple[str, ...], meanings: frozenset[str], language: str) -> dict[str, float]:
    """From 0 to 1 for each intent: the mean of its two likest examples."""
    index = _index(language)
    features = _features(words, meanings)
    shared: dict[int, float] = defaultdict(float)
    for feature in features:
        weight = index.weights.get(feature, 0.0)
        for place in index.places.get(feature, ()):
            shared[place] += weight
    length = math.sqrt(sum(index.weights.get(each, _weight(each, _UNSEEN)) for each in features)) or 1.0
    best: dict[str, tuple[float, float]] = {}
    for place, value in shared.items():
        like, intent = value / index.lengths[place], index.intents[place]
        first, second = best.get(intent, (0.0, 0.0))
        if like > second:
            best[intent] = (like, first) if like > first else (first, like)
    return {intent: (first + (second or first)) / 2 / length for intent, (first, second) in best.items()}


def _features(words: tuple[str, ...], meanings: frozenset[str]) -> set[str]:
    ordered = sorted(meanings)
    return {
        *(f"m:{each}" for each in ordered),
        *(f"p:{one}&{other}" for place, one in enumerate(ordered) for other in ordered[place + 1 :]),
        *(f"w:{word}" for word in words),
        *(f"b:{one}_{other}" for one, other in pairwise(words)),
        *(f"c:{word[at : at + _GRAM]}" for word in words for at in range(max(1, len(word) - _GRAM + 1))),
    }


def _weight(feature: str, rarity: float) -> float:
    return rarity * rarity * _WEIGHTS[feature[0]]


@lru_cache(maxsize=len(LANGUAGES))
def _known(language: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple(
        (intent, frozenset(_features(words, meanings_of(" ".join(words), language))))
        for intent, listed in examples(language).items()
        for words in map(words_of, listed)
    )


@lru_cache(maxsize=len(LANGUAGES))
def _index(language: str) -> Index:
    """Of other languages' examples only what they mean, each once."""
    own = list(_known(language))
    others = {
        (intent, frozenset(one for one in features if one[0] in "mp"))
        for each in LANGUAGES
        if each != language
        for intent, features in _known(each)
    }
    known = [*own, *sorted(others, key=lambda each: (each[0], sorted(each[1])))]
    counted = Counter(feature for _, features in known for feature in features)
    weights = {each: _weight(each, math.log(1 + len(known) / count)) for each, count in counted.items()}
    places: dict[str, list[int]] = defaultdict(list)
    for place, (_, features) in enumerate(known):
        for feature in features:
            if counted[feature] <= len(known) * _COMMON:
                places[feature].append(place)
    lengths = tuple(math.sqrt(sum(weights[each] for each in features)) or 1.0 for _, features in known)
    return Index(
        tuple(intent for intent, _ in known), {key: tuple(each) for key, each in places.items()}, weights, lengths
    )
