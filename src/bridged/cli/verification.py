"""`bridged verify`: what of the mirror is proven equal to Stripe, what was not and is repaired."""

from __future__ import annotations

from typing import Any

from bridged import app as root
from bridged.accounts import Connection
from bridged.cli.output import coverage_json, document, moment, say, show_table
from bridged.core.errors import UsageError
from bridged.mirror.kinds import Kind
from bridged.sync.comparison import Finding, MonthTally
from bridged.sync.proof import EARLIEST
from bridged.sync.verify import KindProof, Report

_NAMED = 50
"""Differences named per month in JSON; beyond, their number is in the counts."""
_SHOWN = 20


async def verify(
    app: root.App, found: Connection, kinds: tuple[Kind, ...] | None, *, full: bool, budget: int | None, json: bool
) -> int:
    """Verifies and shows what came of it. Exit code 1 if anything asked for is not proven, or could not be repaired."""
    if budget is not None and budget < 1:
        raise UsageError("--budget is a number of reads.", hint="Leave it out for what the allowance permits.")

    def announce(estimate: int) -> None:
        say(f"{found.name}: proving {'everything' if full else 'what is most due'} takes about {estimate:,} reads.")

    report = await root.verify_mirror(app, found, kinds=kinds, full=full, reads=budget, announce=announce)
    if json:
        document(report_json(found, report))
    else:
        _show(report)
    _explain(report)
    return 0 if report.complete else 1


def report_json(connection: Connection, report: Report) -> dict[str, Any]:
    """The document of `verify --json`."""
    return {
        "connection": connection.id,
        "account": connection.account_id,
        "mode": connection.mode,
        "complete": report.complete,
        "full": report.full,
        "caught_up": report.caught_up,
        "budget": report.budget,
        "cost_estimate_reads": report.estimate,
        "reads": report.reads,
        "seconds": report.seconds,
        **_counts(report),
        "error": report.error.as_json() if report.error else None,
        "objects": {item.kind.name: _kind_json(item) for item in report.kinds},
    }


def _counts(of: Report | KindProof) -> dict[str, int]:
    return {
        "compared": of.total(lambda month: month.compared),
        "drift": of.total(lambda month: len(month.drift)),
        "differing": of.total(lambda month: month.count("differing")),
        "missing": of.total(lambda month: month.count("missing")),
        "undeleted": of.total(lambda month: month.count("undeleted")),
        "silent": of.total(lambda month: month.silent),
        "changed_meanwhile": of.total(lambda month: month.news),
        "repaired": of.total(lambda month: month.repaired),
        "unrepaired": of.total(lambda month: month.unrepaired),
    }


def _kind_json(item: KindProof) -> dict[str, Any]:
    return {
        "proven": item.proven and bool(item.months),
        **_counts(item),
        "coverage": coverage_json(item.coverage),
        "error": item.error.as_json() if item.error else None,
        "months": [_month_json(month) for month in sorted(item.months, key=lambda month: month.cell.month)],
    }


def _month_json(month: MonthTally) -> dict[str, Any]:
    return {
        "month": month_name(month),
        "whole": month.whole,
        "part": None if month.whole or month.floor is None else {"from": month.floor, "to": month.cell.hi},
        "compared": month.compared,
        "mirror": {"objects": month.mirror_objects, "sums": dict(sorted(month.mirror_sums.items()))},
        "stripe": {"objects": month.stripe_objects, "sums": dict(sorted(month.stripe_sums.items()))},
        "differing": month.count("differing"),
        "missing": month.count("missing"),
        "undeleted": month.count("undeleted"),
        "silent": month.silent,
        "changed_meanwhile": month.news,
        "repaired": month.repaired,
        "unrepaired": month.unrepaired,
        "reads": month.reads,
        "drift": [_finding_json(each) for each in month.drift[:_NAMED]],
    }


def _finding_json(each: Finding) -> dict[str, Any]:
    return {"id": each.id, "what": each.what, "fields": list(each.fields), "repaired": each.repaired}


def month_name(month: MonthTally) -> str:
    """`2026-11`; `earlier` is all before the first month that anything is known of."""
    return "earlier" if month.cell.month == EARLIEST else f"{month.cell.month:%Y-%m}"


def _show(report: Report) -> None:
    headings = (
        "Data object",
        "Compared",
        "Differing",
        "Missing",
        "Undeleted",
        "Repaired",
        "Proven",
        "All proven since",
    )
    rows = [
        (
            item.kind.title,
            f"{item.total(lambda month: month.compared):,}",
            *(
                f"{item.total(lambda month, what=what: month.count(what)):,}"
                for what in ("differing", "missing", "undeleted")
            ),
            f"{item.total(lambda month: month.repaired):,}",
            f"{item.coverage.part:.0%}" if item.coverage else "-",
            moment(item.coverage.oldest) if item.coverage and item.coverage.oldest else "-",
        )
        for item in report.kinds
    ]
    show_table(headings, rows)


def _explain(report: Report) -> None:
    """What a person must know beside the numbers, on stderr."""
    named = [(item, month, each) for item in report.kinds for month in item.months for each in month.drift]
    for item, month, each in named[:_SHOWN]:
        what = f"differed in {', '.join(each.fields)}" if each.what == "differing" else f"was {each.what}"
        state = "repaired" if each.repaired else "NOT repaired"
        say(f"{item.kind.title}, {month_name(month)}: {each.id} {what}; {state}.")
    if len(named) > _SHOWN:
        say(f"... and {len(named) - _SHOWN:,} more.")
    if not report.caught_up:
        say("Events could not tell what changed since the last sync, so such changes count as differences.")
    for error in [item.error for item in report.kinds if item.error] + ([report.error] if report.error else []):
        say(f"{error.message} {error.hint}".rstrip())
    repaired, drift = report.total(lambda month: month.repaired), len(named)
    left = report.total(lambda month: month.unrepaired)
    state = "Proven" if report.complete else "NOT proven"
    cost = f"{report.reads:,} reads, {report.seconds:.1f} s"
    say(f"{state}: {drift:,} objects had drifted, {repaired:,} repaired, {left:,} left ({cost}).")
