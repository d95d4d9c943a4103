"""How pages are drawn: templates, what they may use in them, the navigation, and the files they load."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"
NAVIGATION: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Work",
        (
            ("/", "Overview", "read"),
            ("/customers", "Customers", "read"),
            ("/conversations", "Conversations", "read"),
            ("/qualification", "Qualification", "read"),
            ("/playbooks", "Playbooks", "read"),
            ("/approvals", "Approvals", "read"),
        ),
    ),
    (
        "Data",
        (
            ("/integrations", "Integrations", "read"),
            ("/explore", "Explorer", "read"),
            ("/alerts", "Alerts", "read"),
            ("/doctor", "Doctor", "admin"),
        ),
    ),
    (
        "Workspace",
        (
            ("/people", "People", "read"),
            ("/tokens", "API tokens", "admin"),
            ("/audit", "Audit log", "admin"),
            ("/account", "Account", "read"),
        ),
    ),
)
"""Groups of places: path, name, and the scope that it takes to see it."""
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_LAST = 253_402_300_799
_WHOLE_YEAR = "public, max-age=31536000, immutable"


class Given(dict[str, str]):
    """A form's fields, as a page shows them again: what was not sent is empty."""

    def __missing__(self, name: str) -> str:
        return ""


class Assets(StaticFiles):
    """The files of our pages. One that is asked for by its digest never changes, so it is kept by the browser."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope.get("query_string", b"") and response.status_code == 200:
            response.headers["Cache-Control"] = _WHOLE_YEAR
        return response


def theme_of(request: Request) -> str:
    """Which colours somebody chose: those of their system unless they said so."""
    given = request.cookies.get(THEME_COOKIE, "")
    return given if given in THEMES else "system"


def keep_theme(response: Response, theme: str) -> None:
    """Remembers it in the browser, for a year."""
    response.set_cookie(THEME_COOKIE, theme, max_age=365 * 86_400, path="/", httponly=True, samesite="lax")


@cache
def asset(name: str) -> str:
    """The address of a file below `static`, changing with its content."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:16]}"


def environment() -> Environment:
    """The templates, with everything that all of them may use. What a template names and nobody gave is an error."""
    made = Environment(
        loader=PackageLoader("bridged.web"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    everywhere = cast("dict[str, Any]", made.globals)
    everywhere |= {"asset": asset, "navigation": NAVIGATION, "themes": THEMES, "ago": ago}
    filters = cast("dict[str, Any]", made.filters)
    filters |= {
        "when": when,
        "number": number,
        "lasting": lasting,
        "words": words,
        "percent": percent,
        "segment": segment,
        "plainly": plainly,
        "moment": moment,
        "capitalize_first": capitalize_first,
    }
    everywhere["parts"] = made.get_template("parts.html").module
    return made


def when(at: datetime | None, otherwise: str = "never") -> Markup | str:
    """A moment with its zone, to the minute; the machine's form has all of it."""
    if at is None:
        return otherwise
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M"))


def ago(at: datetime | None, now: datetime) -> str:
    """`5 min ago`, `in 2 h`; nothing for no moment."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 5:
        return "now"
    if abs(seconds) >= 60:
        seconds = round(seconds / 60) * 60
    return f"{lasting(seconds)} ago" if seconds > 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float | timedelta | None) -> str:
    """A length of time in its two largest units."""
    if seconds is None:
        return ""
    left = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if left < 1:
        return "under 1 s"
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts)


def number(value: float | None) -> str:
    """With separators; a dash for none."""
    return "-" if value is None else f"{value:,.0f}"


def percent(part: float | None) -> str:
    """A part of one. Nearly all is not all."""
    if part is None:
        return "-"
    shown = part * 100
    return "100 %" if part >= 1 else f"{min(shown, 99.9):.1f} %" if shown > 99 else f"{shown:.0f} %"


def words(name: str | None) -> str:
    """A name of a program's as people read it."""
    return (name or "").replace("_", " ").replace(".", " ")


def capitalize_first(text: str) -> str:
    """A sentence's beginning; the rest stays as it is written."""
    return text[:1].upper() + text[1:]


def segment(value: Any) -> str:
    """A value as a part of a path."""
    return quote(str(value), safe="")


def plainly(text: str) -> str:
    """A text without what is not to be seen: characters that steer (of direction, too) are shown as what they are."""
    return _STEERING.sub(lambda met: f"\\u{ord(met[0]):04x}", text)


def moment(unix: int) -> datetime:
    """Unix seconds as a moment; what no calendar has is its end."""
    return datetime.fromtimestamp(min(max(unix, 0), _LAST), UTC)


def query(**values: Any) -> str:
    """A query string of what is not empty, with its question mark; empty when nothing is left."""
    given: Iterable[tuple[str, Any]] = ((name, value) for name, value in values.items() if value not in {None, ""})
    text = "&".join(f"{name}={segment(value)}" for name, value in given)
    return f"?{text}" if text else ""
