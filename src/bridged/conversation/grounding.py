"""Whether an answer said in other words still says the same: it shows what the template shows, no more and no less.

A template's lines are kept apart, as each is about something of its own. In a line every shown value (amount, date,
time, last four, address, name of a plan) stands exactly as often as in the template; beside them stand no digits, no
numbers in words, no other currency or date, no address, and no claim that the template does not make (`claims`).
What is doubtful counts as a violation: then the template itself goes out, which costs nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from babel.dates import get_day_names, get_month_names

from bridged.conversation.claims import CLAIMS, ONLY_ADDED, folded, made, negations, quantities
from bridged.conversation.dates import written_date, written_time
from bridged.conversation.facts import Answer
from bridged.conversation.intents import detect_language
from bridged.core.money import format_money

MOST_LONGER = 160
"""Characters by which the other words may be longer than one and a half times the template."""
# A mark for a shown value: a character no text may hold by itself.
_MARK = "\N{OBJECT REPLACEMENT CHARACTER}"
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>]*[^\s<>.,;:!?)]", re.IGNORECASE)
_PARENTHESIS = re.compile(r"\([^()\n]*\)")
_WITH_DIGIT = re.compile(r"[^\s,;:!?()]*\d(?:[^\s,;:!?()]*[^\s.,;:!?()])?")
_ADDRESS = re.compile(r"://|www\b|[^\W_]\.[^\W_]", re.IGNORECASE)
_PLAIN = frozenset(" \n.,;:!?'-()…¡¿«»„“”\u2018\u2019\u2013\u2014\u00a0\u202f")
_WORD = re.compile(r"[^\W\d_]+")
# A capital in the middle of a sentence.
_NAME = re.compile(r"(?<=[^\W\d_]|,) ([A-ZÀ-Þ][^\W\d_]+)")
_CODE = re.compile(r"\b[A-Z]{2,}\b")


@dataclass(frozen=True, slots=True)
class Line:
    """A line: the shown values in their order, the words between them (folded), one more than there are values."""

    values: tuple[str, ...]
    between: tuple[str, ...]
    raw: str

    @property
    def words(self) -> str:
        return " ".join(self.between)


def violations(text: str, answer: Answer) -> tuple[str, ...]:
    """What is wrong with `text` as another wording of the answer; empty: it may go out."""
    template = answer.text
    if not text.strip():
        return ("empty",)
    if len(text) > 1.5 * len(template) + MOST_LONGER:
        return ("too long",)
    if strange := _strange(text, template):
        return (f"characters: {strange}",)
    values = shown(answer)
    told = [_line(each, values) for each in template.splitlines() if each.strip()]
    said = [_line(each, values) for each in text.splitlines() if each.strip()]
    found = [*_language_kept(text, answer), *_paired(told, said, answer.language)]
    return tuple(dict.fromkeys(found))


def shown(answer: Answer) -> tuple[str, ...]:
    """The values that the answer's text shows, as it writes them, the longest first."""
    text = answer.text
    known = {*_URL.findall(text), *_PARENTHESIS.findall(text), *(value for value in _known(answer) if value)}
    present = sorted((value for value in known if value in text), key=lambda value: (-len(value), value))
    left = text
    for value in present:
        left = left.replace(value, _MARK)
    rest = {found.strip("-") for found in _WITH_DIGIT.findall(left.replace(_MARK, "\n"))}
    return tuple(sorted({*present, *rest}, key=lambda value: (-len(value), value)))


def _known(answer: Answer) -> Iterable[str]:
    zone, locale = answer.zone, answer.locale
    for item in answer.items:
        yield from (item.label or "", item.url or "", *item.words.values())
        if item.money is not None:
            yield format_money(item.money, locale)
        for moment in (item.when, item.then):
            if moment is not None:
                yield from (written_date(moment, zone, locale), written_time(moment, zone, locale))
    if answer.as_of is not None:
        yield from (written_date(answer.as_of, zone, locale), written_time(answer.as_of, zone, locale))


# --- characters ---


def _strange(text: str, template: str) -> str:
    """Characters that are neither Latin letters, plain punctuation nor in the template."""
    allowed = _PLAIN | frozenset(template)
    return " ".join(sorted({f"U+{ord(char):04X}" for char in text if not (char in allowed or _latin(char))}))


def _latin(char: str) -> bool:
    """A plain letter of a language we speak: no look-alikes, no styled ones, no marks put on by themselves."""
    if char.isascii():
        return char.isalpha()
    return char.isalpha() and ord(char) < 0x180 and unicodedata.name(char, "").startswith("LATIN ")


# --- lines ---


def _line(text: str, values: tuple[str, ...]) -> Line:
    parts = line_values(text.strip(), values)
    return Line(tuple(parts[1::2]), tuple(folded(part) for part in parts[::2]), " ".join(parts[::2]))


def line_values(text: str, values: tuple[str, ...]) -> list[str]:
    """A line cut at its values: words, value, words, value, words.

    What touches a letter, a digit or a sign is another value, and is left in the words.
    """
    if not values:
        return [text]
    any_of = "|".join(re.escape(value) for value in values)
    pattern = rf"(?<![\w+\-\u2212$€£¥%])(?<!\d[.,])({any_of})(?![\w%])(?![.,]\d)"
    return re.split(pattern, text)


