"""Keys that can be recognised are planted, everything is done at debug level, and they are looked for everywhere."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import psycopg
from psycopg import sql

from bridged.core import clock
from bridged.core.settings import Settings
from bridged.sim import server, world
from ground import Cluster
from postbox import signed, written
from simulation.command import Ended, Home, homed
from simulation.stage import account_of
from simulation.test_key_rotation import served

MARK = "PLaNTeDPLaNTeDPLaNTeD001"
SIGNING = "whsec_" + "PLaNTeDSiGNiNG" * 2
MASTER = "PLaNTeD master passphrase of this test"
CIPHERTEXTS = {("bridged", "credentials", "ciphertext"), ("bridged", "webhook_secrets", "ciphertext")}


def spellings(secret: str) -> set[bytes]:
    """A secret as plain text, in hex, in URLs, and in base64 at each of the three places it may begin."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode(), raw[::-1]}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The first and last letters depend on the neighbours.
            found.add(encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-2])
    return found


@dataclass
class Catch:
    """All that was said, by where it was said."""

    secrets: tuple[str, ...]
    texts: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    def add(self, where: str, text: bytes | str) -> None:
        self.texts.append((where, text.encode() if isinstance(text, str) else text))

    def ended(self, where: str, ended: Ended) -> Ended:
        self.add(f"{where}, output", ended.out)
        self.add(f"{where}, log", ended.err)
        return ended

    def hits(self) -> list[str]:
        """Where a secret stands in the clear or in a simple spelling."""
        wanted = {spelling for secret in self.secrets for spelling in spellings(secret)}
        return sorted({where for where, text in self.texts if any(each in text for each in wanted)})


def dump(owner: str, catch: Catch) -> None:
    """Every column of every table, as text and, of bytes, as they are; but for the ciphertexts."""
    with psycopg.connect(owner) as conn:
        columns = conn.execute(
            "select table_schema, table_name, column_name, data_type from information_schema.columns join "
            "information_schema.tables using (table_schema, table_name) where table_type = 'BASE TABLE' "
            "and table_schema not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert {tuple(each[:3]) for each in columns} >= CIPHERTEXTS
        for schema, table, column, kind in columns:
            if (schema, table, column) in CIPHERTEXTS:
                continue
            what = sql.Identifier(column) + sql.SQL("" if kind == "bytea" else "::text")
            query = sql.SQL("select {} from {}").format(what, sql.Identifier(schema, table))
            values = [each for (each,) in conn.execute(query).fetchall() if each is not None]
            joined = b"\n".join(each if isinstance(each, bytes) else each.encode() for each in values)
            catch.add(f"{schema}.{table}.{column}", joined)


async def visit(url: str, token: str, connection: str, catch: Catch) -> None:
    """Deliveries, good and refused, and the API, with a token and without."""
    bad = b'{"id": "evt_x"}'
    deliveries = [
        (written(1, livemode=False), signed(written(1, livemode=False), SIGNING).decode(), 200),
        (written(2), signed(written(2), "whsec_another").decode(), 400),
        (bad, signed(bad, SIGNING).decode(), 400),
        (bad, "t=1,v1=00", 400),
    ]
    paths = ("", "/customers", "/customers/none", "/settings", "/runs", "/webhook", "/deliveries", "/events", "/doctor")
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, where: str, **options: object) -> int:
            async with session.request(method, url + where, **options) as answer:  # pyright: ignore[reportArgumentType]
                catch.add(f"{method} {where}", str(answer.headers).encode() + await answer.read())
                return answer.status

        for body, header, status in deliveries:
            where = f"/webhooks/stripe/{connection}"
            assert await ask("POST", where, data=body, headers={"Stripe-Signature": header}) == status
        for path in ("/", "/readyz", "/api/openapi.json", "/api/v1/connections", "/api/v1/doctor"):
            await ask("GET", path, headers={"Authorization": f"Bearer {token}"})
        for path in paths:
            await ask("GET", f"/api/v1/connections/{connection}{path}", headers={"Authorization": f"Bearer {token}"})
        assert await ask("GET", "/api/v1/connections", headers={"Authorization": f"Bearer {SIGNING}"}) == 401
        await ask("PATCH", f"/api/v1/connections/{connection}/settings", json={"objects": SIGNING[:0] + "nothing"},
                  headers={"Authorization": f"Bearer {token}"})  # fmt: skip


