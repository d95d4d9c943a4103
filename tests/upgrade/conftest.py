"""A database with nothing in it."""

from collections.abc import Iterator

import psycopg
import pytest

from ground import Cluster


@pytest.fixture
def fresh(cluster: Cluster) -> Iterator[str]:
    """Its URL."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
        admin.execute("create database rolling template template0")
        yield cluster.url("rolling")
        admin.execute("drop database rolling with (force)")
