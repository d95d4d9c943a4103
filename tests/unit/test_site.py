"""What the pages say can be done, can be: links, commands, settings, routes, examples. The site itself: `make docs`."""

import csv
import io
import json
import re
import shlex
import subprocess
import time
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import dropwhile
from pathlib import Path
from typing import Any

import yaml
from cyclopts import CycloptsError

from bridged.cli import cli
from bridged.core import settings
from bridged.core.types import Secret
from bridged.playbooks import conditions
from bridged.profiles.scoring import notice
from bridged.web.api import routes
from unit.tree import ROOT, kept_files
from unit.written import DOCS, GENERATED, Block, anchors, blocks, of, pages, walked


def test_links_lead_somewhere_to_the_heading() -> None:
    broken: list[str] = []
    for path in pages():
        for token in walked(path):
            target = str(token.attrs.get("href") or token.attrs.get("src") or "")
            if not target or re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = (path.parent / name).resolve() if name else path
            if not place.exists() or (anchor and anchor not in anchors(place)):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken


def test_a_page_that_is_named_is_there() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in kept_files()
        if path.suffix in {".py", ".md", ".html", ".yml", ".yaml", ".service"}
        for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    }
    assert not missing


def test_pages_of_the_site_link_where_they_name() -> None:
    """Text such as docs/guide/keys.md leads nowhere for who reads the site."""
    bare = [
        f"{path.relative_to(ROOT)}: {token.content}"
        for path in pages()
        if path.is_relative_to(DOCS) and path.parent != DOCS / "decisions"
        for token in walked(path)
        if token.type in {"text", "code_inline"} and re.search(r"docs/\w+/[\w-]+\.md", token.content)
    ]
    assert bare == []


