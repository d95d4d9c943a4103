"""Requests as Stripe names and spells them: the operation a limit counts by, and nested parameters as a form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, quote_plus

Scalar: TypeAlias = str | int | float | bool | None
Param: TypeAlias = "Scalar | Sequence[Param] | Mapping[str, Param]"
Params: TypeAlias = Mapping[str, Param]

_NAMESPACES = frozenset(
    {
        "apps",
        "billing",
        "billing_portal",
        "checkout",
        "climate",
        "core",
        "crypto",
        "entitlements",
        "financial_connections",
        "forwarding",
        "identity",
        "issuing",
        "radar",
        "reporting",
        "sigma",
        "tax",
        "terminal",
        "test_helpers",
        "treasury",
    }
)
"""First path segments that only group resources: what follows is a collection, not an id."""

_ACTIONS = frozenset({"create_preview", "search", "upcoming"})
"""Words that stand where an id would."""

_RELATIVE = re.compile(r"/\.{1,2}(?:/|$)")
_PATH = re.compile(r"(?:/[A-Za-z0-9_%~.\-]+)+")


def operation(method: str, path: str) -> str:
    """The endpoint as Stripe limits it; ids do not matter: `GET /v1/invoices/{id}/lines`.

    Raises ValueError for a path in which an id was not made a `segment`: it might lead elsewhere.
    """
    if not _PATH.fullmatch(path) or _RELATIVE.search(path):
        raise ValueError("not a path of Stripe's API")
    version, *parts = path.strip("/").split("/")
    start = 1 if parts and parts[0] in _NAMESPACES else 0
    named = [
        "{id}" if index > start and (index - start) % 2 and part not in _ACTIONS else part
        for index, part in enumerate(parts)
    ]
    return f"{method} /{'/'.join([version, *named])}"


def segment(object_id: str) -> str:
    """An id as one path segment: merchants choose some ids, with slashes and spaces in them."""
    return quote(object_id, safe="")


def encoded(params: Params | None) -> str:
    """`{"created": {"gte": 1}, "expand": ["data.x"]}` as `created[gte]=1&expand[]=data.x`. None is left out."""
    if not params:
        return ""
    return "&".join(f"{key}={quote_plus(value)}" for name, value in params.items() for key, value in _flat(name, value))


def _flat(key: str, value: Param) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, bool):
        yield key, "true" if value else "false"
    elif isinstance(value, str | int | float):
        yield key, str(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}[{name}]", inner)
    else:
        for index, inner in enumerate(value):
            yield from _flat(f"{key}[{index}]" if isinstance(inner, Mapping) else f"{key}[]", inner)
