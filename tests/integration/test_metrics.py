"""Metrics: what a scrape holds, who may scrape, and that dashboards and alert rules ask for what there is."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridged import app as root
from bridged.app import retention
from bridged.channels import deliver
from bridged.core import clock, counts
from bridged.core.counts import Spread
from bridged.core.errors import SettingsError
from bridged.core.settings import Settings, read
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.stripe.gate import Gate
from bridged.stripe.pacer import Limits, Outcome, Pacer
from bridged.web import metrics
from bridged.web.metrics import MEASURED
from ground import WORKSPACE, new_scope
from served import another_workspace, listening, serving, stored
from unit.tree import ROOT

NAME = re.compile(r"\b(?:bridged|process)_[a-z0-9_]+")
TOKEN = "a-token-of-the-tests"
LABELS = {
    "connection", "state", "counted", "queue", "of", "outcome", "method", "route", "status", "le", "table", "version",
}  # fmt: skip
"""Every label there may be: ids of connections, or words of closed lists."""


@dataclass
class Scraped:
    """A scrape, read by Prometheus' own client."""

    text: str

    @property
    def families(self) -> dict[str, Any]:
        return {each.name: each for each in text_string_to_metric_families(self.text)}

    def value(self, sample: str, **labels: str) -> float | None:
        found = [
            each.value
            for family in self.families.values()
            for each in family.samples
            if each.name == sample and labels.items() <= each.labels.items()
        ]
        return sum(found) if found else None


@asynccontextmanager
async def watched(app: root.App) -> AsyncIterator[Any]:
    async with listening(metrics.create(app)) as url, aiohttp.ClientSession() as session:

        async def scrape(token: str | None = None) -> tuple[int, str]:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            async with session.get(f"{url}/metrics", headers=headers) as answer:
                return answer.status, await answer.text()

        yield scrape


def fill(owner: str, scope: Scope) -> None:
    """A bit of everything that is measured, by the owner's hand."""
    at, own = clock.now(), {"workspace": scope.workspace_id, "connection": scope.connection_id}
    with psycopg.connect(owner) as conn:
        for each in FILLING.split(";"):
            conn.execute(each.encode(), {**own, "at": at})


FILLING = """
insert into bridged.sync_settings (workspace_id, connection_id, kinds, every_seconds)
values (%(workspace)s, %(connection)s, '{customers,invoices}', 300);
insert into bridged.kinds (workspace_id, connection_id, kind, run_id, complete, complete_as_of, finished_at)
select %(workspace)s, %(connection)s, kind, 1, true, %(at)s - make_interval(mins => late), %(at)s
from (values ('customers', 1), ('invoices', 120)) x(kind, late);
insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, rate_limited, started_at)
select %(workspace)s, %(connection)s, state, gen_random_uuid(), '{}', 1, now(), limited,
  %(at)s - make_interval(hours => old)
from (values ('complete', 7, 0), ('running', 0, 9), ('failed', 3, 2)) x(state, limited, old);
insert into bridged.reads (workspace_id, connection_id, day, reads, backfill_reads)
values (%(workspace)s, %(connection)s, (%(at)s at time zone 'UTC')::date, 5, 11);
insert into bridged.rereads (workspace_id, connection_id, kind, object_id, reason, asked_at)
values (%(workspace)s, %(connection)s, 'customers', 'cus_secret', 'x', now());
insert into bridged.events (workspace_id, connection_id, created, id, type, source, received_at, state, payload)
select %(workspace)s, %(connection)s, now(), 'evt_secret_' || n, 'x', 'webhook', %(at)s - make_interval(mins => n),
  (array['pending', 'pending', 'failed', 'applied'])[n], '{}' from generate_series(1, 4) n;
insert into bridged.leases (account, holder, backend_pid, backend_start, expires_at)
values ('acct_secret:test', gen_random_uuid(), 1, now(), now() + interval '1 minute')
"""


