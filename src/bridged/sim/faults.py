"""Faults on order: which requests go wrong, and how."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["status", "reset", "truncate", "hang", "delay", "lock_timeout", "rate_limit", "garbage"]
ACTIONS: tuple[str, ...] = ("status", "reset", "truncate", "hang", "delay", "lock_timeout", "rate_limit", "garbage")


@dataclass
class Rule:
    """Applies to requests of `method` (any if None) whose path and query match the regular expression `path`: to the
    `nth` of them only, or to `every` n-th, or to each with `probability`; at most `times` times.

    `after` lets the request take effect first and spoils only its answer. `status`, `code`, `message`, `body` and
    `headers` make the answer of action `status`; `seconds` is the length of a `delay`, `reason` the limiter that
    `rate_limit` names.
    """

    action: Action
    path: str = ""
    method: str | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    times: int | None = None
    after: bool = False
    status: int = 500
    code: str | None = None
    message: str = "An unknown error occurred"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 1.0
    reason: str = "endpoint-rate"
    id: int = 0
    seen: int = 0
    fired: int = 0

    def strikes(self, method: str, path: str, chance: random.Random) -> bool:
        if self.times is not None and self.fired >= self.times:
            return False
        if (self.method and self.method != method) or not re.search(self.path, path):
            return False
        self.seen += 1
        if self.nth is not None and self.seen != self.nth:
            return False
        if self.every is not None and self.seen % self.every:
            return False
        if self.probability is not None and chance.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The rules in force, asked in the order of their making; the first that strikes decides."""

    def __init__(self, seed: int = 0) -> None:
        self.rules: list[Rule] = []
        self._chance = random.Random(f"faults:{seed}")
        self._made = 0

    def add(self, action: Action, **settings: Any) -> Rule:
        if action not in ACTIONS:
            raise ValueError(f"unknown fault {action!r}; choose one of {', '.join(ACTIONS)}")
        self._made += 1
        rule = Rule(action, id=self._made, **settings)
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int) -> None:
        self.rules = [rule for rule in self.rules if rule.id != rule_id]

    def clear(self) -> None:
        self.rules.clear()

    def strike(self, method: str, path: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.strikes(method, path, self._chance)), None)
