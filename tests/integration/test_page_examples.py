"""Statements that the pages show prepare against the schema as it is; what makes roles and databases parses."""

import pglast
import psycopg

from ground import Cluster
from unit.written import of

PREPARED = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt")


def test_statements_that_are_shown_prepare(cluster: Cluster, standing: str) -> None:
    prepared = 0
    with psycopg.connect(cluster.url(standing), autocommit=True) as conn:
        for each in of("sql"):
            for statement, kind in zip(pglast.split(each.text), pglast.parse_sql(each.text), strict=True):
                if type(kind.stmt).__name__ not in PREPARED:
                    continue
                try:
                    conn.execute(f"prepare shown as {statement}")
                except psycopg.Error as error:
                    raise AssertionError(f"{each}: {error}") from error
                conn.execute("deallocate shown")
                prepared += 1
    assert prepared
