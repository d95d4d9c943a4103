"""What Stripe and the network do wrong: a clear sentence, nothing lost, and never `complete` over a hole."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridged import app as root
from bridged.core import errors
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME
from bridged.sim.store import World
from bridged.stripe.client import Timeouts
from bridged.sync.run import Report, Sync
from simulation.stage import QUICK, Stage, account_of, build, fill, staged

IMPATIENT = replace(QUICK, timeouts=Timeouts(connect=5.0, total=0.6))
"""For silence alone: a busy machine is as late as that now and then."""
INVOICES = r"^/v1/invoices\?"
REASONS = ("global-rate", "global-concurrency", "endpoint-rate", "endpoint-concurrency", "resource-specific")

PASSING: dict[str, tuple[dict[str, Any], type[errors.StripeError], str]] = {
    **{f"429 {each}": ({"action": "rate_limit", "reason": each}, errors.RateLimited, "slows") for each in REASONS},
    "lock timeout": ({"action": "lock_timeout"}, errors.StripeBusy, "lock_timeout"),
    **{
        str(each): ({"action": "status", "status": each}, errors.StripeBusy, f"HTTP {each}")
        for each in (500, 502, 503, 409, 424)
    },
    "reset": ({"action": "reset"}, errors.StripeUnreachable, "broke off"),
    "truncated": ({"action": "truncate"}, errors.AnswerUnreadable, "cut off"),
    "garbage": ({"action": "garbage"}, errors.AnswerUnreadable, "not a list"),
    "silence": ({"action": "hang"}, errors.StripeUnreachable, "did not answer within"),
}
"""Faults that end by themselves: what goes wrong, what it is called, and a word of its sentence."""

FELLOWS = {f"429 {each}" for each in REASONS[1:]} | {"502", "503", "409", "424"}
"""Those that are met as another one is."""

FEW = tuple(BY_NAME[name] for name in ("customers", "invoices", "charges", "balance_transactions", "prices", "balance"))


def shop(seed: int) -> World:
    """A small merchant with a few pages of invoices."""
    made = build(seed, 4, cast_members=False)
    fill(account_of(made), "invoices", 12, random.Random(seed))
    return made


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", 3)


def wire_of(fault: str) -> root.Wire:
    return IMPATIENT if fault == "silence" else QUICK


def striking(stage: Stage, after: int, **rule: Any) -> Callable[[Sync], None]:
    """Lets a fault begin once so many pages of invoices are stored, and last."""

    def watch(work: Sync) -> None:
        if work.progress["invoices"].pages >= after and not stage.sim.faults.rules:
            stage.rule(path=INVOICES, **rule)

    if after == 0:
        stage.rule(path=INVOICES, **rule)
    return watch


async def struck(stage: Stage, after: int, rule: dict[str, Any]) -> tuple[Report, int]:
    """A sync that met the fault: windows are read side by side, so the very last page may have been on its way."""
    for pages in range(after, -1, -1):
        report = await stage.sync(watch=striking(stage, pages, **rule), afresh=True)
        if any(each.fired for each in stage.sim.faults.rules):
            return report, pages
        assert report.complete
        stage.sim.faults.clear()
    raise AssertionError("the fault never struck")


def stir(stage: Stage, rng: random.Random) -> None:
    """Some invoices change."""
    for each in rng.sample(stage.account.all("invoices"), 3):
        change = {"description": f"stirred {rng.random()}"}
        stage.account.update("invoices", each["id"], change, "invoice.updated")
    stage.sim.world.clock.now += 10


def stored(stage: Stage) -> int:
    return sum(len(stage.mirror.rows(kind)) for kind in ("customers", "invoices", "charges"))


async def healed(stage: Stage) -> None:
    """The next sync without the fault completes, and the mirror is true."""
    stage.sim.faults.clear()
    stage.app.gates.clear()
    report = await stage.sync()
    assert report.complete, [each.error for each in report.kinds]
    assert stage.differences() == []


def of(report: Report, kind: str) -> errors.StripeError | None:
    found = next(each.error for each in report.kinds if each.kind == kind)
    assert found is None or isinstance(found, errors.StripeError)
    return found


def positions(stage: Stage) -> tuple[int, int, int]:
    """How many pages of invoices come before the fault: none, half of them, all but the last."""
    pages = -(-len(stage.account.all("invoices")) // 3)
    assert pages >= 3
    return 0, pages // 2, pages - 1


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_lasts(settings: Settings, seed: int, name: str) -> None:
    rule, error, words = PASSING[name]
    rng = random.Random(seed)
    async with staged(settings, shop(seed), wire=wire_of(name)) as stage:
        stage.kinds = FEW
        await stage.connect()
        # What is told apart is tried everywhere; its fellows, which are met in the same way, somewhere.
        places = (rng.choice(positions(stage)),) if name in FELLOWS else positions(stage)
        for position in places:
            before = stored(stage)
            report, after = await struck(stage, position, rule)
            found = of(report, "invoices")
            assert isinstance(found, error)
            assert words in found.message
            assert not report.complete
            assert [each.kind for each in report.kinds if not each.complete] == ["invoices"]
            assert stored(stage) >= before
            assert bool(stage.mirror.rows("invoices")) >= (after > 0)
            await healed(stage)
            stir(stage, rng)


@pytest.mark.parametrize("name", PASSING)
async def test_a_fault_that_passes_is_not_noticed(settings: Settings, seed: int, name: str) -> None:
    rule, _, _ = PASSING[name]
    async with staged(settings, shop(seed), wire=wire_of(name)) as stage:
        stage.kinds = FEW
        await stage.connect()
        pages = positions(stage)[-1]
        for nth in (1, pages // 2, pages):
            stage.rule(path=INVOICES, nth=nth, **rule)
        report = await stage.sync()
        assert sum(each.fired for each in stage.sim.faults.rules) >= 1
        assert report.complete
        assert stage.differences() == []


async def test_a_key_that_expires_on_the_way(settings: Settings, seed: int) -> None:
    async with staged(settings, shop(seed)) as stage:
        stage.kinds = FEW
        await stage.connect()
        for after in positions(stage):

            def expire(work: Sync, after: int = after) -> None:
                if work.progress["invoices"].pages >= after:
                    for key in stage.sim.world.keys.values():
                        key.expired = True

            with pytest.raises(errors.KeyInvalid, match="expired"):
                await stage.sync(watch=expire, afresh=True)
            status = await stage.status()
            assert not status.complete
            assert not any(each.claim and each.claim.complete for each in status.kinds)
            requests = sum(stage.sim.counts.values())
            with pytest.raises(errors.KeyInvalid, match="expired"):
                await stage.sync()
            assert sum(stage.sim.counts.values()) == requests + 1
            kept = stage.connection
            await stage.connect(stage.sim.key())
            assert stage.connection.id == kept.id
            await healed(stage)
            stage.sim.world.clock.now += 10


async def test_a_permission_taken_away_on_the_way(settings: Settings, seed: int) -> None:
    refusal = {
        "action": "status",
        "status": 403,
        "message": "The provided key 'rk_live_***' does not have the required permissions for this endpoint on account "
        "'acct_1'. Having the 'rak_invoice_read' permission would allow this request to continue.",
    }
    async with staged(settings, shop(seed)) as stage:
        stage.kinds = FEW
        await stage.connect()
        for after in positions(stage):
            report, _ = await struck(stage, after, refusal)
            found = next(each for each in report.kinds if each.kind == "invoices")
            assert isinstance(found.error, errors.PermissionMissing)
            assert found.needed == ("rak_invoice_read",)
            assert [each.kind for each in report.kinds if not each.complete] == ["invoices"]
            await healed(stage)


@pytest.mark.parametrize("path", [r"^/v1/events\?.*limit=100", r"^/v1/balance$", r"^/v1/balance_transactions"])
async def test_a_fault_beside_the_lists(settings: Settings, seed: int, path: str) -> None:
    async with staged(settings, shop(seed)) as stage:
        stage.kinds = FEW
        await stage.connect()
        stage.rule("status", path=path, status=500)
        report = await stage.sync()
        assert not report.complete
        await healed(stage)


async def test_an_object_that_cannot_be_read(settings: Settings, seed: int) -> None:
    """One poisoned object leaves its kind incomplete, and costs the others nothing."""
    async with staged(settings, build(seed, 1)) as stage:
        await stage.connect()
        stage.rule("status", path=r"^/v1/(subscription_items|invoices/[^/]+/lines)", status=500)
        report = await stage.sync()
        assert not report.complete
        assert {each.kind for each in report.kinds if not each.complete} <= {"subscriptions", "invoices"}
        await healed(stage)


async def test_a_key_that_expires_while_objects_are_read_again(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 1)) as stage:
        await stage.connect()
        dead = {"status": 401, "code": "api_key_expired", "message": "Expired API Key provided: sk_live_****1234"}
        stage.rule("status", path=r"^/v1/(subscription_items|invoices/[^/]+/lines)", **dead)
        with pytest.raises(errors.KeyInvalid):
            await stage.sync()
        assert sum(each.fired for each in stage.sim.faults.rules) <= 16
        await healed(stage)


async def test_stripe_down_while_objects_are_read_again(settings: Settings, seed: int) -> None:
    """It is not asked for each object until patience ends."""
    async with staged(settings, build(seed, 1)) as stage:
        stage.account.details["_api_version"] = "2022-08-01"
        await stage.connect()
        await stage.sync()
        for each in stage.account.all("customers"):
            stage.account.update("customers", each["id"], {"name": "Renamed"}, "customer.updated")
        stage.rule("reset", path=r"^/v1/customers/")
        report = await stage.sync(afresh=True)
        assert not report.complete
        assert sum(each.fired for each in stage.sim.faults.rules) <= 4 * 64
        await healed(stage)


async def test_stripe_down_from_the_start(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 1, cast_members=False)) as stage:
        stage.rule("reset")
        with pytest.raises(errors.StripeUnreachable):
            await stage.connect()
        stage.sim.faults.clear()
        await stage.connect()
        stage.rule("reset")
        with pytest.raises(errors.StripeUnreachable, match="broke off"):
            await stage.sync()
        await healed(stage)


async def test_stripe_down_from_the_middle(settings: Settings, seed: int) -> None:
    async with staged(settings, shop(seed)) as stage:
        stage.kinds = FEW
        await stage.connect()

        def down(work: Sync) -> None:
            if work.progress["invoices"].pages >= 2 and not stage.sim.faults.rules:
                stage.rule("reset")

        report = await stage.sync(watch=down)
        assert not any(each.complete for each in report.kinds)
        assert any(isinstance(each.error, errors.StripeUnreachable) for each in report.kinds)
        await healed(stage)


MIXTURE = (
    {"action": "status", "status": 500},
    {"action": "status", "status": 403, "message": "Having the 'rak_x' permission would allow this request."},
    {"action": "status", "status": 401, "message": "Invalid API Key provided"},
    {"action": "status", "status": 400, "message": "That is not right"},
    {"action": "status", "status": 404, "code": "resource_missing", "message": "No such thing"},
    {"action": "status", "status": 400, "code": "resource_missing", "message": "No such thing"},
    {"action": "lock_timeout"},
    {"action": "rate_limit", "reason": "global-rate"},
    {"action": "reset"},
    {"action": "reset", "after": True},
    {"action": "truncate"},
    {"action": "garbage"},
    {"action": "delay", "seconds": 0.03},
)


@pytest.mark.turns(2)
async def test_never_complete_over_a_hole(
    settings: Settings, seed: int, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults of all sorts, crashes at any moment: whenever it says complete, it is."""
    rng = random.Random(seed)
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", rng.randrange(3, 20))
    async with staged(settings, build(seed, 2, cast_members=rng.random() < 0.5)) as stage:
        await stage.connect()
        for _ in range(7):
            stage.sim.faults.clear()
            stage.app.gates.clear()
            for rule in rng.sample(MIXTURE, rng.randrange(4)):
                # A 404 is believed: Stripe's word that an object is gone, so no list and no account is ever given one.
                path = r"^/v1/\w+\?" if rule.get("status") != 404 else r"^/v1/\w+\?.*starting_after"
                stage.rule(path=path, probability=rng.choice((0.003, 0.02, 0.1)), **rule)
            report = await attempt(stage, rng)
            if report is not None and report.complete:
                assert stage.differences() == []
                if rng.random() < 0.5:
                    stir(stage, rng)
        await healed(stage)


async def attempt(stage: Stage, rng: random.Random) -> Report | None:
    """A sync that may be cut off at any moment."""
    work = asyncio.create_task(stage.sync(afresh=rng.random() < 0.2))
    if rng.random() < 0.4:
        _, pending = await asyncio.wait([work], timeout=rng.random() * 0.5)
        if pending:
            work.cancel()
    try:
        return await work
    except (asyncio.CancelledError, errors.StripeError):
        return None
