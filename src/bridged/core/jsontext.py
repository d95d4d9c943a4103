"""JSON text with the two things that neither jsonb nor strict parsers hold, NUL and unpaired surrogates, written out.

The string then shows the six characters of the escape where Stripe has the character (decision 0005).
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)
_SUSPECT = re.compile(
    r"\\u(?:0000|(?<=\\\\u)[dD][89abAB]|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])"
)
"""Finds a page that may need escaping at the speed of `re`; that a backslash itself may be escaped is for `escaped`."""
_SUSPECT_BYTES = re.compile(_SUSPECT.pattern.encode())


def storable(body: bytes) -> bytes:
    """A body from the wire as `escaped` makes it; the same object when there is nothing to escape.

    Raises UnicodeDecodeError when there is and it is not UTF-8.
    """
    suspect = b"\\u" in body and _SUSPECT_BYTES.search(body)
    return escaped(body.decode()).encode() if suspect else body


def escaped(text: str) -> str:
    r"""The text with NUL and unpaired surrogates as `\\u0000`, `\\ud83d`; the same object when it has none."""
    if "\\u" not in text or not _SUSPECT.search(text):
        return text
    pieces: list[str] = []
    position = 0
    matches = list(_ESCAPES.finditer(text))
    paired = _paired(matches)
    for index, match in enumerate(matches):
        code = _code(match)
        if code == 0 or (code is not None and 0xD800 <= code < 0xE000 and index not in paired):
            pieces += [text[position : match.start()], "\\", match.group()]
            position = match.end()
    return "".join([*pieces, text[position:]]) if pieces else text


def _paired(matches: list[re.Match[str]]) -> set[int]:
    """Indexes of surrogate escapes that stand together as high and low."""
    paired: set[int] = set()
    for index in range(len(matches) - 1):
        high, low = _code(matches[index]), _code(matches[index + 1])
        adjacent = matches[index].end() == matches[index + 1].start()
        if adjacent and high is not None and low is not None and 0xD800 <= high < 0xDC00 <= low < 0xE000:
            paired |= {index, index + 1}
    return paired


def _code(match: re.Match[str]) -> int | None:
    return int(match.group(1), 16) if match.group(1) else None
