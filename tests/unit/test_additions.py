"""What a pre migration may hold: processes of the version before run on with it, and nobody waits long for a lock."""

from collections.abc import Iterator
from typing import Any

import pytest
from pglast import ast, enums, parse_sql

from bridged.core.migrate import shipped

_RELEASED = 31
"""Migrations up to here are those of the first version, before which there was none."""
_SCANS = {"0032 traces": "the tables hold what few installations of the first version had sent"}
"""Migrations that may make an index on a table that is in use."""
_COMMANDS = {
    enums.AlterTableType.AT_DropColumn: "drops a column",
    enums.AlterTableType.AT_AlterColumnType: "changes a type",
    enums.AlterTableType.AT_SetNotNull: "forbids null",
    enums.AlterTableType.AT_DropConstraint: "drops a constraint",
    enums.AlterTableType.AT_AddConstraint: "constrains what is in use",
    enums.AlterTableType.AT_AttachPartition: "attaches a partition",
    enums.AlterTableType.AT_DetachPartition: "detaches a partition",
    enums.AlterTableType.AT_SetLogged: "writes the table anew",
}
_STATEMENTS = {
    ast.DropStmt: "drops",
    ast.RenameStmt: "renames",
    ast.TruncateStmt: "empties a table",
    ast.DeleteStmt: "deletes",
    ast.DoStmt: "does what cannot be judged",
    ast.AlterObjectSchemaStmt: "moves",
    ast.VacuumStmt: "scans",
    ast.ClusterStmt: "writes a table anew",
    ast.ReindexStmt: "locks an index",
}


def complaints(text: str, *, scans: bool = False) -> Iterator[str]:
    """What in a pre migration could break or stall those who are at work."""
    statements = [each.stmt for each in parse_sql(text)]
    new = {_table(each.relation) for each in statements if isinstance(each, ast.CreateStmt)}
    for each in statements:
        if type(each) in _STATEMENTS:
            yield _STATEMENTS[type(each)]
        elif isinstance(each, ast.AlterTableStmt) and _table(each.relation) not in new:
            yield from (complaint for command in each.cmds for complaint in _command(command))
        elif isinstance(each, ast.IndexStmt) and _table(each.relation) not in new:
            if each.unique:
                yield "forbids what is in use to be doubled"
            elif not each.concurrent and not scans:
                yield "blocks writers while it makes an index: give it a file that begins with `-- concurrently`"
        elif isinstance(each, ast.GrantStmt) and not each.is_grant and each.objtype != enums.ObjectType.OBJECT_FUNCTION:
            yield "takes a right away"


def _table(relation: Any) -> tuple[str | None, str]:
    return relation.schemaname, relation.relname


def _command(command: Any) -> Iterator[str]:
    if command.subtype in _COMMANDS:
        yield _COMMANDS[command.subtype]
    elif command.subtype == enums.AlterTableType.AT_AddColumn:
        kinds = {each.contype: each for each in command.def_.constraints or ()}
        default = kinds.get(enums.ConstrType.CONSTR_DEFAULT)
        if enums.ConstrType.CONSTR_NOTNULL in kinds and default is None:
            yield "adds a column that must be given"
        if enums.ConstrType.CONSTR_GENERATED in kinds or enums.ConstrType.CONSTR_IDENTITY in kinds:
            yield "writes the table anew"
        if default is not None and isinstance(default.raw_expr, ast.FuncCall) and _name(default.raw_expr) != "now":
            yield "writes the table anew"


def _name(call: Any) -> str:
    return call.funcname[-1].sval


@pytest.mark.parametrize(
    "text",
    [
        "drop table bridged.a",
        "drop function bridged.a()",
        "alter table bridged.a rename column b to c",
        "alter table bridged.a rename to b",
        "alter table bridged.a drop column b",
        "alter table bridged.a alter column b type bigint",
        "alter table bridged.a alter column b set not null",
        "alter table bridged.a add column b int, add column c int not null",
        "alter table bridged.a add column b uuid not null default gen_random_uuid()",
        "alter table bridged.a add column b int generated always as (c + 1) stored",
        "alter table bridged.a add check (b > 0)",
        "create unique index on bridged.a (b)",
        "create unique index concurrently c on bridged.a (b)",
        "create index on bridged.a (b)",
        "truncate bridged.a",
        "delete from bridged.a",
        "do $$ begin end $$",
        "revoke select on bridged.a from bridged_app",
    ],
)
def test_what_breaks_or_stalls_the_version_before_is_found(text: str) -> None:
    assert len(list(complaints(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        """create table bridged.a (b int not null); create unique index on bridged.a (b);
        alter table bridged.a enable row level security; create policy p on bridged.a using (true)""",
        "alter table bridged.a add column b text, add column c timestamptz not null default now()",
        "alter table bridged.a add column b text not null default 'x' check (b in ('x', 'y'))",
        "create index concurrently c on bridged.a (b)",
        """create function bridged.a() returns int language sql return 1;
        revoke execute on function bridged.a() from public; grant execute on function bridged.a() to bridged_app""",
    ],
)
def test_what_only_adds_passes(text: str) -> None:
    assert list(complaints(text)) == []


def test_pre_migrations_only_add() -> None:
    found = [
        f"{each}: {complaint}"
        for each in shipped()
        if each.number > _RELEASED and not each.post
        for complaint in complaints(each.text, scans=str(each) in _SCANS)
    ]
    assert found == []


def test_each_file_that_is_to_run_beside_the_work_can() -> None:
    for each in shipped():
        assert (each.index is not None) == ("index concurrently" in each.text), str(each)
