"""The laws of the house that no linter knows. Every exception is listed here, with its reason."""

import ast
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable

from bridged.core import errors
from bridged.mirror.kinds import KINDS
from unit.tree import ROOT, SOURCES, File, contract, dotted, files, literals, ours

FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "misc", "lib"}

SQL_HOMES = {
    "accounts/__init__.py": "workspaces and connections: one module owns their tables",
    "core/backup/snapshot.py": "counts the rows of every table, of all tenants",
    "core/db.py": "enters a workspace",
    "core/jobs.py": "puts back what dead workers held: the job queue's tables, which no tenant owns",
    "core/migrate.py": "keeps the ledger of migrations",
    "core/vault.py": "keeps the keyset",
}
SQL = re.compile(
    r"\s*(select\s|insert\s+into\s|update\s+\S+\s+(\w+\s+)?set\s|delete\s+from\s|with\s+\w+\s+as\s*\(|create\s+(table|schema|"
    r"role|index|database|function)|alter\s+(table|role|system)|drop\s+(table|schema|role)|truncate\s|copy\s+\S+\s*\("
    r"|set\s+local|notify\s|listen\s|from\s+\S+\s+(where|join)\s|where\s+\w+\s*=)",
)

PSYCOPG_HOMES = {
    "accounts/erasures/store.py": "deletes from tables by their names",
    "accounts/life/store.py": "deletes from tables by their names",
    "core/backup/snapshot.py": "counts the rows of tables by their names",
    "core/db.py": "maps its errors",
    "core/migrate.py": "runs before there is a pool",
    "messages/intake.py": "a delivery that PostgreSQL refuses must not take its group down",
    "mirror/store.py": "a page that PostgreSQL refuses is Stripe's answer unreadable, not a database down",
    "sync/desk.py": "whatever keeps a lease from being renewed, the lease is lost",
}

CLOCKS = re.compile(
    r"(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|sleep|localtime|gmtime|strftime)"
    r"|(datetime\.)?(datetime|date)\.(now|utcnow|today)|.*\bloop\.time)"
)
CLOCK_HOMES: dict[str, tuple[set[str], str]] = {
    "core/clock.py": ({"time.time", "time.monotonic"}, "the one clock"),
    "core/embedded.py": ({"time.sleep"}, "waits for a server to start, before there is a loop"),
    "core/migrate.py": (
        {"time.sleep", "time.monotonic"},
        "waits for another process to migrate, before there is a loop",
    ),
}

BROAD_EXCEPTS: dict[str, str] = {
    "app/playbooks.py": "one connection's trouble keeps no other's playbooks waiting",
    "conversation/agent.py": "whatever the library of a model's provider raises, the default engine answers",
    "core/jobs.py": "the worker's loop: a worker that gives up helps nobody",
    "playbooks/run.py": "one customer's facts that nobody foresaw keep no other customer waiting",
    "sync/webhooks.py": "one event that meets a fault becomes a dead letter; those behind it are applied",
    "web/edge.py": "whatever a request met, it is answered",
}
"""Where `except Exception` may swallow: the process edges. Whoever raises again at once needs no entry."""

PYRIGHT_IGNORES = {"stripe/client.py": 1}
"""aiohttp's own retry of a request that may have been sent can only be switched off by a private attribute."""

SHARED_TABLES = {
    "bridged.leases": "the account is the unit, whoever connected it",
    "bridged.workspaces": "the tenants themselves",
    "bridged.ciphertexts": "counts across tenants, and nothing of them",
    "bridged.keysets": "one keyset for all",
    "jobs.procrastinate_workers": "whoever works, works for all",
    "bridged.keyset_keys": "the ages of its keys",
    "bridged.migrations": "the schema's own ledger",
}

ERRORS_ELSEWHERE = {"core/money.py": "CurrencyMismatchError is a bug of ours, not something a person can act on"}

DOWNSTREAM = ("conversation", "playbooks", "channels", "profiles", "mirror")


def found(complaints: Iterable[str]) -> None:
    listed = sorted(complaints)
    assert not listed, "\n".join(["", *listed])


# Shape


