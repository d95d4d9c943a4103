"""What people are told first: the strongest reasons of a score, what differs between weights, a score over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bridged.profiles.scoring.listing import Change
from bridged.profiles.scoring.model import FACTORS, Weights

_GATE = "gate"


def strongest(contributions: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The lines that make a score what it is, for better or worse: what caps it, then what is farthest from the middle
    of the points it could give. What is not known or weighs nothing is no reason.
    """
    gates = [each for each in contributions if each["part"] == _GATE]
    judged = [each for each in contributions if each["part"] != _GATE and each["of"] and each["value"] is not None]
    judged.sort(key=lambda each: -abs(2 * int(each["points"]) - int(each["of"])))
    return [*gates, *judged][:most]


def differences(before: Weights, after: Weights) -> list[tuple[str, str, str]]:
    """What differs: its place in the document, what it was, what it is."""
    old, new = _flat(before), _flat(after)
    return [(place, str(old[place]), str(new[place])) for place in new if old[place] != new[place]]


def _flat(weights: Weights) -> dict[str, int | str]:
    rules = "; ".join(f"{each.name} to {', '.join(each.owners)}" for each in weights.routes)
    return {
        **{f"points.{each.part}.{each.name}": weights.points[each.name] for each in FACTORS},
        **{f"bands.{band}": cut for band, cut in weights.cuts.items()},
        "fraud_cap": weights.fraud_cap,
        **{f"half_life_days.{name}": days for name, days in weights.half_lives.items()},
        "routing": rules or "no rules",
    }


def steps(history: Sequence[Change], now: datetime, width: int, height: int) -> list[tuple[float, float]]:
    """The corners of a line of a score over time, from the oldest change, left, to now, right; 100 points are at 0.

    `history`: newest first, as it is read.
    """
    if not history:
        return []
    oldest = history[-1].at
    whole = max((now - oldest).total_seconds(), 1.0)
    corners: list[tuple[float, float]] = []
    for each in reversed(history):
        x = round(min(width, width * (each.at - oldest).total_seconds() / whole), 1)
        y = round(height * (1 - each.total / 100), 1)
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return [*corners, (float(width), corners[-1][1])]