async def test_a_scrape_tells_how_the_installation_stands(settings: Settings, owner: str) -> None:
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
        fill(owner, scope)
        objects = [{"id": f"cus_secret_{n}", "object": "customer", "created": 1} for n in range(3)]
        await stored(app.database, scope, "customers", objects)
        with psycopg.connect(owner) as direct:
            direct.execute("update stripe.customers set dirty = true where id <> 'cus_secret_0'")
        await another_workspace(app, owner)
        app.gates["key:fingerprint of Acme:test"] = Gate(Pacer(Limits.for_mode(False), 0.5))
        async with watched(app) as scrape:
            status, text = await scrape()
    assert status == 200
    found, own = Scraped(text), {"connection": scope.connection_id}
    lag = found.value("bridged_sync_lag_seconds", **own)
    assert lag is not None
    assert 7200 <= lag < 7300  # of the kind that is farthest behind
    assert found.value("bridged_connections") == 2  # of every workspace
    assert found.value("bridged_sync_interval_seconds", **own) == 300
    assert found.value("bridged_sync_runs", state="complete") == 1
    assert found.value("bridged_sync_runs", state="running") == 1
    assert found.value("bridged_sync_runs", state="failed") is None  # begun longer ago than an hour
    assert found.value("bridged_sync_runs_rate_limited") == 7
    assert found.value("bridged_stripe_requests_today", counted="backfill") == 11
    assert found.value("bridged_dirty_objects", **own) == 2
    assert found.value("bridged_rereads", **own) == 1
    assert found.value("bridged_inbox_events", state="pending", **own) == 2
    assert found.value("bridged_inbox_events", state="failed", **own) == 1
    oldest = found.value("bridged_inbox_oldest_seconds", **own)
    assert oldest is not None
    assert 120 <= oldest < 170
    assert found.value("bridged_leases", state="held") == 1
    assert found.value("bridged_worker_queues") == 0
    assert found.value("bridged_stripe_pacer_requests_per_second", **own) == 12.5
    assert found.value("bridged_database_up") == 1
    assert (found.value("bridged_table_size_bytes", table="bridged.events") or 0) > 8192
    assert not re.findall(r"(?:cus|evt|acct)_secret", text)
    assert "Acme" not in text


async def test_names_and_labels_follow_the_conventions(settings: Settings) -> None:
    async with root.opened(settings) as app, watched(app) as scrape:
        _, text = await scrape()
    for name, family in Scraped(text).families.items():
        assert re.fullmatch(r"(bridged|process)_[a-z_]+", name)
        assert family.documentation.strip(), name
        for sample in family.samples:
            assert set(sample.labels) <= LABELS, sample
            assert family.type != "counter" or sample.name.endswith("_total"), sample


async def test_every_measure_is_described(settings: Settings, owner: str) -> None:
    with psycopg.connect(owner) as conn:
        bodies = conn.execute(
            "select string_agg(prosrc, ' ') from pg_proc where proname in "
            "('measured_sync', 'measured_doubts', 'measured_inbox', 'measured_messages', 'measured_work')"
        ).fetchone()
    assert bodies is not None
    assert set(re.findall(r"select '{1,2}([a-z_]+)'{1,2}, array", bodies[0])) == set(MEASURED)


async def test_requests_are_counted_by_the_pattern_of_their_path(settings: Settings) -> None:
    async with root.opened(settings) as app, serving(app) as web:
        counts.REQUESTS.sums.clear()
        counts.LATENCY.spreads.clear()
        connection = "00000000-0000-0000-0000-000000000001"
        await web.get("/healthz", token="")
        await web.get("/readyz", token="")
        await web.get(f"/api/v1/connections/{connection}")
        await web.get("/no/such/path", token="")
        await web.post(f"/webhooks/stripe/{connection}", token="")
        async with watched(app) as scrape:
            _, text = await scrape()
    found = Scraped(text)
    assert found.value("bridged_http_requests_total", route="/healthz", method="GET", status="200") == 1
    assert found.value("bridged_http_requests_total", route="/webhooks/stripe/{address}", status="404") == 1
    assert found.value("bridged_http_requests_total", route="none", status="404") == 1
    assert found.value("bridged_http_requests_total", route="/api/v1/connections/{connection}", status="404") == 1
    assert found.value("bridged_http_request_duration_seconds_count", route="/healthz") == 1
    assert found.value("bridged_http_request_duration_seconds_bucket", route="/healthz", le="+Inf") == 1
    assert connection not in text


