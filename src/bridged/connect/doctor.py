"""What is wrong with an installation or a connection, judged from facts that somebody else gathered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bridged.connect.plan import Endpoint, Wanted
from bridged.core.errors import BridgedError, KeyInvalid, PermissionMissing, RateLimited

Severity = Literal["ok", "warn", "error"]
Trouble = Literal["dns", "timeout", "refused", "tls", "no_stripe"]
_OLDEST_SERVER = 150000
_CLOCK_WARN = 5.0
_CLOCK_ERROR = 120.0
"""Seconds; a delivery's signature is good for 300, and its sender's clock is not ours."""
_LATE = timedelta(minutes=5)
_TLS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `curl`: a call that shows the same, the key left out."""

    id: str
    severity: Severity
    title: str
    cause: str = ""
    next_step: str = ""
    curl: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """As the CLI, the API and the pages show it."""
        return {
            "id": self.id,
            "severity": self.severity,
            "title": self.title,
            "cause": self.cause,
            "next_step": self.next_step,
            "curl": self.curl,
        }


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """`privileged`: why row-level security does not bind this role, if it does not. `ahead`: its clock minus this
    machine's.

    `pending`, `last`: the pre and the post migrations that were not applied yet. `older`: the processes of older
    versions, looked for where post migrations wait.
    """

    version: int
    role: str
    privileged: str | None
    unprotected: tuple[str, ...]
    pending: tuple[str, ...]
    last: tuple[str, ...]
    older: tuple[str, ...]
    ahead: float


