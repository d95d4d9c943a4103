"""The sources as parsed files, for the tests that judge them."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "bridged"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class File:
    """A module of ours. `name` is its path from `src/bridged`, as in `core/db.py`."""

    name: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        return "bridged." + self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def in_simulator(self) -> bool:
        return self.name.startswith("sim/")

    def where(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 1)}"

    def each(self, *kinds: type[ast.AST]) -> Iterator[Any]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def functions(self) -> Iterator[Function]:
        return self.each(ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def files() -> tuple[File, ...]:
    """Every module of the package."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(File(path.relative_to(SOURCES).as_posix(), text, ast.parse(text)))
    return tuple(found)


def ours() -> tuple[File, ...]:
    """Without the simulator, which stands alone and has no database."""
    return tuple(file for file in files() if not file.in_simulator)


@cache
def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def contract(name: str) -> dict[str, Any]:
    """The contract of the import law whose name begins so."""
    return next(each for each in project()["tool"]["importlinter"]["contracts"] if each["name"].startswith(name))


@cache
def kept_files() -> tuple[Path, ...]:
    """What is, or would be, under version control; without git, what is not hidden."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _hidden(path.relative_to(ROOT))]
    return tuple(path for path in found if path.is_file())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of attributes, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def literal(node: ast.AST) -> str | None:
    """The text of a string expression, however it is put together; what is inserted shows as `{}`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(literal(part) or "{}" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            before, after = literal(left), literal(right)
            return None if before is None and after is None else f"{before or '{}'}{after or '{}'}"
    return None


def literals(file: File) -> Iterator[tuple[ast.AST, str]]:
    """Every string expression of a file, as a whole; docstrings and other bare strings are not among them."""
    todo: list[ast.AST] = [file.tree]
    while todo:
        node = todo.pop()
        text = literal(node)
        if text is not None:
            yield node, text
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            todo += ast.iter_child_nodes(node)