def _paired(told: list[Line], said: list[Line], language: str) -> list[str]:
    """Each line of the template with the line that shows the same; lines that show nothing all together."""
    wanted = Counter(_key(line) for line in told if line.values)
    found = Counter(_key(line) for line in said if line.values)
    if wanted != found:
        return [f"value: {value}" for value in _odd(told, said)] or ["values of different lines are mixed"]
    faults: list[str] = []
    for key in wanted:
        others = [line for line in told if _key(line) != key]
        for before, after in zip(_with(key, told), _with(key, said), strict=True):
            faults += [*_same(before, after, language), *_about_the_same(before, after, others)]
    return [*faults, *_same(_bare(told), _bare(said), language)]


def _key(line: Line) -> tuple[str, ...]:
    return tuple(sorted(line.values))


def _with(key: tuple[str, ...], lines: list[Line]) -> list[Line]:
    return [line for line in lines if _key(line) == key]


def _odd(told: list[Line], said: list[Line]) -> list[str]:
    """The values that are missing or too many."""
    one = Counter(value for line in told for value in line.values)
    other = Counter(value for line in said for value in line.values)
    return sorted(((one - other) + (other - one)).elements())


def _bare(lines: list[Line]) -> Line:
    bare = [line for line in lines if not line.values]
    return Line((), tuple(line.words for line in bare), " ".join(line.raw for line in bare))


def _same(before: Line, after: Line, language: str) -> list[str]:
    """What a line claims besides its values, compared."""
    faults = [*_free_values(before, after, language), *_claims(before.words, after.words, language)]
    if _ambiguous(before.values) and before.values != after.values:
        faults.append("order of values")
    elif _ambiguous(before.values):
        faults += _segments(before, after)
    return faults


def _free_values(before: Line, after: Line, language: str) -> list[str]:
    """Digits, amounts, dates and addresses in the words themselves."""
    faults = [f"digit: {char}" for char in after.raw if char.isnumeric()]
    if strange := _strange(after.raw, before.raw):
        faults.append(f"characters: {strange}")
    if _ADDRESS.search(after.raw):
        faults.append("address")
    if "?" in after.raw and "?" not in before.raw:
        faults.append("question")
    if language != "de":  # its nouns are written like names
        faults += [f"name: {name}" for name in sorted({*_NAME.findall(after.raw)} - {*_WORD.findall(before.raw)})]
    allowed = quantities(before.words, language)
    faults += [f"quantity: {word}" for word in sorted(quantities(after.words, language) - allowed)]
    dates = _calendar(language)
    faults += [f"date: {word}" for word in sorted({*dates.findall(after.words)} - {*dates.findall(before.words)})]
    faults += [f"code: {code}" for code in sorted({*_CODE.findall(after.raw)} - {*_CODE.findall(before.raw)})]
    return faults


def _claims(before: str, after: str, language: str) -> list[str]:
    one, other = made(before, language), made(after, language)
    faults = [f"claim added: {claim}" for claim in sorted(other - one)]
    faults += [f"claim dropped: {claim}" for claim in sorted(one - other - ONLY_ADDED)]
    if negations(before, language) != negations(after, language):
        faults.append("negation")
    return faults


# --- which words belong to which value ---


def _ambiguous(values: tuple[str, ...]) -> bool:
    """Whether a line shows two values that could be taken for one another."""
    kinds = Counter(_kind(value) for value in values)
    return any(count > 1 for kind, count in kinds.items() if kind != "mark")


def _kind(value: str) -> str:
    if _URL.fullmatch(value):
        return "url"
    if value.startswith("("):
        return "mark"
    has_words = any(len(word) > 2 for word in re.findall(r"[^\W\d_]+", value))
    return "date" if has_words else "number" if any(char.isdigit() for char in value) else "name"


def _segments(before: Line, after: Line) -> list[str]:
    """The words in front of each value stay nearer to it than to another one."""
    told, said = [_stems(each) for each in before.between], [_stems(each) for each in after.between]
    for place, own in enumerate(said[:-1]):
        if told[place] and not own & told[place] and any(own & other for other in told[:-1]):
            return ["words of another value"]
        if any(len(own & other) > len(own & told[place]) for other in told[:-1]):
            return ["words of another value"]
    return []


def _about_the_same(before: Line, after: Line, others: list[Line]) -> list[str]:
    """The words of a line are its own, not those of another line of the template."""
    own = len(_stems(before.words) & _stems(after.words))
    if own == 0 and _stems(before.words):
        return ["about something else"]
    foreign = max((len(_stems(line.words) & _stems(after.words)) for line in others), default=0)
    return ["words of another line"] if foreign > own else []


def _stems(words: str) -> frozenset[str]:
    return frozenset(word[:5] for word in re.findall(r"[a-z]{4,}", words))


# --- language ---


def _language_kept(text: str, answer: Answer) -> list[str]:
    """Another language's words would claim things that are not looked for."""
    kept = detect_language(answer.text, answer.language) == answer.language
    if answer.language not in CLAIMS:
        return ["language"]
    return ["language"] if kept and detect_language(text, answer.language) != answer.language else []


@lru_cache(maxsize=len(CLAIMS))
def _calendar(language: str) -> re.Pattern[str]:
    """Names of months and weekdays; "may" is rather the verb."""
    tables = [naming(locale=spoken) for spoken in {language, "en"} for naming in (get_month_names, get_day_names)]
    names = {folded(name) for table in tables for name in cast("Mapping[int, str]", table).values()}
    return re.compile(rf"\b(?:{'|'.join(sorted(re.escape(name) for name in names - {'may'}))})s?\b")
