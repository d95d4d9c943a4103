"""What a message asks, found without a model: a grammar of slots first, likeness to examples second.

Words give signals (`lexicon/`) and meanings (`meanings/`), rules over them name the intent (`grammar.py`); how like the
question is to each intent's examples (`similarity.py`) agrees, or names what else may have been meant. A new intent is
rules, words and examples, no code. Words are compared without accents and in lower case; one that is not known is read
as the nearest one if that is near enough.

Slots besides those of the signals, all of them texts:
- `which`: `last`, `previous` (the one before), `other`
- `period`: `this_month`, `last_month`, `this_year`, `last_year`, or a year (`2025`), or a month (`03`)
- `twice`: that something happened twice; `count`: how many are wanted
- `amount`: a figure that was named, with a point (`29.99`)
- of the controls, `code` (six digits) and `language`
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from bridged.conversation import slots, strangers
from bridged.conversation.controls import CONTROLS, control_of
from bridged.conversation.grammar import FOREIGN, OURS, RULES, Rule, senses
from bridged.conversation.lexicon import de, en, es, fr, pt
from bridged.conversation.meanings import meanings_of, vocabulary, words_only_of
from bridged.conversation.similarity import NONE, examples, likeness
from bridged.conversation.text import clean, words_of
from bridged.conversation.typos import Shelf, near, shelved

__all__ = ["CONTROLS", "INTENTS", "LANGUAGES", "NONE", "UNKNOWN", "Reading", "Understood", "detect_language", "read",
           "understand", "warm"]  # fmt: skip

UNKNOWN = "unknown"
LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": en.WORDS,
    "es": es.WORDS,
    "pt": pt.WORDS,
    "de": de.WORDS,
    "fr": fr.WORDS,
}
INTENTS = (
    "next_payment_date", "next_payment_amount", "last_payment", "payment_confirm", "payment_failed_why", "retry_when",
    "amount_owed", "pay_link", "invoice_copy", "payment_history", "total_spent", "current_plan", "plan_price",
    "subscription_status", "auto_renew", "cancel_status", "cancel_request", "trial_end", "refund_status",
    "refund_request", "unknown_charge", "card_on_file", "update_card", "card_expiry", "discount_status",
    "dispute_status", "change_plan", "billing_details",
)  # fmt: skip
# How much of a rule's confidence is lost when none of the words is known.
_DOUBT = 0.4
# A rule counts so much, likeness (0 to 1) the rest; chosen on the development set.
_RULE = 0.55
# What speaks of something else gets so much for being off topic, what speaks of somebody else so much: more than a
# rule and a like example give together. And so much what has unknown words and none of one's own.
_ALIEN = 1.2
_STRANGE = 0.65
_OTHERS = 1.5
# What an intent must reach to be answered: by the rules of the next payment alone, or all in all and so far ahead of
# the next one. Below, what reaches `_MAYBE` is offered, unless being off topic comes within `_DOUBTFUL` of it.
_STRICT = 0.68
_SURE = 0.77
_AHEAD = 0.12
_MAYBE = 0.21
_DOUBTFUL = 0.35
_MOST_CHOICES = 3
_MOST_QUESTIONS = 3
_TELLING = 4

# Who asks about their own payments says so, or uses words we know: of 214 phrasings with unknown words and none of
# these 174 were off topic.
_OWN: Mapping[str, frozenset[str]] = {
    language: frozenset(listed.split())
    for language, listed in {
        "en": "i my me mine we our us im am ive id",
        "es": "mi mis me yo nos nuestro nuestra tengo estoy puedo quiero he soy",
        "pt": "meu minha meus minhas me eu nos nosso nossa tenho estou posso quero sou",
        "de": "ich mein meine meinen meiner meinem meines mir mich wir uns unser unsere",
        "fr": "je j mon ma mes me m moi nous notre nos",
    }.items()
}

# "Queremos", "precisamos": the verb alone says who.
_OUR_VERBS: Mapping[str, tuple[str, ...]] = {
    "es": ("amos", "emos", "imos"), "pt": ("amos", "emos", "imos"), "en": (), "de": (), "fr": ("ons",),
}  # fmt: skip

Signals = frozenset[str]


@dataclass(frozen=True, slots=True)
class Understood:
    """The intent (`unknown` if it is not clear, `none` if it is not ours), the slots found, the question's language,
    how sure we are (0 to 1).

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
    shelf: Shelf
    read_only: frozenset[str]
    """Words that give meanings but no signals."""

    def prefix_of(self, word: str) -> Signals | None:
        found = (self.prefixes.get(word[:length]) for length in range(len(word), 2, -1))
        return next((signals for signals in found if signals is not None), None)

    def knows(self, word: str) -> bool:
        return word in self.words or self.prefix_of(word) is not None

    def reads(self, word: str) -> bool:
        return word in self.read_only or self.knows(word)