@dataclass(frozen=True, slots=True)
class EgressFacts:
    """How far a call to Stripe's address came without a key. `ahead`: its clock minus ours, if it told one."""

    base: str
    trouble: Trouble | None
    detail: str
    tls: str | None
    ahead: float | None
    proxy: bool


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Queues whose worker gave a sign of life lately, when the last sign of any was, and processes that work."""

    alive: int
    last: datetime | None
    processes: int


@dataclass(frozen=True, slots=True)
class Read:
    """How reading one kind went."""

    kind: str
    path: str
    permission: str
    allowed: bool
    named: tuple[str, ...]
    said: str


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """What the mirror says. `incomplete`: kinds and why. `objects`: rows of all kinds."""

    last: datetime | None
    state: str | None
    overdue: timedelta
    paused: bool
    scheduled: bool
    customers: str
    objects: int
    incomplete: Mapping[str, str]
    rate_limited: int
    requests: int
    pace: float
    slowed: bool
    budget: str
    backfilled: bool


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """What is at Stripe and what arrived in the last days. `listed` None: the key may not list endpoints.

    `wanted` None: this installation has no public address. `known`: the endpoint of which we have the secret.
    """

    method: str
    secrets: int
    known: str | None
    wanted: Wanted | None
    listed: tuple[Endpoint, ...] | None
    last_delivery: datetime | None
    last_accepted: datetime | None
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """`failed`: what kept the key from being tried at all; `reads` is empty then."""

    name: str
    mode: str
    fingerprint: str
    base: str
    version: str
    failed: BridgedError | None
    reads: tuple[Read, ...]
    sync: SyncFacts
    webhook: WebhookFacts


def curl(base: str, path: str, version: str) -> str:
    """The same call from a shell; the key is in the variable STRIPE_KEY, never in the text."""
    return f'curl -sS -i -u "$STRIPE_KEY:" -H "Stripe-Version: {version}" "{base}{path}"'


def exit_code(findings: Iterable[Finding]) -> int:
    """0 unless there is an error."""
    return 1 if any(each.severity == "error" for each in findings) else 0


def installation(
    database: DatabaseFacts, egress: EgressFacts, workers: WorkerFacts, now: datetime
) -> tuple[Finding, ...]:
    """Database, migrations, workers, clock, TLS, egress."""
    return (
        *_database(database),
        _workers(workers, now),
        _clock("clock_database", "PostgreSQL's clock", "this machine's", database.ahead, _OWN_CLOCK),
        *(
            ()
            if egress.ahead is None
            else (_clock("clock_stripe", "Stripe's clock", "PostgreSQL's", egress.ahead, _SHARED_CLOCK),)
        ),
        _egress(egress),
        _tls(egress),
    )


def _database(found: DatabaseFacts) -> Iterator[Finding]:
    major = found.version // 10000
    yield Finding("database", "ok", f"PostgreSQL {major} answers.")
    if found.version < _OLDEST_SERVER:
        yield Finding(
            "database_version", "error", f"PostgreSQL {major} is too old.", "At least 15 is needed.", "Upgrade it."
        )
    if found.privileged:
        yield Finding(
            "database_role",
            "error",
            f"The role {found.role} is not bound by row-level security.",
            f"It {found.privileged}.",
            "Let the login of BRIDGED_DATABASE_URL be a member of bridged_app, and give bridged_app no such right.",
        )
    else:
        yield Finding("database_role", "ok", f"The role {found.role} owns nothing and is under row-level security.")
    if found.unprotected:
        yield Finding(
            "row_level_security",
            "error",
            f"Row-level security is off on {', '.join(found.unprotected)}.",
            "Somebody switched it off by hand: our migrations switch it on.",
            "Switch it on again for each of them, as the owner.",
        )
    else:
        yield Finding("row_level_security", "ok", "Row-level security is on for every tenant's table.")
    if found.pending:
        yield Finding(
            "migrations", "error", f"Not applied yet: {', '.join(found.pending)}.",
            "The program is newer than the schema.", "Run `bridged migrate`.",
        )  # fmt: skip
    elif found.last:
        yield _unfinished(found)
    else:
        yield Finding("migrations", "ok", "The schema is up to date.")


def _unfinished(found: DatabaseFacts) -> Finding:
    title = f"Post migrations wait: {', '.join(found.last)}."
    if found.older:
        cause, step = f"Older processes are connected: {'; '.join(found.older)}.", "Replace them, then run"
    else:
        cause, step = "No older process is left, and the upgrade was not completed.", "Run"
    return Finding("migrations", "warn", title, cause, f"{step} `bridged migrate --post`.")


def _workers(found: WorkerFacts, now: datetime) -> Finding:
    if found.alive:
        # A pooler that keeps the sessions' names to itself leaves none to be counted.
        count = f"{found.processes} worker{'s' if found.processes > 1 else ''}" if found.processes else "Workers"
        return Finding("workers", "ok", f"{count} at work.")
    ago = "none was ever seen here" if found.last is None else f"the last sign of one is {_ago(now - found.last)} old"
    return Finding(
        "workers",
        "warn",
        "No worker is running: nothing is synced by schedule, and events wait.",
        f"{ago[:1].upper()}{ago[1:]}.",
        "Start `bridged serve` (with its worker) or `bridged worker`.",
    )


_OWN_CLOCK = (
    "One of the two does not keep its time. All processes go by PostgreSQL's: if that one is right, only times in this "
    "machine's log are wrong."
)
_SHARED_CLOCK = (
    "PostgreSQL's machine does not keep its time, and all processes go by it. From 5 minutes on, webhook signatures "
    "count as stale or future."
)


def _clock(name: str, whose: str, ours: str, ahead: float, cause: str) -> Finding:
    off = abs(ahead)
    if off < _CLOCK_WARN:
        return Finding(name, "ok", f"{whose} and {ours} agree within {max(1, round(off))} s.")
    return Finding(
        name,
        "error" if off >= _CLOCK_ERROR else "warn",
        f"{whose} is {off:.0f} s {'ahead of' if ahead > 0 else 'behind'} {ours}.",
        cause,
        "Start a time service (chrony, systemd-timesyncd) on this machine and on that of PostgreSQL.",
    )


_TROUBLES: Mapping[Trouble, tuple[str, str, str]] = {
    "dns": (
        "The name of Stripe's API cannot be resolved.",
        "DNS does not answer here, or does not know the name.",
        "Check /etc/resolv.conf, and that a container has a name server.",
    ),
    "timeout": (
        "Stripe's API does not answer in time.",
        "A firewall drops the packets, or the network is down.",
        "Allow outgoing connections to api.stripe.com, port 443.",
    ),
    "refused": (
        "The connection to Stripe's API is refused.",
        "A firewall rejects it, or nothing listens at BRIDGED_STRIPE_API_BASE.",
        "Check BRIDGED_STRIPE_API_BASE; allow outgoing connections to api.stripe.com, port 443.",
    ),
    "tls": (
        "The connection to Stripe's API is not secure.",
        "The certificate could not be verified, or no version of TLS is shared. A proxy that inspects TLS does this.",
        "Check this machine's clock and CA certificates; exempt api.stripe.com from inspection.",
    ),
    "no_stripe": (
        "What answers at Stripe's address does not speak as Stripe does.",
        "A proxy or a captive page answers in its place.",
        "Check BRIDGED_STRIPE_API_BASE and any proxy in between.",
    ),
}


def _egress(found: EgressFacts) -> Finding:
    call = f'curl -sS -i "{found.base}/v1/customers"'
    if found.trouble is None:
        return Finding("egress", "ok", f"{found.base} answers.", curl=call)
    title, cause, step = _TROUBLES[found.trouble]
    if found.proxy and found.trouble != "no_stripe":
        cause += " A proxy is set in the environment; Bridged does not use it and connects directly."
        step += " Where only the proxy may leave, let it pass connections through transparently."
    detail = f" ({found.detail})" if found.detail else ""
    return Finding(f"egress_{found.trouble}", "error", title, cause + detail, step, call)


def _tls(found: EgressFacts) -> Finding:
    if not found.base.startswith("https:"):
        return Finding("tls", "ok", "TLS is not looked at: plain http to this machine.")
    if found.tls is None:
        return Finding("tls", "warn", "TLS could not be looked at.", "No connection came about.", "See egress.")
    if found.tls in _TLS:
        return Finding("tls", "ok", f"{found.tls} to Stripe.")
    return Finding(
        "tls", "error", f"{found.tls} to Stripe is too old.", "Stripe takes TLS 1.2 or newer.", "Upgrade OpenSSL."
    )


def connection(found: ConnectionFacts, now: datetime) -> tuple[Finding, ...]:
    """Key, mode, permissions, syncs, rate, budget, webhook: each row of the troubleshooting list among them."""
    return (
        *_key(found),
        *_permissions(found),
        *_data(found),
        *_pagination(found.sync),
        *_rate(found),
        _budget(found.sync),
        _last_sync(found.sync, now),
        *_webhook(found.webhook, now),
    )


def _key(found: ConnectionFacts) -> Iterator[Finding]:
    call = curl(found.base, "/v1/customers?limit=1", found.version)
    error = found.failed
    if error is None or isinstance(error, RateLimited):
        yield Finding("key", "ok", f"The key {found.fingerprint} is valid, in {found.mode} mode.")
    elif isinstance(error, KeyInvalid):
        yield Finding("connection_fails", "error", "Stripe refuses the key (401).", error.message, error.hint, call)
    elif isinstance(error, PermissionMissing) and error.stripe_code != "account_invalid":
        yield Finding("key", "error", "The key may not be used (403).", error.message, error.hint, call)
    elif not isinstance(error, PermissionMissing):
        yield Finding("key_untried", "error", "The key could not be tried.", error.message, error.hint, call)
    if isinstance(error, PermissionMissing) and error.stripe_code == "account_invalid":
        yield Finding(
            "single_connection",
            "error",
            "Stripe gives this connection no access to the account.",
            f"{error.message} Access was revoked, or another platform controls the account: of platforms that connect "
            "by OAuth, Stripe lets only one write to it (single platform policy).",
            "Connect with a restricted key of the account itself: any number of keys may exist beside a platform.",
            call,
        )
    else:
        yield Finding(
            "single_connection",
            "ok",
            "Stripe's single platform policy does not concern this connection: it uses an API key.",
        )


def _permissions(found: ConnectionFacts) -> Iterator[Finding]:
    missing = [each for each in found.reads if not each.allowed]
    if found.reads and not missing:
        yield Finding("permissions", "ok", f"The key may read all {len(found.reads)} data objects.")
    for each in missing:
        names = " or ".join(each.named or (each.permission,))
        yield Finding(
            f"permission_{each.kind}",
            "warn",
            f"The key may not read {each.kind}.",
            each.said,
            f"In the Stripe Dashboard edit the restricted key and tick {names}; the key itself stays the same.",
            curl(found.base, f"{each.path}?limit=1", found.version),
        )


def _data(found: ConnectionFacts) -> Iterator[Finding]:
    sync = found.sync
    if sync.objects:
        yield Finding("data", "ok", f"The mirror holds {sync.objects:,} objects.")
        return
    step = "`bridged sync` reads again; `bridged settings` shows the filter."
    if found.reads and not any(each.allowed for each in found.reads):
        cause, step = "The key may read nothing of what is mirrored.", "Tick the permissions listed here."
    elif not sync.backfilled:
        cause, step = "No sync has ended yet.", "Run `bridged sync`."
    elif sync.customers != "all":
        cause = f"The filter of customers ({sync.customers}) leaves nobody in."
    else:
        cause = f"In {found.mode} mode the account is empty."
        step = "Is the data in the other mode? Then connect with a key of that mode. An empty account is no error."
    yield Finding(
        "no_data", "warn", "There is no data.", cause, step, curl(found.base, "/v1/customers?limit=1", found.version)
    )


def _pagination(sync: SyncFacts) -> Iterator[Finding]:
    if not sync.incomplete:
        if sync.backfilled:
            yield Finding("pagination", "ok", "Every list was read to its end.")
        return
    why = "; ".join(f"{kind}: {reason}" for kind, reason in sorted(sync.incomplete.items()))
    yield Finding(
        "pagination_incomplete",
        "warn" if sync.state == "running" else "error",
        f"{len(sync.incomplete)} data objects were not read to their end.",
        why,
        "Run `bridged sync`: it goes on where it stopped. What lacks a permission needs that first.",
    )


def _rate(found: ConnectionFacts) -> Iterator[Finding]:
    sync = found.sync
    if sync.rate_limited or isinstance(found.failed, RateLimited):
        yield Finding(
            "rate_limiting",
            "warn",
            f"Stripe slowed this account down (429): {sync.rate_limited} of {sync.requests} requests lately.",
            f"All programs of the account share its limit. Bridged waits and repeats by itself, at pace {sync.pace:g}.",
            "Lower the pace (`bridged settings --pace 0.25`), or see in the Dashboard's logs what else asks so much.",
        )
    else:
        yield Finding("rate", "ok", f"No 429 lately, at pace {sync.pace:g}.")


def _budget(sync: SyncFacts) -> Finding:
    if not sync.slowed:
        return Finding("read_budget", "ok", sync.budget)
    return Finding(
        "read_budget",
        "warn",
        "Scheduled reading is slowed down.",
        sync.budget,
        "Sync less often, let webhooks drive the mirror, or leave out data objects (`bridged settings`).",
    )


def _last_sync(sync: SyncFacts, now: datetime) -> Finding:
    if sync.paused:
        return Finding("last_sync", "warn", "This connection is paused.", "Somebody paused it.", "`bridged resume`.")
    if sync.last is None:
        return Finding("last_sync", "warn", "It was never synced.", "No sync has begun yet.", "Run `bridged sync`.")
    age = f"The last sync began {_ago(now - sync.last)} ago"
    if sync.overdue > _LATE:
        return Finding(
            "last_sync",
            "error",
            f"{age}; the next is {_ago(sync.overdue)} late.",
            "No worker is free, or each try fails.",
            "See the finding about workers; `bridged runs` tells how the last ones ended.",
        )
    if sync.state == "failed":
        return Finding("last_sync", "error", f"{age} and failed.", "", "`bridged runs` tells why.")
    return Finding("last_sync", "ok", f"{age}{'' if sync.scheduled else '; it runs on request only'}.")


def _webhook(found: WebhookFacts, now: datetime) -> Iterator[Finding]:
    if found.method == "api" and not found.secrets:
        yield Finding("webhook", "ok", "No webhook is used: the mirror is kept by reading.")
        return
    if not found.secrets:
        yield Finding(
            "webhook_secret", "error", "There is no signing secret: every delivery is refused.",
            "No endpoint was made, or its secret was never entered.",
            "`bridged webhook ensure`, or `bridged webhook secret`.",
        )  # fmt: skip
    yield from _endpoint(found)
    yield from _deliveries(found, now)


def _endpoint(found: WebhookFacts) -> Iterator[Finding]:
    if found.wanted is None:
        yield Finding(
            "webhook_address", "warn", "This installation does not know its public address.",
            "BRIDGED_PUBLIC_URL is not set.", "Set it to the https address under which Stripe reaches you.",
        )  # fmt: skip
        return
    if found.listed is None:
        yield Finding(
            "webhook_unseen", "warn", "The endpoint at Stripe cannot be looked at.",
            "The key lacks rak_webhook_read or rak_webhook_write.", "Tick it, or look in the Dashboard at Webhooks.",
        )  # fmt: skip
        return
    wanted = found.wanted
    ours = [each for each in found.listed if each.id == found.known or each.owner == wanted.connection]
    there = next((each for each in (*ours, *found.listed) if each in ours or each.url == wanted.url), None)
    repair = "`bridged webhook ensure` repairs it."
    if there is None:
        yield Finding(
            "webhook_missing", "error", "There is no endpoint at Stripe.", "It was deleted, or never made.",
            f"{repair} Or make one by hand for {wanted.url}.",
        )  # fmt: skip
        return
    wrong = list(_wrong(there, wanted))
    for name, title, cause in wrong:
        yield Finding(name, "error", title, cause, repair)
    if not wrong:
        yield Finding("webhook", "ok", f"The endpoint {there.id} is enabled and as it should be.")


def _wrong(there: Endpoint, wanted: Wanted) -> Iterator[tuple[str, str, str]]:
    if not there.enabled:
        yield (
            "webhook_disabled",
            f"The endpoint {there.id} is disabled.",
            "Somebody did it, or Stripe after days without a 2xx.",
        )
    if there.url != wanted.url:
        yield "webhook_url", f"Stripe delivers to {there.url}, not to {wanted.url}.", "The public address changed."
    if there.api_version != wanted.api_version:
        yield (
            "webhook_version",
            f"It delivers in version {there.api_version or 'of the account'}, not in {wanted.api_version}.",
            "An endpoint keeps the version it was made with; events of another one are read again, which costs reads.",
        )
    lacking = sorted(set(wanted.events) - there.events) if "*" not in there.events else []
    if lacking:
        yield (
            "webhook_events",
            f"{len(lacking)} types of events are not delivered: {', '.join(lacking[:5])}{'…' if lacking[5:] else ''}.",
            "The endpoint was made for fewer.",
        )


_REFUSED: Mapping[str, tuple[str, str]] = {
    "bad_signature": (
        "The signature is of another secret, or a proxy changes the body.",
        "Enter the endpoint's own secret with `bridged webhook secret`; let no proxy rewrite bodies.",
    ),
    "no_header": ("Who sent it is not Stripe, or a proxy drops the header.", "Let Stripe-Signature pass."),
    "stale": ("It was signed over 5 minutes before it arrived.", "Check the clock; a queue before us must not hold."),
    "future": ("It was signed in our future.", "Check this machine's clock."),
    "no_secret": ("The connection had no secret.", "`bridged webhook secret`."),
    "wrong_mode": ("An endpoint of the other mode delivers here.", "Delete that endpoint in the Dashboard."),
    "wrong_account": ("An endpoint of another account delivers here.", "Delete that endpoint in its Dashboard."),
    "too_large": ("A body was longer than any event.", "Nothing, unless it is Stripe's."),
}


def _deliveries(found: WebhookFacts, now: datetime) -> Iterator[Finding]:
    for cause, number in sorted(found.refused.items()):
        why, step = _REFUSED.get(cause, ("The body is no event.", "`bridged events deliveries` shows it."))
        were = "delivery was" if number == 1 else "deliveries were"
        title = f"{number} {were} refused lately: {cause.replace('_', ' ')}."
        yield Finding(f"webhook_refused_{cause}", "warn", title, why, step)
    if found.last_accepted is not None:
        yield Finding("webhook_delivery", "ok", f"The last good delivery came {_ago(now - found.last_accepted)} ago.")
        return
    tried = found.last_delivery is not None
    yield Finding(
        "webhook_not_received",
        "error" if tried else "warn",
        "No webhook was received." if not tried else "No delivery was ever good.",
        "Stripe has not reached this address yet." if not tried else "All were refused; the causes are listed here.",
        "Send a test event in the Dashboard, and check that the address is reachable from outside. "
        "`bridged listen` works without an address."
        if not tried
        else "Mend the causes, then `bridged events replay`.",
    )


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def worst(findings: Sequence[Finding]) -> Severity:
    """The severity of the whole."""
    kinds = {each.severity for each in findings}
    return "error" if "error" in kinds else "warn" if "warn" in kinds else "ok"
