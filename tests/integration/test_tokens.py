"""API tokens: shown once, kept as a digest, ended at once, seen to the minute."""

import dataclasses
import hashlib
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged import accounts
from bridged.accounts import SCOPES, Bearer
from bridged.cli.tokens import _length, create
from bridged.core import clock
from bridged.core.db import Conn, Database
from bridged.core.errors import NotFound, UsageError
from bridged.core.types import Secret
from ground import WORKSPACE
from simulation.command import homed


async def test_the_text_is_stored_nowhere(conn: Conn) -> None:
    now = clock.now()
    token, text = await accounts.create_token(conn, WORKSPACE, "shop", ["read", "sync"], now=now, lasts=None)
    assert text.reveal().startswith("brg_")
    assert len(text.reveal()) >= 44
    row = await (await conn.execute("select *, t::text as whole from bridged.api_tokens t")).fetchone()
    assert row is not None
    assert row["hash"] == hashlib.sha256(text.reveal().encode()).digest()
    assert text.reveal() not in row["whole"]
    assert text.reveal() not in repr(token)
    assert await accounts.bearer(conn, text) == Bearer(WORKSPACE, token.id, ("read", "sync"), "shop")


async def test_a_token_ends(conn: Conn) -> None:
    now = clock.now()
    for lasts, valid in ((timedelta(hours=1), True), (timedelta(seconds=-1), False), (None, True)):
        token, text = await accounts.create_token(conn, WORKSPACE, f"{lasts}", ["read"], now=now, lasts=lasts)
        assert (await accounts.bearer(conn, text) is not None) == token.valid(now) == valid
        ended = await accounts.revoke_token(conn, WORKSPACE, token.id, now)
        assert not ended.valid(now)
        assert await accounts.bearer(conn, text) is None
        again = await accounts.revoke_token(conn, WORKSPACE, token.id, now + timedelta(days=1))
        assert again.revoked_at == ended.revoked_at


async def test_names_are_free_again_when_a_token_has_ended(conn: Conn) -> None:
    now = clock.now()
    first, _ = await accounts.create_token(conn, WORKSPACE, "shop", ["read"], now=now, lasts=None)
    with pytest.raises(UsageError, match="exists already"):
        await accounts.create_token(conn, WORKSPACE, "shop", ["read"], now=now, lasts=None)
    await accounts.revoke_token(conn, WORKSPACE, "shop", now)
    second, _ = await accounts.create_token(conn, WORKSPACE, "shop", ["read"], now=now, lasts=None)
    assert (await accounts.revoke_token(conn, WORKSPACE, "shop", now)).id == second.id != first.id
    with pytest.raises(NotFound):
        await accounts.revoke_token(conn, WORKSPACE, "shop", now)


@pytest.mark.parametrize(
    "text", ["", "brg_", "brg_" + "x" * 42, "brg_" + "x" * 44, "rk_live_" + "x" * 43, "brg_" + "ü" * 43]
)
async def test_what_is_no_token_is_not_looked_up(conn: Conn, text: str) -> None:
    assert await accounts.bearer(conn, Secret(text)) is None


async def test_a_token_is_found_in_no_workspace_and_used_in_its_own(database: Database, owner: str) -> None:
    with psycopg.connect(owner) as admin:
        row = admin.execute("insert into bridged.workspaces (name) values ('other') returning id").fetchone()
        assert row is not None
    now, other = clock.now(), row[0]
    async with database.transaction(other) as conn:
        token, text = await accounts.create_token(conn, other, "theirs", ["read"], now=now, lasts=None)
    async with database.transaction() as conn:
        found = await accounts.bearer(conn, text)
        assert found == Bearer(other, token.id, ("read",), "theirs")
        assert await (await conn.execute("select from bridged.api_tokens")).fetchall() == []
    async with database.transaction(WORKSPACE) as conn:
        assert await accounts.tokens(conn, WORKSPACE) == []
        await accounts.token_used(conn, found, now)
        with pytest.raises(NotFound):
            await accounts.revoke_token(conn, WORKSPACE, token.id, now)
    async with database.transaction(other) as conn:
        assert [each.last_used_at for each in await accounts.tokens(conn, other)] == [None]
        for seconds, seen in ((0, 0), (59, 0), (60, 60), (61, 60)):
            await accounts.token_used(conn, found, now + timedelta(seconds=seconds))
            at = (await accounts.tokens(conn, other))[0].last_used_at
            assert at is not None
            assert (at - now).total_seconds() == pytest.approx(seen, abs=0.001)


@given(st.sets(st.sampled_from(SCOPES)))
def test_scopes_include_those_before_them(scopes: set[str]) -> None:
    bearer = Bearer(1, "id", tuple(scopes))
    highest = max((SCOPES.index(each) for each in scopes), default=-1)
    assert [bearer.may(each) for each in SCOPES] == [index <= highest for index in range(len(SCOPES))]
    assert not dataclasses.replace(bearer, scopes=("unknown",)).may("read")


@pytest.mark.parametrize(
    ("given_text", "days"), [("90d", 90), ("12h", 0.5), ("8w", 56), ("3660d", 3660), ("1h", 1 / 24)]
)
def test_how_long_a_token_lasts(given_text: str, days: float) -> None:
    assert _length(given_text) == timedelta(days=days)


@pytest.mark.parametrize("given_text", ["", "90", "d", "-1d", "0d", "1.5d", "90 d", "3661d", "99999w", "\u0661d"])
def test_what_is_no_time(given_text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        _length(given_text)


async def test_the_commands() -> None:
    async with homed("http://127.0.0.1:1", kept=True) as home:
        await home.url()  # keeps the server for all of these
        made = await home.run("tokens", "create", "--name", "shop", "--scope", "read", "--scope", "sync", "--json")
        assert made.code == 0, made.err
        assert made.json["scopes"] == ["read", "sync"]
        shown = await home.run("tokens", "create", "--name", "other", "--expires", "90d")
        assert shown.out.strip().startswith("brg_")
        assert len(shown.out.split()) == 1
        assert shown.out.strip() not in shown.err
        listed = await home.run("tokens", "list", "--json")
        assert [(each["name"], each["state"]) for each in listed.json["tokens"]] == [
            ("shop", "valid"),
            ("other", "valid"),
        ]
        assert "brg_" not in listed.out
        assert (await home.run("tokens", "revoke", "shop")).code == 0
        listed = await home.run("tokens", "list", "--json")
        assert [each["state"] for each in listed.json["tokens"]] == ["revoked", "valid"]


def test_commands_that_are_wrong() -> None:
    for wrong in ({"name": " "}, {"name": "x", "expires": "soon"}):
        with pytest.raises(UsageError):
            create(**wrong)
