"""The keyset is rotated while other processes sync and receive: nothing fails to open, the old key opens nothing."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import psycopg
import pytest
import tink
from psycopg.rows import dict_row
from tink import aead, secret_key_access
from tink.testing import fake_kms

from bridged import accounts
from bridged import app as root
from bridged.accounts.audit.store import SYSTEM
from bridged.accounts.ciphertexts.store import PLACES
from bridged.app import hooks, keys
from bridged.core import settings as process_settings
from bridged.core.db import Database
from bridged.core.errors import SettingsError, VaultError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import open_vault
from bridged.sim import server, world
from ground import MASTER, WORKSPACE, new_scope
from postbox import signed, written
from simulation.command import Home, homed
from simulation.test_kill import until
from unit.tree import dotted, ours

SIGNING = "whsec_" + "R0tat3" * 5
MANY = 3 * keys.BATCH
OPAQUE = {
    "bridged.oauth_states.hash",
    "bridged.channel_bodies.body",
    "bridged.api_tokens.hash",
    "bridged.events.payload",
    "bridged.deliveries.body",
    "bridged.sessions.hash",
    "bridged.links.hash",
    "bridged.throttles.key",
}
"""Columns of bytes that hold no ciphertext: digests, and what Stripe delivered."""


def rows(owner: str, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(owner, row_factory=dict_row) as conn:
        return conn.execute(query, values).fetchall()


def dumped(owner: str) -> list[dict[str, Any]]:
    """Every ciphertext with what it is bound to."""
    return rows(
        owner,
        "select workspace_id, connection_id::text, field, ciphertext from bridged.credentials union all "
        "select workspace_id, connection_id::text, 'webhook_secret:' || id, ciphertext from bridged.webhook_secrets",
    )


async def filled(app: root.App, workspace: int, count: int) -> None:
    """Connections that have a key and a signing secret each."""
    async with app.database.transaction(workspace) as conn:
        for number in range(count):
            scope = await new_scope(conn, f"filling {number}", workspace)
            secret = Secret(f"rk_test_{workspace}_{number}")
            place = {"workspace_id": workspace, "connection_id": scope.connection_id, "field": accounts.API_KEY}
            await conn.execute(
                "insert into bridged.credentials (workspace_id, connection_id, field, ciphertext) "
                "values (%s, %s, %s, %s)",
                (workspace, scope.connection_id, accounts.API_KEY, app.vault.encrypt(secret, **place)),
            )


def stranger(owner: str) -> int:
    with psycopg.connect(owner) as conn:
        row = conn.execute("insert into bridged.workspaces (name) values ('stranger') returning id").fetchone()
        assert row is not None
        return row[0]


async def accepting(url: str) -> None:
    """Until somebody listens: the address is said a moment before."""
    for _ in range(300):
        with contextlib.suppress(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz"):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"nobody listens at {url}")


@contextlib.asynccontextmanager
async def served(home: Home, said: list[str] | None = None) -> AsyncIterator[str]:
    """`bridged serve` in a process of its own; its address. What it said is added to `said`."""
    serve = await home.start("serve", "--port", "0")
    assert serve.process.stderr is not None
    found, lines = None, b""
    while found is None:
        line = await serve.process.stderr.readline()
        assert line, f"it ended before it served: {lines.decode()}"
        lines += line
        found = re.search(r"Serving (http://127\.0\.0\.1:\d+)", line.decode())
    # Read all the while: a full pipe would hold it up.
    log = asyncio.create_task(serve.process.stderr.read())
    try:
        await accepting(found[1])
        yield found[1]
    finally:
        serve.kill(15)
        text = (lines + await log).decode()
        await serve.process.wait()
        assert '"code": "vault"' not in text
        assert "does_not_open" not in text
        (said if said is not None else []).append(text)


async def killed_in_the_middle(home: Home, owner: str) -> None:
    """A rotation that meets a locked row in its second batch or later, and is killed while it waits there."""
    row = rows(owner, "select connection_id from bridged.credentials where workspace_id = %s "
                      "order by connection_id offset %s limit 1", WORKSPACE, keys.BATCH + 5)[0]  # fmt: skip
    async with await psycopg.AsyncConnection.connect(owner) as lock:
        await lock.execute("select from bridged.credentials where connection_id = %s for update", tuple(row.values()))
        rotating = await home.start("keys", "rotate")
        assert rotating.process.stderr is not None
        while f"{keys.BATCH} of" not in (line := (await rotating.process.stderr.readline()).decode()):
            assert line, "it ended before it was killed"
        rotating.kill()
        await rotating.ended()


async def test_a_rotation_is_killed_and_finished_while_others_sync_and_receive(
    settings: Settings, owner: str, seed: int
) -> None:
    made = world.build(seed, 3, livemode=False)
    async with (
        server.running(made) as sim,
        homed(sim.url, BRIDGED_DATABASE_URL=owner, BRIDGED_MASTER_KEY=MASTER) as home,
        root.opened(replace(settings, stripe_api_base=sim.url)) as app,
    ):
        connected = await home.run("connect", "--key-stdin", "--json", "--name", "shop", given=sim.key())
        assert connected.code == 0, connected.err
        shop = await root.find_connection(app, "shop")
        await hooks.enter_webhook_secret(app, shop, SIGNING, timedelta(0))
        await filled(app, WORKSPACE, MANY)
        await filled(app, stranger(owner), 3)
        old = dumped(owner)
        async with served(home) as url:
            over = asyncio.Event()

            async def delivering() -> int:
                number = 0
                async with aiohttp.ClientSession() as session:
                    while not over.is_set() or number < 5:
                        number += 1
                        body = written(number, account=None)
                        where = f"{url}/webhooks/stripe/{shop.id}"
                        headers = {"Stripe-Signature": signed(body, SIGNING).decode()}
                        async with session.post(where, data=body, headers=headers) as answer:
                            assert answer.status == 200, await answer.text()
                        await asyncio.sleep(0.02)
                return number

            async def syncing() -> int:
                number = 0
                while not over.is_set() or number < 2:
                    number += 1
                    ended = await home.run("sync", "--connection", "shop", "--objects", "customers", "--json")
                    assert ended.code == 0, ended.err
                return number

            async with asyncio.TaskGroup() as others:
                deliveries, syncs = others.create_task(delivering()), others.create_task(syncing())
                await killed_in_the_middle(home, owner)
                between = (await home.run("keys", "show", "--json")).json
                assert [each["state"] for each in between["keys"]] == ["old", "primary"]
                assert all(each["ciphertexts"] for each in between["keys"])
                rotated = await home.run("keys", "rotate", "--json")
                over.set()
            assert rotated.code == 0, rotated.err
            assert rotated.json["resumed"]
            assert deliveries.result() >= 5
            assert syncs.result() >= 2
            after = (await home.run("keys", "show", "--json")).json
        assert [each["state"] for each in after["keys"]] == ["destroyed", "primary"]
        assert after["keys"][1]["ciphertexts"] == len(old)
        assert after["foreign"] == 0
        vault = await open_vault(settings, app.database)
        for each in dumped(owner):
            assert vault.decrypt(each.pop("ciphertext"), **each)
        for each in old:
            with pytest.raises(VaultError):
                vault.decrypt(each.pop("ciphertext"), **each)


async def test_what_does_not_open_keeps_the_old_key_and_is_named(settings: Settings, owner: str) -> None:
    async with root.opened(settings) as app:
        await filled(app, WORKSPACE, 3)
        lost = rows(owner, "select connection_id::text from bridged.credentials limit 1")[0]["connection_id"]
        with psycopg.connect(owner) as conn:
            # A ciphertext that was moved: the key is known, the place is another.
            conn.execute("update bridged.credentials set field = 'moved' where connection_id = %s", (lost,))
        with pytest.raises(VaultError, match="1 stored credentials do not open"):
            await keys.rotate(app, SYSTEM)
        shown = await keys.show(app)
        assert [(each.state, each.ciphertexts) for each in shown.keys] == [("old", 1), ("primary", 2)]
        with psycopg.connect(owner) as conn:
            conn.execute("delete from bridged.credentials where connection_id = %s", (lost,))
        rotated = await keys.rotate(app, SYSTEM)
        assert rotated.resumed
        assert [each.state for each in (await keys.show(app)).keys] == ["destroyed", "primary"]


async def test_a_credential_replaced_meanwhile_is_not_put_back(settings: Settings, owner: str) -> None:
    async with root.opened(settings) as app:
        await filled(app, WORKSPACE, 1)
        place = PLACES["credentials"]
        async with app.database.transaction(WORKSPACE) as conn:
            [found] = await place.read(conn, WORKSPACE, 0, keys.FIRST, 10)
            await conn.execute(
                "update bridged.credentials set ciphertext = 'newer' where connection_id = %s", (found.key[0],)
            )
            assert not await place.write(conn, WORKSPACE, found, b"stale")
        assert dumped(owner)[0]["ciphertext"] == b"newer"


async def test_who_writes_while_the_keyset_changes_waits_and_uses_the_new_key(settings: Settings, owner: str) -> None:
    """Two installations, as two processes: what the second writes after the change is under the new key."""
    async with root.opened(settings) as one, root.opened(settings) as two:
        old = two.vault.keys.primary
        async with two.database.transaction(WORKSPACE) as conn:
            await two.vault.current(conn)
            changing = asyncio.create_task(keys.rotate(one, SYSTEM))
            waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
            await until(lambda: bool(rows(owner, waiting)), 240)
            assert two.vault.keys.primary == old
        rotated = await changing
        await filled(two, WORKSPACE, 0)
        async with two.database.transaction(WORKSPACE) as conn:
            await two.vault.current(conn)
        assert two.vault.keys.primary == rotated.primary != old


def test_the_list_of_places_is_complete(owner: str) -> None:
    columns = rows(
        owner,
        "select attrelid::regclass::text || '.' || attname as name from pg_attribute a join pg_class c on c.oid = "
        "attrelid where atttypid = 'bytea'::regtype and relnamespace = 'bridged'::regnamespace and attnum > 0 "
        "and relkind in ('r', 'p') and not relispartition and not attisdropped",
    )
    names = {each["name"] for each in columns}
    assert names >= OPAQUE
    assert names - OPAQUE == {f"bridged.{each.table}.{each.column}" for each in PLACES.values()}
    counted = rows(owner, "select prosrc from pg_proc where proname = 'ciphertexts'")[0]["prosrc"]
    assert set(re.findall(r"from bridged\.(\w+)", counted)) == set(PLACES)


def test_nobody_opens_or_seals_without_asking_for_the_keyset_first() -> None:
    """In each function that does, `vault.current` is called on a line before.

    `app.keys` does so for its batch; whoever hands sealed credentials to `opened` has done it too.
    """
    careless = [
        f"{file.name}: {function.name}"
        for file in ours()
        if file.name not in {"core/vault.py", "core/keyset.py"}
        for function in file.functions()
        if (using := _lines(function, "encrypt", "decrypt"))
        and not any(line < min(using) for line in _lines(function, "current"))
    ]
    assert careless == ["accounts/credentials/store.py: opened", "app/keys.py: _anew"]


def _lines(function: ast.AST, *names: str) -> list[int]:
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
    return [each.lineno for each in calls if re.fullmatch(rf"(\w+\.)*vault\.({'|'.join(names)})", dotted(each.func))]


async def test_another_master_key_wraps_the_same_keys(settings: Settings) -> None:
    async with root.opened(settings) as app:
        await filled(app, WORKSPACE, 2)
        after = await keys.rewrap(app, SYSTEM, key=Secret("another passphrase of the tests"))
        # Who runs already goes on.
        async with app.database.transaction(WORKSPACE) as conn:
            await app.vault.current(conn)
        with pytest.raises(VaultError, match="master key"):
            await open_vault(settings, app.database)
        assert (await open_vault(after, app.database)).keys.primary == app.vault.keys.primary


async def test_a_kms_wraps_the_keyset(settings: Settings) -> None:
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES128_GCM)
    raw = tink.proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    uri = "fake-kms://" + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    fake_kms.register_client()
    try:
        async with root.opened(settings) as app:
            after = await keys.rewrap(app, SYSTEM, kms_uri=uri)
        async with root.opened(after) as app:
            await filled(app, WORKSPACE, 2)
            assert (await keys.rotate(app, SYSTEM)).ciphertexts == 2
            assert (await keys.show(app)).master == "the KMS of BRIDGED_KMS_URI (fake-kms)"
    finally:
        tink._kms_clients.reset_kms_clients()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("aws-kms://arn:aws:kms:eu-west-1:1:key/x", r"tink\[awskms\]"),
        ("gcp-kms://projects/x", r"tink\[gcpkms\]"),
        ("vault://x", "aws-kms://"),
    ],
)
async def test_a_kms_that_nothing_speaks_to_is_refused_with_what_to_install(
    settings: Settings, database: Database, uri: str, says: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        await open_vault(replace(settings, master_key=None, kms_uri=uri), database)
    assert re.search(says, refused.value.hint)


def test_master_key_and_kms_exclude_each_other() -> None:
    env = {"BRIDGED_MASTER_KEY": MASTER, "BRIDGED_KMS_URI": "aws-kms://x"}
    with pytest.raises(SettingsError, match="both set"):
        process_settings.read(env)
