"""Idempotency keys: the first answer is kept for a day and given again."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridged.sim.limits import Scope
from bridged.sim.params import Obj
from bridged.sim.store import StripeError

_KEPT = 86400


@dataclass
class Replay:
    """`status` 0 while the first request is still being answered."""

    request: tuple[str, Obj]
    at: int
    status: int = 0
    body: bytes = b""
    request_id: str = ""


@dataclass
class Replays:
    kept: dict[tuple[Scope, str], Replay] = field(default_factory=dict[tuple[Scope, str], Replay])

    def open(self, scope: Scope, key: str, request: tuple[str, Obj], now: int) -> Replay:
        """The answer kept under this key, or a new entry with status 0 for the caller to fill or `drop`.
        `request` is path and parameters.
        """
        if len(key) > 255:
            raise StripeError(400, "invalid_request_error", "Idempotency key must be at most 255 characters.")
        found = self.kept.get((scope, key))
        if found is None or now - found.at > _KEPT:
            found = self.kept[scope, key] = Replay(request, now)
            return found
        if found.request != request:
            raise StripeError(
                400,
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
            )
        if not found.status:
            raise StripeError(
                409,
                "idempotency_error",
                f"There is currently another in-progress request using this Idempotency Key: {key}",
                "idempotency_key_in_use",
            )
        return found

    def drop(self, scope: Scope, key: str) -> None:
        self.kept.pop((scope, key), None)
