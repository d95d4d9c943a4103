"""Typing errors: the known word that was meant by one that nobody knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

Shelf = Mapping[str, frozenset[str]]
"""Known words by what is left of them without any one or two letters, so that near ones are found without a search."""


def shelved(words: Iterable[str]) -> Shelf:
    """The words, to be looked up by `near`."""
    found: dict[str, set[str]] = defaultdict(set)
    for word in words:
        for key in _remains(word):
            found[key].add(word)
    return {key: frozenset(each) for key, each in found.items()}


def near(word: str, shelf: Shelf) -> list[str]:
    """The words that were most likely meant, fewest slips first, then the longest: letters are rather left out than
    added. Only those of the fewest slips and the greatest length.
    """
    if len(word) < 4 or word.isdigit():
        return []
    candidates = {each for key in _remains(word) for each in shelf.get(key, ())}
    slips = {known: count for known in candidates if (count := _typing_distance(word, known)) is not None}
    fewest = min(slips.values(), default=0)
    likely = sorted(
        (known for known, count in slips.items() if count == fewest), key=lambda known: (-len(known), known)
    )
    return [known for known in likely if len(known) == len(likely[0])]


def _remains(word: str) -> set[str]:
    once = {word[:place] + word[place + 1 :] for place in range(len(word))} if len(word) >= 4 else set[str]()
    twice = {each[:place] + each[place + 1 :] for each in once for place in range(len(each))} if len(word) >= 8 else ()
    return {word, *once, *twice}


def _typing_distance(word: str, known: str) -> int | None:
    """How many slips lead from the known word to the typed one; None if too many for its length to be a slip.

    Short words differ by a letter too easily (`late`, `date`): there only two swapped letters or one too many count.
    """
    first_differs = word[0] not in known[:2] and len(known) < 6
    if len(known) < 4 or abs(len(word) - len(known)) > 2 or first_differs:
        return None
    slips = _slips(word, known)
    if len(known) == 4:
        swapped = len(word) == 4 and sorted(word) == sorted(known)
        return slips if slips == 1 and (swapped or len(word) == 5) else None
    return slips if slips <= (1 if len(known) < 8 else 2) else None


def _slips(one: str, other: str) -> int:
    """Letters put in, left out, replaced, or swapped with their neighbour."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, target in enumerate(other, 1):
            cost = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != target))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == target:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]
