"""The head of a list page: what the walk needs, read without decoding the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from bridged.core.errors import AnswerUnreadable


@dataclass(frozen=True, slots=True)
class PageHead:
    """Lists come newest first: `first` is the newest `created` of the page, `last` the oldest.

    Both are None on an empty page and for kinds without `created`. `ids` are in the page's order.
    """

    has_more: bool
    ids: tuple[str, ...]
    first_created: int | None
    last_created: int | None

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def cursor(self) -> str | None:
        """What `starting_after` of the next page must be."""
        return self.ids[-1] if self.ids and self.has_more else None


class _Item(msgspec.Struct):
    id: str
    created: int | None = None


class _List(msgspec.Struct):
    object: Literal["list"]
    has_more: bool
    data: list[_Item]


class _Thing(msgspec.Struct):
    """Any JSON object: its fields are skipped, yet must be well-formed."""


_list = msgspec.json.Decoder(_List)
_thing = msgspec.json.Decoder(_Thing)


def read_page(body: bytes) -> PageHead:
    """The head of a list page. Raises AnswerUnreadable when `body` is not a whole list object."""
    try:
        page = _list.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AnswerUnreadable("Stripe's answer is not a list of objects.", hint="Ask again.") from None
    data = page.data
    return PageHead(
        has_more=page.has_more,
        ids=tuple([item.id for item in data]),
        first_created=data[0].created if data else None,
        last_created=data[-1].created if data else None,
    )


def check_object(body: bytes) -> None:
    """Raises AnswerUnreadable when `body` is not one whole JSON object."""
    try:
        _thing.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AnswerUnreadable("Stripe's answer is not a JSON object.", hint="Ask again.") from None