async def errors(home: Home, sim: server.Simulator, key: str, catch: Catch) -> None:
    """What goes wrong quotes what was sent, Stripe's words too."""
    for status, code, times in ((401, "api_key_expired", None), (403, "account_invalid", None), (500, None, 2)):
        words = f"Not with the key {key}, no."
        rule = sim.faults.add("status", status=status, code=code, message=words, times=times)
        for command in ("sync", "doctor") if status == 401 else ("sync",):
            ended = await home.run(command, "--json")
            catch.ended(f"{command} at {status}", ended)
            assert times or ended.code == 1
        assert rule.fired
        sim.faults.remove(rule.id)
    for pasted in (f"{key}x y", SIGNING, f"pk_test_{MARK}", f'"{key}'):
        catch.ended("a wrong key", await home.run("connect", "--key-stdin", "--json", given=pasted))


async def test_no_planted_key_stands_anywhere(settings: Settings, owner: str, cluster: Cluster, seed: int) -> None:
    made = world.build(seed, 2, livemode=False, now=int(clock.unix()))
    key = made.add_key(account_of(made))
    made.keys.pop(key.text)
    planted = f"sk_test_{MARK}"
    made.keys[planted] = type(key)(planted, key.account_id, key.livemode, None)
    catch = Catch((planted, MARK, SIGNING, SIGNING.removeprefix("whsec_"), MASTER))
    given = {"BRIDGED_DATABASE_URL": owner, "BRIDGED_MASTER_KEY": MASTER, "BRIDGED_LOG_LEVEL": "debug"}
    async with server.running(made) as sim, homed(sim.url, **given) as home:
        connected = catch.ended("connect", await home.connect(planted))
        assert connected.code == 0, connected.err
        connection = connected.json["connection"]
        entered = await home.run("webhook", "secret", "--stdin", given=SIGNING)
        assert catch.ended("webhook secret", entered).code == 0, entered.err
        assert catch.ended("sync", await home.run("sync", "--json")).code == 0
        token = (await home.run("tokens", "create", "--name", "all", "--scope", "admin", "--json")).json["token"]
        said: list[str] = []
        async with served(home, said) as url:
            await visit(url, token, connection, catch)
        catch.add("serve, log", said[0])
        await errors(home, sim, planted, catch)
        for words in (("keys", "show"), ("keys", "rotate"), ("status", "--json"), ("webhook", "show", "--json")):
            catch.ended(" ".join(words), await home.run(*words))
        catch.ended("demo", await home.run("demo", "--once", "--size", "tiny"))
    dump(owner, catch)
    assert any(b"stripe_answered" in text for _, text in catch.texts), "the log was not at debug level"
    assert catch.hits() == []
    assert len(catch.texts) > 200
    _canaries(catch, owner, planted)


def _canaries(catch: Catch, owner: str, planted: str) -> None:
    """The same net, with something in it."""
    with psycopg.connect(owner) as conn:
        conn.execute("update bridged.connections set account_name = %s", (f"name {planted.encode().hex()}",))
        conn.execute("update bridged.deliveries set body = %s", (f"x{planted}".encode(),))
    dump(owner, catch)
    tables = {re.sub(r"_(\d{8}|default)\.", ".", where) for where in catch.hits()}
    assert tables == {"bridged.connections.account_name", "bridged.deliveries.body"}
    for spelt in (planted, base64.b64encode(f"ab{planted}:".encode()).decode(), quote(MASTER, safe="")):
        net = Catch(catch.secrets)
        net.add("here", f"before {spelt} after")
        assert net.hits() == ["here"]
