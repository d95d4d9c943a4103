"""The pages as they are written: their tokens, blocks and headings, for the tests that judge them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from myst_parser.mdit_to_docutils.base import default_slugify

from unit.tree import ROOT, kept_files

DOCS = ROOT / "docs"
GENERATED = {DOCS / "reference" / "cli.md", DOCS / "reference" / "api.md"}
"""Written from the program itself, `bridged` with the names of its parameters among it."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A block of code, its language, and the line it begins at."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@cache
def pages() -> tuple[Path, ...]:
    """Every page, generated ones too."""
    return tuple(path for path in kept_files() if path.suffix == ".md")


@cache
def tokens(path: Path) -> tuple[Token, ...]:
    return tuple(MARKDOWN.parse(path.read_text(encoding="utf-8")))


def walked(path: Path) -> Iterator[Token]:
    """Blocks and what stands in their lines."""
    for token in tokens(path):
        yield token
        yield from token.children or ()


@cache
def blocks() -> tuple[Block, ...]:
    return tuple(
        Block(path, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for path in pages()
        for token in tokens(path)
        if token.type in {"fence", "code_block"}
    )


def of(language: str) -> list[Block]:
    """Blocks in this language, in pages written by hand."""
    found = [each for each in blocks() if each.language == language and each.path not in GENERATED]
    assert found, language
    return found


@cache
def anchors(path: Path) -> frozenset[str]:
    """What `#…` may name on a page, as the site and GitHub make it of the headings."""
    found: list[str] = []
    listed = tokens(path)
    for opening, inline in pairwise(listed):
        if opening.type == "heading_open":
            slug = default_slugify("".join(child.content for child in inline.children or ()))
            again = sum(each == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", each) is not None for each in found)
            found.append(f"{slug}-{again}" if again else slug)
    return frozenset(found)
