"""What is written about the program agrees with the program: README, references, changelog, locks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bridged
from bridged.core import errors, settings
from unit.tree import ROOT, kept_files, project

REFERENCE = ROOT / "docs" / "reference"
LOCKS = ("bootstrap", "run", "dev")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_readme_opens_with_three_sentences_and_two_commands() -> None:
    title, opening, commands, *_ = re.split(r"\n\n+", read(ROOT / "README.md"))
    assert title.startswith("# ")
    assert len(re.findall(r"[.!?](?=\s|$)", opening)) == 3
    assert commands == "```sh\nmake demo\nmake test\n```"


def test_the_version_is_that_of_the_changelog() -> None:
    versions = re.findall(r"^## \[(\d[^\]]*)\]", read(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)
    assert versions[0] == bridged.__version__


def test_there_is_a_licence() -> None:
    assert read(ROOT / "LICENSE").startswith("MIT License")
    assert project()["project"]["license"] == "MIT"


def test_decisions_are_short_and_whole() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page in pages:
        assert read(page).startswith(f"# {page.name[:4]} ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", read(page), flags=re.MULTILINE)[:1] == ["Decision"]
        for part in ("Why", "Alternatives", "Consequence"):
            assert f"**{part}.**" in read(page), f"{page.name}: {part}"
        assert len(read(page).split()) <= 600, f"{page.name} is longer than a page"


def test_decisions_that_are_cited_exist() -> None:
    cited = {
        (path.relative_to(ROOT), name)
        for path in kept_files()
        if path.suffix in {".py", ".md", ".sql"}
        for name in re.findall(r"docs/decisions/([\w-]+\.md)", read(path))
    }
    assert not [(str(path), name) for path, name in cited if not (ROOT / "docs" / "decisions" / name).exists()]


def test_every_code_of_an_error_is_explained() -> None:
    explained = re.findall(r"^## (\S+)$", read(REFERENCE / "errors.md"), flags=re.MULTILINE)
    codes = [each.code for each in vars(errors).values() if hasattr(each, "code") and isinstance(each, type)]
    assert sorted(explained) == sorted(codes)
    for section in read(REFERENCE / "errors.md").split("\n## ")[1:]:
        assert "**Do" in section, section.split("\n", 1)[0]


def test_every_setting_is_explained() -> None:
    known = {*settings.KNOWN, *settings._FILES}
    named = set(re.findall(r"`(BRIDGED_\w+)`", read(REFERENCE / "settings.md")))
    assert named == known


def test_the_reference_of_commands_is_generated() -> None:
    command = [sys.executable, "scripts/reference.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0, "run `make docs`"


def test_documents_of_the_api_have_names_of_their_own() -> None:
    """Of two with one name the reference would show the modules they are in."""
    names = re.findall(r"^### (\S+)$", read(REFERENCE / "api.md"), flags=re.MULTILINE)
    assert len(names) > 100
    assert [each for each in names if "__" in each or each.endswith(("-Input", "-Output"))] == []


def locked(name: str) -> dict[str, str]:
    text = read(ROOT / "requirements" / f"{name}.txt")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, flags=re.MULTILINE))


def wanted(name: str) -> list[Requirement]:
    groups = project()["dependency-groups"]
    direct = [] if name == "bootstrap" else list(project()["project"]["dependencies"])
    todo = list(groups[{"run": "build"}.get(name, name)])
    for entry in todo:
        if isinstance(entry, dict):
            todo += groups[entry["include-group"]]
        else:
            direct.append(entry)
    return [Requirement(each) for each in direct]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_what_is_asked_for(name: str) -> None:
    versions = locked(name)
    wrong = [
        f"{need}: locked is {versions.get(canonicalize_name(need.name))}"
        for need in wanted(name)
        if versions.get(canonicalize_name(need.name)) not in need.specifier
    ]
    assert not wrong, "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_every_file_by_its_hash(name: str) -> None:
    lines = read(ROOT / "requirements" / f"{name}.txt").splitlines()
    entries = [index for index, line in enumerate(lines) if not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9._-]+==\S+", lines[index]) for index in entries)
    assert [lines[index] for index in entries if "--hash=sha256:" not in lines[index + 1]] == []


def test_tools_are_locked_beside_what_runs() -> None:
    assert locked("run").items() <= locked("dev").items()


def test_the_builder_is_the_locked_one() -> None:
    assert project()["build-system"]["requires"] == [f"hatchling=={locked('run')['hatchling']}"]


def test_nothing_names_a_registry_or_a_folder_of_one_machine() -> None:
    registry = re.compile(r"(pypi|pythonhosted|npmjs)\.(org|com|io)")
    machine = re.compile(r"(?<![\w.$}~/-])/(work|root|opt|Users/\w+|home/(?!ann/)\w+)/")  # Ann is made up
    named = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in kept_files()
        if path.suffix not in {".png", ".ico", ".woff2", ".gz"}
        for match in [*registry.finditer(read(path)), *machine.finditer(read(path))]
    ]
    assert not named
