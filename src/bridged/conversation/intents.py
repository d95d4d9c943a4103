"""What a question asks, found without a model: words give signals, signals fill slots, rules over them name the intent.

The words stand in `lexicon/`, the rules in `grammar.py`; a new intent is rules and words, no code. Every word is
compared without accents and in lower case; a word that is not known is read as the nearest one if that is near enough.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bridged.conversation.grammar import RULES, Rule
from bridged.conversation.lexicon import de, en, es, fr, pt

UNKNOWN = "unknown"
LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": en.WORDS,
    "es": es.WORDS,
    "pt": pt.WORDS,
    "de": de.WORDS,
    "fr": fr.WORDS,
}
# A question is short; what follows this many words is not read.
_MOST_WORDS = 60
# How much of a rule's confidence is lost when none of the words is known.
_DOUBT = 0.4

_WORD = re.compile(r"[a-z0-9]+")

Signals = frozenset[str]


@dataclass(frozen=True, slots=True)
class Understood:
    """The intent (`unknown` if no rule fits), the slots found, the question's language, how sure we are (0 to 1).

    `choices`: where we are not sure, up to three intents one of which may have been meant, the likeliest first.
    """

    intent: str
    slots: Mapping[str, tuple[str, ...]]
    language: str
    confidence: float
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole message as understood: what it asks, in order; `text` is the message without card numbers."""

    text: str
    language: str
    questions: tuple[Understood, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's words: phrases by their first word, longest first; prefixes; every single word."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Signals], ...]]
    prefixes: Mapping[str, Signals]
    words: frozenset[str]

    def prefix_of(self, word: str) -> Signals | None:
        found = (self.prefixes.get(word[:length]) for length in range(len(word), 2, -1))
        return next((signals for signals in found if signals is not None), None)

    def knows(self, word: str) -> bool:
        return word in self.words or self.prefix_of(word) is not None


def words_of(text: str) -> tuple[str, ...]:
    """Lower case, without accents or punctuation."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return tuple(_WORD.findall(kept)[:_MOST_WORDS])


def understand(text: str, language: str | None = None, *, previous: str | None = None) -> Understood:
    """What `text` asks. `language`: what to assume where the words don't tell; `previous`: the intent just answered."""
    words = words_of(text)
    spoken = _language_of(words, language if language is not None and language in LANGUAGES else "en")
    lexicon = _lexicon(spoken)
    read = tuple(word if lexicon.knows(word) else _nearest(word, lexicon) or word for word in words)
    signals = _signals(read, lexicon)
    if previous is not None and previous.startswith("next_payment"):
        signals |= {"context:next_payment"}
    known = sum(lexicon.knows(word) for word in read) / len(read) if read else 0.0
    rule = _best(signals, len(read), known)
    if rule is None:
        return Understood(UNKNOWN, _slots(signals), spoken, 0.0)
    confidence = round(rule.confidence * (1 - _DOUBT * (1 - known)), 3)
    return Understood(rule.intent, _slots(signals), spoken, confidence)


def read(text: str, language: str | None = None, *, previous: str | None = None) -> Reading:
    """All that a message asks."""
    understood = understand(text, language, previous=previous)
    return Reading(text, understood.language, (understood,))


def detect_language(text: str, default: str = "en") -> str:
    """The language most of whose own words are used; `default` where none stands out."""
    return _language_of(words_of(text), default)


# --- words to signals ---


@lru_cache(maxsize=len(LANGUAGES))
def _lexicon(language: str) -> Lexicon:
    gathered: dict[tuple[str, ...], set[str]] = {}
    for signal, listed in LANGUAGES[language].items():
        for phrase in listed.split(","):
            gathered.setdefault(tuple(phrase.split()), set()).add(signal)
    prefixes = {key[0][:-1]: frozenset(value) for key, value in gathered.items() if key[0].endswith("*")}
    whole = {key: frozenset(value) for key, value in gathered.items() if not key[0].endswith("*")}
    by_first: dict[str, list[tuple[tuple[str, ...], Signals]]] = {}
    for phrase in sorted(whole, key=len, reverse=True):
        by_first.setdefault(phrase[0], []).append((phrase, whole[phrase]))
    return Lexicon(
        phrases={first: tuple(found) for first, found in by_first.items()},
        prefixes=prefixes,
        words=frozenset(word for phrase in whole for word in phrase),
    )


def _signals(words: tuple[str, ...], lexicon: Lexicon) -> Signals:
    """Reads from left to right, the longest phrase first; a word is read once."""
    found: set[str] = set()
    place = 0
    while place < len(words):
        length, signals = _phrase_at(words, place, lexicon)
        found |= signals
        place += length
    return frozenset(found)


def _phrase_at(words: tuple[str, ...], place: int, lexicon: Lexicon) -> tuple[int, Signals]:
    for phrase, signals in lexicon.phrases.get(words[place], ()):
        if words[place : place + len(phrase)] == phrase:
            return len(phrase), signals
    return 1, lexicon.prefix_of(words[place]) or frozenset()


def _slots(signals: Signals) -> Mapping[str, tuple[str, ...]]:
    """Signals such as `tense:next`, gathered by slot."""
    slots: dict[str, tuple[str, ...]] = {}
    for signal in sorted(signals):
        slot, _, value = signal.partition(":")
        if value:
            slots[slot] = (*slots.get(slot, ()), value)
    return slots


# --- rules ---


def _best(signals: Signals, length: int, known: float) -> Rule | None:
    fitting = [rule for rule in RULES if _fits(rule, signals, length, known)]
    return max(fitting, key=lambda rule: rule.confidence, default=None)


def _fits(rule: Rule, signals: Signals, length: int, known: float) -> bool:
    return (
        length <= rule.most_words
        and known >= rule.least_known
        and not rule.none_of & signals
        and all(group & signals for group in rule.all_of)
    )


# --- language ---


def _language_of(words: Iterable[str], default: str) -> str:
    """Each word speaks for the languages that know it, the less the more of them there are."""
    scores = dict.fromkeys(LANGUAGES, 0.0)
    for word in words:
        knowing = [language for language in LANGUAGES if _lexicon(language).knows(word)]
        for language in knowing:
            scores[language] += 1 / len(knowing)
    best = max(scores.values())
    leading = [language for language, score in scores.items() if score == best]
    return default if default in leading or best == 0 else leading[0]


# --- typing errors ---


def _nearest(word: str, lexicon: Lexicon) -> str | None:
    """The known word that was meant; of equally near ones the longest, as letters are rather left out than added."""
    if len(word) < 4 or word.isdigit():
        return None
    candidates = lexicon.words | lexicon.prefixes.keys()
    slips = {known: count for known in candidates if (count := _typing_distance(word, known)) is not None}
    fewest = min(slips.values(), default=0)
    near = sorted((known for known, count in slips.items() if count == fewest), key=lambda known: (-len(known), known))
    near = [known for known in near if len(known) == len(near[0])]
    meanings = {_phrase_at((known,), 0, lexicon)[1] for known in near}
    return near[0] if len(meanings) == 1 else None


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
