"""Types everything shares: the redacting secret, raw JSON, and the interval in which a state is known to have held."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
"""A Stripe object as it came: `Any` ends at the tolerant readers of `mirror.shapes`."""


class Secret:
    """A value that shows itself nowhere: not in str, repr, format, JSON, pickle or a traceback's locals."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; called only where it leaves for the wire or the vault."""
        return self._value

    def fingerprint(self) -> str:
        """Twelve hex digits that tell keys apart and give nothing away (SHA-256 of a key of over 100 random bits)."""
        return hashlib.sha256(b"bridged key fingerprint\0" + self._value.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Secret is not pickled")


@dataclass(frozen=True, slots=True)
class Held:
    """A state is known to have held from `as_of` up to `known_until`, in seconds of Stripe's clock (UTC)."""

    as_of: float
    known_until: float
