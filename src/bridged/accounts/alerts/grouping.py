"""What is told in which message: all that opened, or is over, for one reason goes in one, and not too often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridged.accounts.alerts import BY_NAME, Alert, Change, Destination

QUIET = timedelta(minutes=15)
"""After a message the next of its kind, cause and destination waits so long: what fails one by one is told together."""
SHOWN = 20
"""Alerts that a message names; of the others it says how many there are."""

Told = Mapping[tuple[str, str, str, str], datetime]
"""When a message was last made, by destination, change, kind and cause."""


@dataclass(frozen=True, slots=True)
class Group:
    """A message to be made."""

    destination: Destination
    change: Change
    kind: str
    cause: str
    alerts: tuple[Alert, ...]

    @property
    def payload(self) -> dict[str, Any]:
        """What the message says; the same at each try."""
        return {
            "title": title(self.change, self.alerts),
            "kind": self.kind,
            "severity": "error" if any(each.severity == "error" for each in self.alerts) else "warn",
            "step": BY_NAME[self.kind].step if self.change == "opened" else "",
            "number": len(self.alerts),
            "alerts": [_shown(each) for each in self.alerts[:SHOWN]],
        }


def title(change: Change, alerts: Sequence[Alert]) -> str:
    """What a message is about, in a line."""
    kind, number = BY_NAME[alerts[0].kind], len(alerts)
    names = {each.name for each in alerts}
    if change == "opened":
        return (kind.one if len(names) == 1 else kind.many).format(name=alerts[0].name, number=number)
    of = f": {alerts[0].name}" if number == 1 and alerts[0].subject else f" for {number}" if number > 1 else ""
    return f"{kind.over}{of}"


def _shown(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "severity": alert.severity,
        "connection": alert.connection_id,
        "name": alert.name,
        "detail": alert.detail,
        "place": alert.place,
        "opened_at": alert.opened_at.isoformat(),
        "recovered_at": alert.recovered_at.isoformat() if alert.recovered_at else None,
    }


def groups(untold: Sequence[tuple[Destination, Change, Alert]], told: Told, now: datetime) -> list[Group]:
    """The messages to be made now. What is left out, because its like was told a moment ago, comes with a later one."""
    found: dict[tuple[str, str, str, str], list[tuple[Destination, Change, Alert]]] = {}
    for destination, change, alert in untold:
        found.setdefault((destination.id, change, alert.kind, alert.cause), []).append((destination, change, alert))
    return [
        Group(each[0][0], each[0][1], key[2], key[3], tuple(alert for _, _, alert in each))
        for key, each in found.items()
        if key not in told or now - told[key] >= QUIET
    ]
