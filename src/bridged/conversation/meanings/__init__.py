"""What words and phrases mean, one file per language: `meaning: phrase, phrase, …`.

`*` is any ending; `..` up to three words between; `!word` says which word must
not stand before or after. Phrases are found wherever they stand, also within one another.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

LANGUAGES = ("en", "es", "pt", "de", "fr")


@lru_cache(maxsize=len(LANGUAGES))
def _read(language: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    lines = files(__name__).joinpath(f"{language}.txt").read_text("utf-8").replace("\n  ", " ").splitlines()
    for line in lines:
        meaning, _, listed = line.partition(": ")
        found[meaning] = tuple(phrase.strip() for phrase in listed.split(",") if phrase.strip())
    return found


@lru_cache(maxsize=len(LANGUAGES))
def _patterns(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (meaning, re.compile(r"\b(?:" + "|".join(map(_pattern, phrases)) + r")\b"))
        for meaning, phrases in _read(language).items()
    )


def _pattern(phrase: str) -> str:
    before, built = "", ""
    for word in phrase.split():
        literal = re.escape(word.lstrip("!")).replace(r"\*", r"\w*")
        if word == "..":
            built += r"(?: \w+){0,3}?"
        elif not word.startswith("!"):
            built += f" {literal}"
        elif built:
            built += rf"(?! {literal}\b)"
        else:
            before += rf"(?<!\b{literal} )"
    return before + built.removeprefix(" ")


def meanings_of(text: str, language: str) -> frozenset[str]:
    """What the words mean: lower case, without accents, one space between."""
    return frozenset(meaning for meaning, pattern in _patterns(language) if pattern.search(text))


def known(language: str) -> frozenset[str]:
    """The meanings that have words in the language."""
    return frozenset(_read(language))


@lru_cache(maxsize=len(LANGUAGES))
def vocabulary(language: str) -> frozenset[str]:
    """Every word that stands in a phrase; beginnings end in a star."""
    return _words(phrases for phrases in _read(language).values())


def words_only_of(meanings: frozenset[str], language: str) -> frozenset[str]:
    """The words and beginnings that stand in phrases of these meanings and no others."""
    held = _read(language)
    chosen, rest = (_words(held[each] for each in held if (each in meanings) is wanted) for wanted in (True, False))
    return frozenset(word.rstrip("*") for word in chosen - rest)


def _words(listed: Iterable[tuple[str, ...]]) -> frozenset[str]:
    return frozenset(word for phrases in listed for phrase in phrases for word in phrase.split() if word[0] not in "!.")
