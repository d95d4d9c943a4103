"""Statements that the pages show prepare against the schema as it is."""

import psycopg

from ground import Cluster
from unit.written import of


def test_statements_that_are_shown_prepare(cluster: Cluster, standing: str) -> None:
    with psycopg.connect(cluster.url(standing), autocommit=True) as conn:
        for each in of("sql"):
            try:
                conn.execute("prepare shown as " + each.text.strip().rstrip(";"))
            except psycopg.Error as error:
                raise AssertionError(f"{each}: {error}") from error
            conn.execute("deallocate shown")