def read(text: str, language: str | None = None, *, previous: str | None = None) -> Reading:
    """All that a message asks, at most three questions. `previous`: the intent answered before in this thread."""
    kept = clean(text)
    control = control_of(kept)
    if control is not None:
        spoken = _language_of(words_of(kept), _assumed(language))
        return Reading(kept, spoken, (Understood(control[0], control[1], spoken, 1.0),))
    whole = understand(kept, language, previous=previous)
    long = len(kept.split()) >= _LONG
    found = _asked_in(_CLAUSE if long else _PART, kept, whole.language, previous)
    if not found and not long and whole.intent == NONE and "others" not in _meant(words_of(kept), whole.language):
        # What a message tells may be far from payments: "I lost my job, please cancel".
        found = _asked_in(_CLAUSE, kept, whole.language, previous)
    asking = [each for each, asks in found if asks]
    told = [] if whole.choices else [each for each, _ in found]
    answers = {each.intent: each for each in reversed(asking or told)}
    if not answers or (len(answers) == 1 and _holds(whole, asking)):
        return Reading(kept, whole.language, (whole,))
    return Reading(kept, whole.language, tuple(reversed(answers.values()))[:_MOST_QUESTIONS])


def _holds(whole: Understood, asking: list[Understood]) -> bool:
    """Whether the message as a whole says it better than the only one of its parts that asks something."""
    if whole.intent not in INTENTS:
        return False
    return not asking or whole.confidence > asking[0].confidence


def _asked_in(
    pattern: re.Pattern[str], text: str, language: str, previous: str | None
) -> list[tuple[Understood, bool]]:
    """What is understood of several parts, and whether each asks; what merely tells is context of what is asked."""
    parts = [part for part in pattern.split(text) if part.strip()]
    found: list[tuple[Understood, bool]] = []
    for part in parts if len(parts) > 1 else ():
        each = understand(part, language, previous=previous)
        if each.intent in INTENTS:
            found.append((each, not _tells(part, language)))
            previous = each.intent
    return found


_PART = re.compile(
    r"[?!;\n]+|\.\s|,?\s+(?:and also|and|also|y también|y|além disso|e também|e|também|und|außerdem|et aussi|et)\s+",
    re.IGNORECASE,
)
# In a long message also what explains stands apart.
_CLAUSE = re.compile(
    _PART.pattern + r"|,\s|\s(?:so|but|because|since|pero|porque|así que|mas|então|por isso|aber|weil|also|mais|donc|"
    r"parce que|car)\s",
    re.IGNORECASE,
)
_LONG = 13
_TELLS = re.compile(
    r"(?:i|we|my|our|im|ive|it|they|he|she|the|tengo|he|hemos|mi|mis|soy|estoy|me|nos|tenho|eu|meu|minha|estou|sou|"
    r"cancele|cancelei|pague|paguei|perdi|hice|fiz|cambie|mudei|ja|ich|wir|mein|meine|hab|habe|j|je|nous|mon|ma|mes|on)\b"
)
# "When" and "which" are also said of what is told ("when I was away").
_ASKS = frozenset({"why", "how_much", "how_long", "want", "show", "send"})


def _tells(part: str, language: str) -> bool:
    """Whether a part says something about oneself without a word that asks or wants."""
    plain = " ".join(words_of(part))
    return _TELLS.match(plain) is not None and not meanings_of(plain, language) & _ASKS


def understand(text: str, language: str | None = None, *, previous: str | None = None) -> Understood:
    """What one question asks. `language`: what to assume where the words don't tell; `previous`: the intent answered
    just before.
    """
    words = words_of(text)
    spoken = _language_of(words, _assumed(language))
    lexicon = _lexicon(spoken)
    mended = _mended(words, spoken)
    signals = _signals(mended, lexicon)
    meanings = _meant(words, spoken)
    found = slots.found_in(text, meanings, mended) | _slots(signals)
    strict = _strictly(mended, signals, lexicon, previous)
    if strict is not None and strict[1] >= _STRICT and not meanings & FOREIGN:
        return Understood(strict[0], found, spoken, strict[1])
    followed = slots.follow_up(meanings, signals, found, len(words), previous)
    weighed = _weighed(mended, meanings, spoken, strict)
    ranked = sorted(weighed.items(), key=lambda each: -each[1])
    if followed is not None and not (ranked and ranked[0][1] >= 1.0 and ranked[0][0] != NONE):
        return Understood(followed, found, spoken, 0.8)
    known = sum(lexicon.reads(word) for word in mended) / len(mended) if mended else 0.0
    return replace(_decided(ranked, spoken, known), slots=found)


def _mended(words: tuple[str, ...], language: str) -> tuple[str, ...]:
    lexicon = _lexicon(language)
    return tuple(word if lexicon.reads(word) else _nearest(word, language) or word for word in words)


def _meant(words: tuple[str, ...], language: str) -> frozenset[str]:
    """The meanings of words; `others` where somebody else is asked about."""
    mended = _mended(words, language)
    meanings = meanings_of(" ".join(mended), language)
    return meanings | {"others"} if strangers.asked_for(words, mended, language, _lexicon(language).reads) else meanings