def size(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def test_functions_are_small() -> None:
    sizes = sorted(size(function) for file in files() for function in file.functions())
    assert statistics.median(sizes) <= 10
    assert sizes[math.ceil(0.9 * len(sizes)) - 1] <= 35
    found(
        f"{file.where(function)}: {function.name} has {size(function)} lines, 60 are the most"
        for file in files()
        for function in file.functions()
        if size(function) > 60
    )


def test_files_are_small() -> None:
    lengths = {file.name: len(file.text.splitlines()) for file in files()}
    found(f"{name}: {length} lines, 600 are the most" for name, length in lengths.items() if length > 600)


def test_modules_are_nouns_of_the_product() -> None:
    names = [path.relative_to(SOURCES) for path in SOURCES.rglob("*") if "__pycache__" not in path.parts]
    found(f"{path}: says nothing of what is in it" for path in names if path.stem in FORBIDDEN_NAMES)


def test_every_module_says_what_it_is() -> None:
    found(
        f"{file.name}: no docstring of a sentence"
        for file in files()
        if len((ast.get_docstring(file.tree) or "").split()) < 3
    )


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    found(
        f"{file.name}:{number}: {line.strip()}"
        for file in files()
        for number, line in enumerate(file.text.splitlines(), 1)
        if words.search(line)
    )


def test_there_is_one_colour() -> None:
    found(f"{file.where(f)}: {f.name}" for file in files() for f in file.functions() if f.name.endswith("_async"))


def test_types_are_not_silenced() -> None:
    ignores = {file.name: file.text.count("pyright: ignore") for file in files()}
    assert {name: count for name, count in ignores.items() if count} == PYRIGHT_IGNORES
    bare = re.compile(r"pyright: ignore(?!\[)|pyright: (basic|strict|standard|report)|type: ignore|mypy:")
    found(f"{file.name}: {match.group()}" for file in files() for match in bare.finditer(file.text))


# Decisions and effects


def pure_files() -> list[File]:
    modules = contract("Decisions are pure")["source_modules"]
    return [file for file in ours() if any(f"{file.module}.".startswith(f"{module}.") for module in modules)]


def test_decisions_are_plain_functions() -> None:
    assert len(pure_files()) >= len(contract("Decisions are pure")["source_modules"])
    effects = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor, ast.Global, ast.Nonlocal)
    found(
        f"{file.where(node)}: {type(node).__name__} in a decision"
        for file in pure_files()
        for node in file.each(*effects)
    )
    calls = {"print", "open", "input"}
    found(
        f"{file.where(node)}: {dotted(node.func)}() in a decision"
        for file in pure_files()
        for node in file.each(ast.Call)
        if dotted(node.func) in calls
    )


def test_decisions_are_about_frozen_values() -> None:
    """Which of them hold state on purpose is listed: planner and pacer, whose whole job is to remember."""
    stateful = {"stripe/pacer.py", "sync/plan.py", "stripe/skew.py"}
    found(
        f"{file.where(node)}: {node.name} is a dataclass that is not frozen"
        for file in pure_files()
        if file.name not in stateful
        for node in file.each(ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator) and "frozen=True" not in ast.unparse(decorator)
    )


def test_one_module_reads_the_clock() -> None:
    found(
        f"{file.where(node)}: {dotted(node)} instead of bridged.core.clock"
        for file in ours()
        for node in file.each(ast.Attribute)
        if CLOCKS.fullmatch(dotted(node)) and dotted(node) not in CLOCK_HOMES.get(file.name, (set(),))[0]
    )
    found(
        f"{file.where(node)}: names of `time` are imported one by one"
        for file in ours()
        for node in file.each(ast.ImportFrom)
        if node.module == "time"
    )


def test_nothing_downstream_is_left_out_of_the_law() -> None:
    there = {f"bridged.{name}" for name in DOWNSTREAM if (SOURCES / name).exists() or (SOURCES / f"{name}.py").exists()}
    assert there <= set(contract("After the mirror nothing")["source_modules"])


def test_the_simulator_stands_alone() -> None:
    imported = [
        (file, node, name)
        for file in files()
        if file.in_simulator
        for node in file.each(ast.Import, ast.ImportFrom)
        for name in _imported(node)
    ]
    found(
        f"{file.where(node)}: imports {name}"
        for file, node, name in imported
        if name.split(".")[0] == "bridged" and not f"{name}.".startswith("bridged.sim.")
    )


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [f"{node.module}.{alias.name}" if node.module == "bridged" else str(node.module) for alias in node.names]


# Data


def is_store(file: File) -> bool:
    return file.name.endswith("/store.py") and not file.in_simulator


def test_sql_stands_in_stores() -> None:
    found(
        f"{file.where(node)}: {text.strip()[:60]!r}"
        for file in ours()
        if not is_store(file) and file.name not in SQL_HOMES
        for node, text in literals(file)
        if SQL.match(text)
    )


def test_sql_is_recognised() -> None:
    """Each home has statements; a pattern that finds none would forbid nothing."""
    homes = [file for file in ours() if is_store(file) or file.name in SQL_HOMES]
    assert len(homes) > len(SQL_HOMES)
    found(f"{file.name}: no SQL" for file in homes if not any(SQL.match(text) for _, text in literals(file)))


