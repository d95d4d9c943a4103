"""What pages load: scripts of others as we vendored them, letter by letter, with their licences; and nothing else."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.web import rendering
from bridged.web.rendering import STATIC, ago, asset, lasting, number, percent, when

VENDOR = STATIC / "vendor"
OURS = [*STATIC.glob("*.css"), *STATIC.glob("*.js"), *(STATIC.parent / "templates").glob("*.html")]


def test_vendored_files_are_those_that_were_fetched() -> None:
    listed = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    assert set(listed) == {each.name for each in VENDOR.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    for name in ("htmx", "uplot"):
        assert len((VENDOR / f"LICENSE.{name}").read_text()) > 400


def test_pages_ask_no_other_host_and_hold_no_script_or_style_of_their_own() -> None:
    for file in OURS:
        text = file.read_text()
        loads = re.findall(r"(?:src|srcset|@import|url\()\s*=?\s*[\"']?(?:https?:)?//[^\"')\s]+", text)
        assert not loads, (file.name, loads)
        if file.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", text), (
                file.name
            )


def test_an_address_changes_with_its_file() -> None:
    assert re.fullmatch(r"/static/bridged\.css\?v=[0-9a-f]{16}", asset("bridged.css"))
    with pytest.raises(FileNotFoundError):
        asset("nothing.js")


@given(st.floats(0, 1))
def test_nearly_all_is_not_all(part: float) -> None:
    assert (percent(part) == "100 %") is (part >= 1)


@given(st.integers(1, 10**8))
def test_a_length_of_time_is_told_to_its_second_unit(seconds: int) -> None:
    units = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    parts = re.findall(r"(\d+) (d|h|min|s)", lasting(seconds))
    told = sum(int(value) * units[unit] for value, unit in parts)
    assert 1 <= len(parts) <= 2
    assert 0 <= seconds - told < units[parts[-1][1]]


def test_times_have_their_zone() -> None:
    at = datetime(2026, 1, 31, 14, 5, 6, tzinfo=UTC)
    assert when(at) == '<time datetime="2026-01-31T14:05:06+00:00">2026-01-31 14:05 UTC</time>'
    assert when(None, "not yet") == "not yet"
    assert ago(at, at + timedelta(minutes=5)) == "5 min ago"
    assert ago(at, at - timedelta(hours=2)) == "in 2 h"
    assert ago(at, at) == "now"
    assert ago(None, at) == ""
    assert number(1234567) == "1,234,567"
    assert number(None) == "-"


def test_a_query_holds_what_was_given() -> None:
    assert rendering.query(a="", b=None, c="x y&z", d=3) == "?c=x%20y%26z&d=3"
    assert rendering.query(a="") == ""