def test_a_duration_is_in_the_bucket_of_its_bound() -> None:
    spread = Spread((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 1.0, 7.0):
        spread.add(seconds)
    assert spread.buckets == [2, 2, 1]
    assert spread.total == pytest.approx(8.65)
    assert [number for _, number in metrics._buckets(spread)] == [2, 4, 5]


def test_what_has_not_happened_yet_is_told_as_nought() -> None:
    assert set(counts.STRIPE.known) == {each.value for each in Outcome}
    assert set(counts.SENDS.known) == set(deliver._STATE.values())
    assert {("refused",), ("unknown",)} <= set(counts.SENDS.told)


async def test_without_the_token_nothing_is_told(settings: Settings) -> None:
    async with root.opened(replace(settings, metrics_token=Secret(TOKEN))) as app, watched(app) as scrape:
        assert [(await scrape(given))[0] for given in (None, "", "another", TOKEN + "x", TOKEN)] == [401] * 4 + [200]
        assert TOKEN not in (await scrape(TOKEN))[1]


async def test_the_site_itself_has_no_metrics(settings: Settings) -> None:
    async with root.opened(settings) as app, serving(app) as web:
        assert (await web.get("/metrics")).status == 404


async def test_scrapes_at_once_measure_once(settings: Settings) -> None:
    async with root.opened(settings) as app:
        told = metrics.Metrics(app)
        one, other = await asyncio.gather(told._measured(), told._measured())
        assert one is other
        assert one.up


async def test_a_database_that_does_not_answer_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with root.opened(settings) as app:
        monkeypatch.setattr(metrics, "PATIENCE", 0.0)
        async with watched(app) as scrape:
            status, text = await scrape()
    assert status == 200
    assert Scraped(text).value("bridged_database_up") == 0
    assert "bridged_sync_lag_seconds" not in text


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"BRIDGED_METRICS_ADDRESS": "127.0.0.1:9464"}, False),
        ({"BRIDGED_METRICS_ADDRESS": "[::1]:9464"}, False),
        ({"BRIDGED_METRICS_ADDRESS": "0.0.0.0:9464", "BRIDGED_METRICS_TOKEN": TOKEN}, False),
        ({"BRIDGED_METRICS_ADDRESS": "0.0.0.0:9464"}, True),
        ({"BRIDGED_METRICS_ADDRESS": "127.0.0.1:9464", "BRIDGED_METRICS_TOKEN": "short"}, True),
        ({"BRIDGED_METRICS_ADDRESS": "9464"}, True),
        ({"BRIDGED_METRICS_ADDRESS": "http://127.0.0.1:9464"}, True),
        ({"BRIDGED_TEXTS_DAYS": "7"}, True),
        ({"BRIDGED_HISTORY_DAYS": "x"}, True),
    ],
)
def test_who_may_listen_where(given: dict[str, str], *, refused: bool) -> None:
    env = {"HOME": "/home/ann", **given}
    if refused:
        with pytest.raises(SettingsError, match="BRIDGED_"):
            read(env)
    else:
        assert read(env).metrics_address == given["BRIDGED_METRICS_ADDRESS"]


# What is shipped beside the program


def asked() -> dict[str, str]:
    """The expressions of dashboard and rules, by whose they are."""
    board = json.loads((ROOT / "ops" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    found |= {each["name"]: each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"}
    rules = (ROOT / "ops" / "alerts.yml").read_text(encoding="utf-8")
    for rule in rules.split("- alert: ")[1:]:
        name, rest = rule.split("\n", 1)
        found[name] = rest.split("expr:", 1)[1].split("for:", 1)[0]
    return found


async def test_what_dashboard_and_rules_ask_for_is_told(settings: Settings) -> None:
    async with root.opened(settings) as app, watched(app) as scrape:
        _, text = await scrape()
    told = set(re.findall(r"^# TYPE (\S+) \S+$", text, flags=re.MULTILINE))
    told |= {f"{name}_bucket" for name in re.findall(r"^# TYPE (\S+) histogram$", text, flags=re.MULTILINE)}
    questions = asked()
    assert len(questions) > 30
    assert not {
        (whose, name)
        for whose, expression in questions.items()
        for name in NAME.findall(expression)
        if name not in told
    }
    wanted = {name.removesuffix("_bucket") for each in questions.values() for name in NAME.findall(each)}
    shown = {f"bridged_{name}" for name in MEASURED} | {f"{each.name}_total" for each in counts.ALL}
    assert not shown - wanted - {"bridged_channel_inbox_bodies", "bridged_questions_waiting"}


def test_every_rule_and_setting_is_explained() -> None:
    guide = (ROOT / "docs" / "guide" / "watching.md").read_text(encoding="utf-8")
    rules = re.findall(r"- alert: (\w+)", (ROOT / "ops" / "alerts.yml").read_text(encoding="utf-8"))
    assert rules
    assert not [name for name in rules if f"`{name}`" not in guide]
    assert not [name for name in MEASURED if f"`bridged_{name}`" not in guide]
    assert not [name for name in retention.POLICIES if f"`{name}`" not in guide]


def test_the_rules_can_be_loaded() -> None:
    """By Prometheus' own tool where it is there; the names are tested above in any case."""
    tool = shutil.which("promtool")
    if tool is not None:
        done = subprocess.run(
            [tool, "check", "rules", str(ROOT / "ops" / "alerts.yml")], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