def test_the_driver_is_named_in_few_places() -> None:
    found(
        f"{file.where(node)}: imports psycopg"
        for file in ours()
        if file.name not in PSYCOPG_HOMES
        for node in file.each(ast.Import, ast.ImportFrom)
        if any(name.split(".")[0] in {"psycopg", "psycopg_pool"} for name in _imported(node))
    )


def test_stores_are_given_their_connection() -> None:
    functions = [(file, function) for file in ours() if is_store(file) for function in file.each(ast.AsyncFunctionDef)]
    assert functions
    found(
        f"{file.where(function)}: {function.name} does not take `conn: Conn` first"
        for file, function in functions
        if not function.args.args
        or function.args.args[0].arg != "conn"
        or ast.unparse(function.args.args[0].annotation or ast.Name("")) != "Conn"
    )
    found(
        f"{file.where(node)}: a store opens no transaction, its caller does"
        for file in ours()
        if is_store(file)
        for node in file.each(ast.Attribute)
        if node.attr in {"transaction", "commit", "rollback"}
    )


def test_every_statement_names_its_tenant() -> None:
    found(
        f"{file.where(node)}: {' '.join(text.split())[:70]!r} names neither connection nor workspace"
        for file in ours()
        if is_store(file) or file.name == "accounts/__init__.py"
        for node, text in literals(file)
        if SQL.match(text)
        and re.search(r"\b(from|into|update)\s", text)
        and not re.search(r"\b(connection_id|workspace_id)\b", text)
        and not any(table in text for table in SHARED_TABLES)
    )


def test_every_kind_has_its_table() -> None:
    migrations = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCES / "migrations").glob("*.sql")))
    tables = re.findall(r"create_mirror_v\d+\('(\w+)'", migrations)
    assert not [name for name, count in Counter(tables).items() if count > 1]
    found(f"{kind.name}: no table in the migrations" for kind in KINDS if kind.name not in tables)


# Errors, logs


def test_broad_excepts_stand_at_the_edges() -> None:
    found(
        f"{file.where(node)}: except {ast.unparse(node.type) if node.type else ''}"
        for file in ours()
        if file.name not in BROAD_EXCEPTS
        for node in file.each(ast.ExceptHandler)
        if _is_broad(node) and not _raises_again(node)
    )
    found(
        f"{file.where(node)}: suppresses everything"
        for file in ours()
        for node in file.each(ast.Call)
        if dotted(node.func).endswith("suppress") and any(_names_everything(argument) for argument in node.args)
    )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or _names_everything(handler.type)


def _names_everything(node: ast.expr) -> bool:
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(dotted(name) in {"Exception", "BaseException"} for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_the_drawn_tree_of_errors_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.fullmatch(r"((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)", line):
            depth = len(line[: match.start(2)]) // 4
            path[depth:] = [match.group(2)]
            if depth:
                drawn[path[depth]] = path[depth - 1]
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    real = {each.__name__: each.__bases__[0].__name__ for each in classes if each is not errors.BridgedError}
    assert drawn == real


def test_errors_are_of_the_tree() -> None:
    found(
        f"{file.where(node)}: {node.name} is not in core/errors.py"
        for file in ours()
        if file.name not in {"core/errors.py", *ERRORS_ELSEWHERE}
        for node in file.each(ast.ClassDef)
        if any(re.search(r"(Error|Exception)$", dotted(base)) for base in node.bases)
    )


def test_codes_of_errors_are_their_own() -> None:
    codes = Counter(each.code for each in error_classes())
    assert not [code for code, count in codes.items() if count > 1]


def error_classes() -> list[type[errors.BridgedError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.BridgedError)]


def test_events_in_logs_have_constant_names() -> None:
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    found(
        f"{file.where(node)}: the event's name must be a constant in snake case"
        for file in ours()
        for node in file.each(ast.Call)
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and re.search(r"log", dotted(node.func.value).rpartition(".")[2])
        and not (node.args and re.fullmatch(r"[a-z0-9_]+", _constant(node.args[0])))
    )


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


# The laws themselves


def test_exceptions_to_the_laws_are_still_needed() -> None:
    names = {file.name for file in ours()}
    listed = {*SQL_HOMES, *PSYCOPG_HOMES, *CLOCK_HOMES, *BROAD_EXCEPTS, *PYRIGHT_IGNORES, *ERRORS_ELSEWHERE}
    assert listed <= names
    for file in ours():
        used = {dotted(node) for node in file.each(ast.Attribute)}
        assert CLOCK_HOMES.get(file.name, (set(),))[0] <= used


def test_the_check_runs_what_it_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for tool in (
        "ruff check",
        "ruff format --check",
        "basedpyright",
        "lint-imports",
        "test_house.py",
        "test_papers.py",
    ):
        assert tool in makefile
