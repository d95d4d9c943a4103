"""The doctor against a Stripe that gives it something to find: each situation has a finding of its own."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bridged import app as root
from bridged.app import checkup, hooks
from bridged.connect import doctor
from bridged.connect.doctor import DatabaseFacts, EgressFacts, Finding, WorkerFacts
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.stripe.client import PIN
from bridged.worker import working
from ground import MASTER
from served import serving
from simulation.command import homed
from simulation.stage import Stage, build, staged
from simulation.test_kill import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOUND = DatabaseFacts(180004, "bridged_app", None, (), (), (), (), 0.1)
OPEN = EgressFacts("https://api.stripe.com", None, "", "TLSv1.3", 0.2, proxy=False)


@contextlib.asynccontextmanager
async def connected(settings: Settings, seed: int, **options: Any) -> AsyncIterator[Stage]:
    async with staged(replace(settings, **options), build(seed % 1000, 2, now=int(clock.unix()))) as stage:
        await stage.connect()
        yield stage


async def found(stage: Stage) -> dict[str, Finding]:
    assert stage.connection is not None
    shown = await checkup.connection(stage.app, stage.connection)
    assert len({each.id for each in shown}) == len(shown)
    for each in shown:
        assert each.title
        assert each.severity == "ok" or (each.cause and each.next_step), each
        assert each.curl is None or '-u "$STRIPE_KEY:"' in each.curl
        assert not re.search(r"[rs]k_(live|test)_\w", str(each))
    return {each.id: each for each in shown}


async def test_a_sound_connection_has_nothing_to_mend(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        before = await found(stage)
        assert before["no_data"].cause == "No sync has ended yet."
        assert before["last_sync"].severity == "warn"
        await stage.sync()
        after = await found(stage)
        assert {each.severity for each in after.values()} == {"ok"}, after
        assert {"key", "single_connection", "permissions", "data", "pagination", "rate", "webhook"} <= set(after)
        whole = {each.id: each.severity for each in await checkup.installation(stage.app)}
        assert whole.pop("workers") == "warn"
        assert set(whole.values()) == {"ok"}, whole
        assert {"database", "migrations", "clock_database", "egress", "tls", "row_level_security"} <= set(whole)


async def test_a_refused_key(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        stage.rule("status", status=401, code="api_key_expired", message="Expired API Key provided: rk_live_abc")
        assert (shown := (await found(stage))["connection_fails"]).severity == "error"
        assert "expired or was rolled" in shown.cause
        assert shown.curl == doctor.curl(stage.sim.url, "/v1/customers?limit=1", PIN)


async def test_access_that_was_revoked_is_told_with_the_single_platform_policy(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        stage.rule("status", status=403, code="account_invalid", message="The account was revoked.")
        shown = (await found(stage))["single_connection"]
        assert shown.severity == "error"
        assert "single platform policy" in shown.cause


async def test_permissions_are_named_as_the_dashboard_ticks_them(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed % 1000, 2, now=int(clock.unix()))) as stage:
        await stage.connect(stage.key("rak_customer_read", "rak_connected_account_read"))
        shown = await found(stage)
        assert "rak_invoice_read" in shown["permission_invoices"].next_step
        assert "permission_customers" not in shown
        assert shown["webhook"].severity == "ok"


async def test_an_empty_account_is_no_error(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        await stage.sync()
        with psycopg.connect(stage.url) as conn:
            for kind in stage.kinds:
                conn.execute(f"delete from stripe.{kind.name}")
        assert "account is empty" in (await found(stage))["no_data"].cause


async def test_a_list_that_broke_off_and_429s(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        stage.rule("rate_limit", path="/v1/customers", times=2)
        stage.rule("status", path="/v1/invoices", status=500)
        assert not (await stage.sync()).complete
        stage.sim.faults.clear()
        shown = await found(stage)
        assert shown["pagination_incomplete"].severity == "error"
        assert "invoices:" in shown["pagination_incomplete"].cause
        assert "2 of" in shown["rate_limiting"].title


async def test_stripe_that_does_not_answer(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        stage.rule("status", status=503)
        assert (await found(stage))["key_untried"].severity == "error"


async def test_a_sync_that_is_late(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        await stage.sync()
        with psycopg.connect(stage.url) as conn:
            conn.execute("update bridged.runs set started_at = started_at - interval '3 days'")
            conn.execute("update bridged.sync_settings set next_sync_at = now() - interval '2 days'")
        assert "late" in (await found(stage))["last_sync"].title


async def test_what_is_wrong_with_the_endpoint(settings: Settings, seed: int) -> None:
    async with connected(settings, seed, public_url="https://bridged.example") as stage:
        assert stage.connection is not None
        made = await hooks.ensure_webhook(stage.app, stage.connection)
        assert made.webhook.endpoint_id
        assert (await found(stage))["webhook_not_received"].severity == "warn"
        for change, name in (
            ({"status": "disabled"}, "webhook_disabled"),
            ({"status": "enabled", "url": "https://elsewhere.example/"}, "webhook_url"),
            ({"api_version": "2020-08-27"}, "webhook_version"),
            ({"enabled_events": ["customer.created"]}, "webhook_events"),
        ):
            stage.account.update("webhook_endpoints", made.webhook.endpoint_id, change)
            assert (await found(stage))[name].severity == "error"
        stage.account.delete("webhook_endpoints", made.webhook.endpoint_id)
        assert (await found(stage))["webhook_missing"].severity == "error"


async def test_refused_deliveries_are_told_by_cause(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage, serving(stage.app) as web:
        assert stage.connection is not None
        await hooks.enter_webhook_secret(stage.app, stage.connection, "whsec_" + "0ther" * 6, timedelta(0))
        where = f"/webhooks/stripe/{stage.connection.id}"
        for header in ({}, {"Stripe-Signature": "t=1,v1=00"}):
            assert (await web.ask("POST", where, token="", data=b"{}", headers=header)).status == 400
        shown = await found(stage)
        assert shown["webhook_refused_no_header"].severity == "warn"
        assert {"webhook_refused_stale", "webhook_refused_bad_signature"} & set(shown)
        assert shown["webhook_not_received"].severity == "error"
        answer = await web.get(f"/api/v1/connections/{stage.connection.id}/doctor")
        assert answer.json["severity"] == "error"
        assert {each["id"] for each in answer.json["findings"]} == set(shown)
        assert (await web.get("/api/v1/doctor")).json["severity"] in {"ok", "warn"}


async def test_a_worker_that_lives(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage, working(stage.app):

        def seen() -> bool:
            with psycopg.connect(stage.url) as conn:
                return conn.execute("select 1 from jobs.procrastinate_workers").fetchone() is not None

        await until(seen, 240)
        shown = {each.id: each for each in await checkup.installation(stage.app)}
        assert (shown["workers"].severity, shown["workers"].title) == ("ok", "Workers at work.")


def closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def test_nobody_listens_at_the_address(settings: Settings) -> None:
    async with root.opened(replace(settings, stripe_api_base=closed())) as app:
        shown = {each.id: each for each in await checkup.installation(app)}
    assert shown["egress_refused"].severity == "error"


async def test_a_page_that_is_not_stripe(settings: Settings) -> None:
    async with root.opened(settings) as app, serving(app) as web:
        facts = await checkup.egress(f"{web.url}/nowhere")
    assert facts.trouble == "no_stripe"


async def test_tls_that_is_none(settings: Settings, seed: int) -> None:
    async with connected(settings, seed) as stage:
        facts = await checkup.egress(stage.sim.url.replace("http:", "https:"))
    assert facts.trouble == "tls"


@pytest.mark.parametrize(
    ("database", "egress", "name"),
    [
        (replace(SOUND, version=140001), OPEN, "database_version"),
        (replace(SOUND, privileged="is a superuser"), OPEN, "database_role"),
        (replace(SOUND, unprotected=("bridged.runs",)), OPEN, "row_level_security"),
        (replace(SOUND, pending=("0012 next",)), OPEN, "migrations"),
        (replace(SOUND, ahead=-400), OPEN, "clock_database"),
        (SOUND, replace(OPEN, ahead=400), "clock_stripe"),
        (SOUND, replace(OPEN, tls="TLSv1.1"), "tls"),
        (SOUND, replace(OPEN, trouble="dns", proxy=True), "egress_dns"),
        (SOUND, replace(OPEN, trouble="timeout"), "egress_timeout"),
    ],
)
def test_what_no_simulation_can_show(database: DatabaseFacts, egress: EgressFacts, name: str) -> None:
    shown = doctor.installation(database, egress, WorkerFacts(7, NOW, 1), NOW)
    assert [each.id for each in shown if each.severity == "error"] == [name]
    assert doctor.exit_code(shown) == 1
    assert doctor.exit_code(doctor.installation(SOUND, OPEN, WorkerFacts(0, None, 0), NOW)) == 0
    said = [
        next(
            each.title
            for each in doctor.installation(SOUND, OPEN, WorkerFacts(14, NOW, count), NOW)
            if each.id == "workers"
        )
        for count in (1, 2)
    ]
    assert said == ["1 worker at work.", "2 workers at work."]


@pytest.mark.parametrize("wrong", [-3600, 3600])
async def test_a_machine_whose_clock_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    real = clock.time.time
    async with root.opened(settings) as app:
        monkeypatch.setattr(clock.time, "time", lambda: real() + wrong)
        shown = {each.id: each for each in await checkup.installation(app)}
    assert shown["clock_database"].severity == "error"
    assert f"3600 s {'behind' if wrong > 0 else 'ahead of'} this machine's" in shown["clock_database"].title


async def test_row_level_security_that_somebody_lifted(settings: Settings, owner: str) -> None:
    async with root.opened(settings) as app:
        with psycopg.connect(owner) as conn:
            conn.execute("alter table bridged.runs disable row level security")
        shown = {each.id: each for each in await checkup.installation(app)}
    assert "bridged.runs" in shown["row_level_security"].title


async def test_the_command_says_it_with_its_exit_code(settings: Settings, owner: str, seed: int) -> None:
    async with connected(settings, seed) as stage:
        await stage.sync()
        given = {"BRIDGED_DATABASE_URL": owner, "BRIDGED_MASTER_KEY": MASTER}
        async with homed(stage.sim.url, **given) as home:
            sound = await home.run("doctor", "--json")
            assert sound.code == 0, sound.out
            assert sound.json["connections"][0]["findings"]
            stage.rule("status", status=401, message="Invalid API Key provided")
            ill = await home.run("doctor")
        assert ill.code == 1
        assert "ERROR Stripe refuses the key (401)." in ill.out
        assert '-u "$STRIPE_KEY:"' in ill.out


def test_an_upgrade_that_was_not_completed_is_told() -> None:
    late = replace(SOUND, last=("0040 last",))
    for facts, word in ((late, "not completed"), (replace(late, older=("bridged 0.1.0 at 10.0.0.1",)), "10.0.0.1")):
        shown = doctor.installation(facts, OPEN, WorkerFacts(7, NOW, 1), NOW)
        (told,) = [each for each in shown if each.severity != "ok"]
        assert (told.id, told.severity) == ("migrations", "warn")
        assert word in told.cause
        assert "bridged migrate --post" in told.next_step