def test_every_page_is_in_the_index_once() -> None:
    listed = re.findall(
        r"^- \[[^\]]+\]\(([\w/.-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    there = {path.relative_to(DOCS).as_posix() for path in pages() if path.is_relative_to(DOCS)}
    shown_there = {each for each in there if re.fullmatch(r"decisions/\d{4}-.*", each)}
    assert sorted(listed) == sorted(there - shown_there - {"index.md"})


def test_every_block_says_its_language() -> None:
    known = {"sh", "json", "python", "sql", "csv", "text", "yaml", "toml"}
    strange = [each for each in blocks() if each.language not in known]
    assert {each.language for each in strange if each.path in GENERATED} == {"console"}
    included = {"{include} ../CHANGELOG.md", "{include} ../CONTRIBUTING.md"}
    assert {each.language for each in strange if each.path not in GENERATED} == included


def test_data_is_what_it_says_it_is() -> None:
    for each in blocks():
        match each.language:
            case "json":
                json.loads(each.text)
            case "yaml":
                list(yaml.safe_load_all(each.text))
            case "toml":
                tomllib.loads(each.text)
            case "csv":
                head, *rows = csv.reader(io.StringIO(each.text))
                assert {len(row) for row in rows} == {len(head)}, each
            case "python":
                compile(each.text, str(each), "exec")
            case _:
                pass


def test_the_signature_is_checked_as_it_is_shown() -> None:
    (shown,) = of("python")
    given: dict[str, Any] = {}
    exec(compile(shown.text, str(shown), "exec"), given)
    genuine, now = given["genuine"], int(time.time())
    header = notice.signature(Secret("whsec_shown"), b"{}", now)
    assert genuine(header, b"{}", "whsec_shown")
    assert not genuine(header, b"{} ", "whsec_shown")
    assert not genuine(header, b"{}", "whsec_other")
    assert not genuine(notice.signature(Secret("whsec_shown"), b"{}", now - 301), b"{}", "whsec_shown")


def test_conditions_are_conditions() -> None:
    (text,) = [each for each in of("text") if each.path.name == "playbooks.md"]
    assert all(conditions.parse(line) for line in text.text.splitlines())
    (data,) = [each for each in of("json") if each.path.name == "playbooks.md"]
    assert conditions.read(json.loads(data.text))


# Commands


def simple(text: str) -> Iterator[list[str]]:
    """The simple commands of a line, in words: what `|`, `&&`, `;` and `(` part. Comments are left out."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("|&;()"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def called(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The programs called, each with its words; the variables set before it are left out."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for words in simple(line):
            program, *rest = [*dropwhile(lambda word: word == "export" or re.match(r"\w+=", word), words), ""]
            if program:
                yield Path(program).name, rest[:-1]


def unfit(program: str, words: list[str]) -> str | None:
    """Why our command line, or the Makefile, does not take it."""
    if program == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
        return ", ".join(each for each in words if "=" not in each and each not in targets) or None
    if program != "bridged" or words == ["--version"]:
        return None
    try:
        cli.parse_args(words[: words.index(">")] if ">" in words else words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return str(error)
    return None


def test_commands_in_blocks_are_commands() -> None:
    wrong: list[str] = []
    for block in of("sh"):
        judged = subprocess.run(["bash", "-n"], input=block.text, text=True, check=False, capture_output=True)
        wrong += [f"{block}: {judged.stderr}"] if judged.returncode else []
        for program, words in called(block):
            if problem := unfit(program, words):
                wrong.append(f"{block}: {program} {shlex.join(words)}: {problem}")
    assert not wrong


def spoken(path: Path) -> Iterator[list[str]]:
    """Commands named within a sentence, which may leave out what they need."""
    for token in walked(path):
        if token.type == "code_inline" and re.match(r"(\w+=\S+ )*bridged ", token.content):
            yield shlex.split(re.sub(r"^(\w+=\S+ )*bridged ", "", token.content), comments=True)


def unknown(words: list[str]) -> list[str]:
    """Of a command named in a sentence: the command or the options that there are not. CAPITALS stand for a choice."""
    chain, apps, rest = cli.parse_commands(words)
    app = apps[-1]
    options = {"--help", "--version"}
    if app.default_command and not app.default_command.__module__.startswith("cyclopts"):  # which prints the help
        options |= {name for argument in app.assemble_argument_collection() for name in argument.names}
    elif rest and not rest[0].startswith("-") and not rest[0].isupper():
        return [" ".join((*chain, rest[0]))]
    return [each for each in rest if each.startswith("--") and each.partition("=")[0] not in options]


def test_commands_in_sentences_are_commands() -> None:
    found = [(path, words) for path in pages() if path not in GENERATED for words in spoken(path)]
    assert len(found) > 100
    assert [(path.name, words) for path, words in found if unknown(words)] == []


def test_targets_in_sentences_are_targets() -> None:
    named = [
        (path.name, token.content)
        for path in pages()
        for token in walked(path)
        if token.type == "code_inline" and token.content.startswith("make ")
    ]
    assert named
    assert [each for each in named if unfit("make", shlex.split(each[1])[1:])] == []


def test_settings_that_are_named_are_settings() -> None:
    known = {*settings.KNOWN, *settings._FILES}
    named = {
        (path.name, name)
        for path in pages()
        for name in re.findall(r"\bBRIDGED_[A-Z_]*[A-Z]\b(?![_…*])", path.read_text(encoding="utf-8"))
    }
    assert sorted(each for each in named if each[1] not in known) == []


# Routes

ROUTE = re.compile(r"(?:\b(GET|POST|PUT|PATCH|DELETE) )?((?:/api/v1|…)/[\w/{}?=.-]+)")


@cache
def templates() -> frozenset[tuple[str, str]]:
    """Method and path of every route of the API, `{}` for what is filled in."""
    return frozenset(
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, item in routes().openapi()["paths"].items()
        for method in item
    )


def served(method: str, path: str) -> bool:
    """Whether such a route is there; `…` at the beginning stands for what came before it in the page."""
    wanted = re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])
    for verb, template in templates():
        if method not in {"", verb}:
            continue
        parts, asked = template.split("/"), wanted.split("/")
        if wanted.startswith("…"):
            asked = asked[1:]
            parts = parts[len(parts) - len(asked) :]
        if len(parts) == len(asked) and all("{}" in (a, b) or a == b for a, b in zip(parts, asked, strict=True)):
            return True
    return False


def test_routes_that_are_named_are_there() -> None:
    named = [
        (path.name, method, route.rstrip("/."))
        for path in pages()
        if path not in GENERATED
        for token in walked(path)
        if token.type in {"code_inline", "fence"}
        for method, route in ROUTE.findall(token.content)
    ]
    assert len(named) > 40
    assert [each for each in named if not served(*each[1:])] == []
