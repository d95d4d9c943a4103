"""The site of this folder's pages, built by `make docs`: Sphinx, MyST, furo.

The pages stay Markdown that can be read as it lies. What only the site needs is added as a page is read: the
navigation, which is the lists of index.md, and the list of decisions.
"""

import re
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE.parent / "src/bridged/__init__.py").read_text(encoding="utf-8"))

project = "Bridged for Stripe"
release = version = VERSION[1] if VERSION else ""
extensions = ["myst_parser"]
nitpicky = True

myst_heading_anchors = 4

html_theme = "furo"
html_title = f"{project} {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
html_use_index = False
html_static_path = ["site"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme_options = {"navigation_with_keys": False, "top_of_page_buttons": []}

SECTION = re.compile(r"^## (.+)$", flags=re.MULTILINE)
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([\w/.-]+)\.md\)", flags=re.MULTILINE)


def contents(index: str) -> str:
    """One hidden toctree for each section of the index that lists pages: its heading, its links in their order."""
    _, *parts = SECTION.split(index)
    trees: list[str] = []
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        if entries := ENTRY.findall(text):
            lines = [f"{title} <{page}>" for title, page in entries]
            trees += ["```{toctree}", ":hidden:", f":caption: {heading}", "", *lines, "```", ""]
    return "\n".join(trees)


def decisions() -> str:
    """The list of all decisions, by number."""
    names = sorted(each.stem for each in (HERE / "decisions").glob("[0-9]*.md"))
    return "\n".join(["```{toctree}", ":maxdepth: 1", "", *names, "```", ""])


def added(_app: Sphinx, name: str, source: list[str]) -> None:
    """Adds what is not in the page itself."""
    if name == "index":
        source[0] += "\n" + contents(source[0])
    elif name == "decisions/index":
        source[0] += "\n" + decisions()


def setup(app: Sphinx) -> None:
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", added)
