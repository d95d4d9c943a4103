"""Builds the site of docs/ into artefacts/site and judges it; `make docs`.

It must load nothing from elsewhere, and each link within it must lead to a file and an id: what Sphinx does not look
at, such as the theme's own pages and what was written as HTML, is looked at here.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
SITE = ROOT / "artefacts" / "site"
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href"), ("form", "action")}
"""What a browser fetches by itself or sends to; a link of a sentence may lead anywhere."""


@dataclass
class Page(HTMLParser):
    """What a page of the site names: its ids, what it loads, what it links."""

    path: Path
    ids: set[str] = field(default_factory=set[str])
    loads: list[str] = field(default_factory=list[str])
    links: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif (tag, name) in LOADED and value:
                self.loads.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


def build() -> int:
    """Sphinx's exit code; a warning is an error. From nothing, so that no page of before is left."""
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html", "docs", str(SITE)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def faults(pages: dict[Path, Page]) -> Iterator[str]:
    """What is loaded from elsewhere, and what leads nowhere."""
    for page in pages.values():
        where = page.path.relative_to(SITE)
        for name in page.loads:
            if urlsplit(name).netloc:
                yield f"{where}: loads {name}"
        for name in (*page.loads, *page.links):
            parts = urlsplit(name)
            if parts.scheme or parts.netloc:
                continue
            place = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            if not place.is_file():
                yield f"{where}: {name} is not there"
            elif parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].ids:
                yield f"{where}: {name} names no id"
    for style in SITE.rglob("*.css"):
        if "url(http" in (text := style.read_text(encoding="utf-8")) or "@import" in text:
            yield f"{style.relative_to(SITE)}: loads from elsewhere"


if __name__ == "__main__":
    if code := build():
        sys.exit(code)
    found = sorted(set(faults({path: Page(path) for path in SITE.rglob("*.html")})))
    sys.exit("\n".join(found) if found else None)
