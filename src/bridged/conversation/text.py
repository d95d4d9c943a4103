"""A message as it comes: what must not be kept is taken out, and its words are made comparable."""

import re
import unicodedata

MOST_CHARS = 1000
"""What follows is not read: a question is short."""
MOST_WORDS = 60
REDACTED = "[card number]"

_WORD = re.compile(r"[a-z0-9]+")
_CARD = re.compile(r"(?<![\d])\d(?:[ \-.\u00a0]?\d){12,}(?!\d)")
_HIDDEN = {"Cf", "Cc", "Co", "Cs", "Cn"}


def clean(text: str) -> str:
    """Without control or invisible characters and card numbers, compatibility forms plain, `MOST_CHARS` at most."""
    plain = unicodedata.normalize("NFKC", text[: MOST_CHARS * 4])
    kept = "".join(
        " " if char in "\n\r\t\u2028\u2029" else char for char in plain
        if char in "\n\r\t" or unicodedata.category(char) not in _HIDDEN
    )  # fmt: skip
    return redacted(kept)[:MOST_CHARS].strip()


def redacted(text: str) -> str:
    """With every card number (13 to 19 digits that pass Luhn's check, however spaced) replaced."""
    return _CARD.sub(lambda found: _redact(found[0]), text)


def _redact(found: str) -> str:
    """The longest run of groups of digits that is a card number; beside it may stand others."""
    groups = list(re.finditer(r"\d+", found))
    for start, first in enumerate(groups):
        for last in reversed(groups[start:]):
            digits = re.sub(r"\D", "", found[first.start() : last.end()])
            if 13 <= len(digits) <= 19 and _passes_luhn([int(each) for each in digits]):
                return found[: first.start()] + REDACTED + redacted(found[last.end() :])
    return found


def _passes_luhn(digits: list[int]) -> bool:
    doubled = [each if place % 2 == 0 else (each * 2 - 9 if each > 4 else each * 2)
               for place, each in enumerate(reversed(digits))]  # fmt: skip
    return sum(doubled) % 10 == 0


def words_of(text: str) -> tuple[str, ...]:
    """Lower case, without accents or punctuation."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss").replace("œ", "oe"))
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return tuple(_WORD.findall(kept)[:MOST_WORDS])