def _strictly(
    words: tuple[str, ...], signals: Signals, lexicon: Lexicon, previous: str | None
) -> tuple[str, float] | None:
    """The intent of the rules over signals: those of the next payment, which take every word into account."""
    if previous is not None and previous.startswith("next_payment"):
        signals |= {"context:next_payment"}
    known = sum(lexicon.knows(word) for word in words) / len(words) if words else 0.0
    rule = _best(signals, len(words), known)
    return None if rule is None else (rule.intent, round(rule.confidence * (1 - _DOUBT * (1 - known)), 3))


def _weighed(
    words: tuple[str, ...], meanings: frozenset[str], language: str, strict: tuple[str, float] | None
) -> dict[str, float]:
    unread = [word for word in words if not _lexicon(language).reads(word)]
    stranger = any(word.isalpha() and len(word) > 2 for word in unread)
    found = senses(meanings)
    if strict is not None:
        found[strict[0]] = max(found.get(strict[0], 0.0), strict[1])
    like = likeness(words, meanings, language)
    weighed = {each: _RULE * found.get(each, 0.0) + like.get(each, 0.0) for each in {*found, *like}}
    # "And the next one, when?" is ours, "when is your next concert" is not.
    upcoming = not stranger and "next" in meanings and meanings & {"when", "how_much"}
    ours = meanings & OURS or meanings >= {"just", "confirm"} or upcoming
    if stranger and not any(word in _OWN[language] or word.endswith(_OUR_VERBS[language]) for word in words):
        weighed[NONE] = weighed.get(NONE, 0.0) + _STRANGE
    if meanings & FOREIGN or not ours:
        weighed[NONE] = weighed.get(NONE, 0.0) + (_OTHERS if "others" in meanings else _ALIEN)
    return weighed


def _decided(ranked: list[tuple[str, float]], language: str, known: float) -> Understood:
    """One intent where it is likely and well ahead of the next; else what may be meant, or that it is not ours."""
    likely = [each for each in ranked if each[1] > 0]
    if not likely:
        return Understood(UNKNOWN, {}, language, 0.0)
    (best, score), after = likely[0], likely[1][1] if len(likely) > 1 else 0.0
    confidence = round(min(0.99, score / 1.2) * (1 - _DOUBT * (1 - known)), 3)
    if best == NONE:
        return Understood(NONE, {}, language, confidence)
    if score >= _SURE and score - after >= _AHEAD:
        return Understood(best, {}, language, max(confidence, 0.5))
    if score < _MAYBE or (likely[1:] and likely[1][0] == NONE and score - after < _DOUBTFUL):
        return Understood(NONE if known < 0.9 else UNKNOWN, {}, language, confidence)
    choices = tuple(intent for intent, _ in likely if intent != NONE)[:_MOST_CHOICES]
    return Understood(UNKNOWN, {}, language, confidence, choices)


def _assumed(language: str | None) -> str:
    return language if language is not None and language in LANGUAGES else "en"


def warm() -> None:
    """Loads the words and examples of every language, which the first question would wait for (a second in all)."""
    for language in LANGUAGES:
        understand(next(iter(examples(language).values()))[0], language)


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
    words = frozenset(word for phrase in whole for word in phrase)
    meant = {each.rstrip("*") for each in vocabulary(language)}
    shown = {
        word
        for intent, listed in examples(language).items()
        if intent != NONE
        for each in listed
        for word in words_of(each)
    }
    return Lexicon(
        phrases={first: tuple(found) for first, found in by_first.items()},
        prefixes=prefixes,
        words=words,
        # Nothing is mended into a word that speaks of something else: "shows" is not "shoes".
        shelf=shelved({*words, *prefixes, *meant, *shown} - words_only_of(FOREIGN, language)),
        read_only=frozenset(meant | shown),
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


def _slots(signals: Signals) -> dict[str, tuple[str, ...]]:
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
    """Each word speaks for the languages that know it, less the more they are; a short word alone speaks for none."""
    words = tuple(words)
    if len(words) == 1 and len(words[0]) < _TELLING:
        return default
    scores = dict.fromkeys(LANGUAGES, 0.0)
    for word in words:
        knowing = [language for language in LANGUAGES if _lexicon(language).reads(word)]
        for language in knowing:
            scores[language] += 1 / len(knowing)
    best = max(scores.values())
    leading = [language for language, score in scores.items() if score == best]
    return default if default in leading or best == 0 else leading[0]


# --- typing errors ---


@lru_cache(maxsize=4096)
def _nearest(word: str, language: str) -> str | None:
    """The known word that was meant; None where equally near ones mean different things."""
    lexicon = _lexicon(language)
    found = near(word, lexicon.shelf)
    meanings = {_phrase_at((known,), 0, lexicon)[1] for known in found}
    return found[0] if len(meanings) == 1 else None
