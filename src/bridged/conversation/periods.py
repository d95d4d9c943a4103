"""Which time a question is about: from the name of a period to its first second and the first after it."""

from dataclasses import dataclass
from datetime import datetime

from bridged.conversation.dates import local


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` until before `until`, Unix seconds; None: without a limit."""

    since: int | None = None
    until: int | None = None


def period_of(named: str | None, zone: str, now: int) -> Period:
    """The period a question names, see `intents`, in a known zone; a month that is not over yet is last year's."""
    if named is None:
        return Period()
    today = local(now, zone)
    year, month = today.year, today.month
    if named == "this_month":
        return Period(_first(today, year, month))
    if named == "last_month":
        before = (year, month - 1) if month > 1 else (year - 1, 12)
        return Period(_first(today, *before), _first(today, year, month))
    if named == "this_year":
        return Period(_first(today, year, 1))
    if len(named) == 2:
        of = year if int(named) <= month else year - 1
        after = (of, int(named) + 1) if int(named) < 12 else (of + 1, 1)
        return Period(_first(today, of, int(named)), _first(today, *after))
    of = year - 1 if named == "last_year" else int(named)
    return Period(_first(today, of, 1), _first(today, of + 1, 1))


def _first(today: datetime, year: int, month: int) -> int:
    return int(
        today.replace(year=year, month=month, day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()
    )
