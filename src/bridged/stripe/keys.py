"""What a person pasted where an API key or signing secret belongs: cleaned, recognised, or refused before any call."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NoReturn

from bridged.core.errors import KeyRefused
from bridged.core.types import Secret


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that may be tried. The mode is the key's own: Stripe has one host for both.

    Of the kind `oauth` the secret is the id of an account that the platform's own key opens.
    """

    secret: Secret
    kind: Literal["secret", "restricted", "oauth"]
    livemode: bool


_SHORTEST = 8
"""Characters after the prefix. Stripe promises no length; this only tells a key from its beginning."""

_KEY = re.compile(r"(?P<kind>sk|rk|rkcs)_(?P<mode>live|test)_(?P<body>[A-Za-z0-9_]*)")
_ONE_OF_OURS = re.compile(r"(?:sk|rk|rkcs|pk)_(?:live|test|org)_")
_ASSIGNMENT = re.compile(
    r"(?:export\s+|set\s+|-u\s*|--user[\s=]+|bearer\s+)"
    r"|(?!(?:sk|rk|rkcs|pk)_(?:live|test|org)_)[a-z][\w.\-]*[\"'`]?\s*(?:=|:\s|:(?=[\"'`]))",
    re.IGNORECASE,
)
"""What shells, editors and curl write in front of a value."""

_TERMINAL_PASTE = re.compile(r"\x1b\[20[01]~")
_WRAPPING = " \t\r\n\"'`“”‘’«»<>()[]{},;:"  # noqa: RUF001 - quotes that word processors put around a paste

_HOW = "In the Stripe Dashboard open Developers, API keys, and copy a restricted key (rk_…) with read permissions."
_WHOLE = "Copy the whole key again; a live key is shown in full only once, so you may have to create a new one."

_OTHERS: tuple[tuple[str, str, str], ...] = (
    ("pk_", "This is a publishable key (pk_…); it cannot read account data.", _HOW),
    ("whsec_", "This is a webhook signing secret (whsec_…), not an API key.", _HOW),
    (
        "sk_org_",
        "This is an organization key (sk_org_…), which spans several accounts.",
        "Use a key of the one account.",
    ),
    ("acct_", "This is an account id (acct_…), not an API key.", _HOW),
    ("ca_", "This is a Connect client id (ca_…), not an API key.", _HOW),
    ("ac_", "This is a one-time Connect code (ac_…), not an API key.", _HOW),
    ("we_", "This is the id of a webhook endpoint (we_…), not an API key.", _HOW),
)
_SIGNING = re.compile(r"whsec_[A-Za-z0-9_+/=\-]*")
_REVEAL = "In the Stripe Dashboard open Developers, Webhooks, the endpoint, and reveal its signing secret (whsec_…)."
_NOT_SIGNING: tuple[tuple[str, str], ...] = (
    ("sk_", "This is a secret API key (sk_…)"),
    ("rk_", "This is a restricted API key (rk_…)"),
    ("rkcs_", "This is a restricted API key (rkcs_…)"),
    ("pk_", "This is a publishable key (pk_…)"),
    ("acct_", "This is an account id (acct_…)"),
    ("ca_", "This is a Connect client id (ca_…)"),
    ("we_", "This is the id of a webhook endpoint (we_…)"),
    ("ed_", "This is the id of an event destination (ed_…)"),
    ("http", "This is an address"),
)
_MASKS = ("*", "…", "...", "•", "●", "xxxx")


def read_key(pasted: str) -> ApiKey:
    """The key in `pasted`. Raises KeyRefused saying what it is instead; no message repeats more than a prefix."""
    text = clean(pasted)
    if not text:
        _refuse("Nothing was pasted.", _HOW)
    if len(_ONE_OF_OURS.findall(text)) > 1:
        _refuse("More than one key was pasted.", "Paste one key; connect the other account separately.")
    for prefix, what, hint in _OTHERS:
        if text.startswith(prefix):
            _refuse(what, hint)
    match = _KEY.fullmatch(text)
    if match is None:
        _refuse_other(text)
    if len(match["body"]) < _SHORTEST or "xxxx" in match["body"].lower():
        _refuse("This is only a part of a key, or a placeholder for one.", _WHOLE)
    return ApiKey(
        secret=Secret(text),
        kind="secret" if match["kind"] == "sk" else "restricted",
        livemode=match["mode"] == "live",
    )


def read_signing_secret(pasted: str) -> Secret:
    """The webhook signing secret in `pasted`. Raises KeyRefused, as `read_key` does."""
    text = clean(pasted)
    if not text:
        _refuse("Nothing was pasted.", _REVEAL)
    for prefix, what in _NOT_SIGNING:
        if text.startswith(prefix):
            _refuse(f"{what}, not a webhook signing secret.", _REVEAL)
    if any(mask in text for mask in _MASKS):
        _refuse("This is a masked secret: a part of it is hidden.", _REVEAL)
    if text.count("whsec_") > 1:
        _refuse("More than one signing secret was pasted.", "Enter them one after the other.")
    if not _SIGNING.fullmatch(text):
        _refuse("This is not a webhook signing secret (whsec_…), or there is other text around it.", _REVEAL)
    if len(text.removeprefix("whsec_")) < _SHORTEST:
        _refuse("This is only a part of a webhook signing secret.", _REVEAL)
    return Secret(text)


def clean(pasted: str) -> str:
    """`pasted` without what editors, shells and curl put around a key. Idempotent."""
    seen = (char for char in _TERMINAL_PASTE.sub("", pasted) if unicodedata.category(char) != "Cf")
    text = "".join(" " if char.isspace() or unicodedata.category(char) == "Cc" else char for char in seen)
    while True:
        peeled = text.strip(_WRAPPING)
        if opening := _ASSIGNMENT.match(peeled):
            peeled = peeled[opening.end() :]
        if peeled == text:
            return text
        text = peeled


def _refuse_other(text: str) -> NoReturn:
    """Says what an unreadable paste most likely is."""
    if any(mask in text for mask in _MASKS):
        _refuse("This is a masked key: its middle is hidden.", _WHOLE)
    if _KEY.match(text) and " " in text:
        _refuse("There is a gap or other text inside what was pasted.", _WHOLE)
    if _ONE_OF_OURS.search(text):
        _refuse("There is a key in what was pasted, but with other text around or inside it.", "Paste the key alone.")
    if text.startswith(("sk_", "rk_", "rkcs_", "sk", "rk")) and " " not in text:
        _refuse("This begins like a key but is not a whole one.", _WHOLE)
    _refuse("This is not a Stripe API key.", _HOW)


def _refuse(message: str, hint: str) -> NoReturn:
    raise KeyRefused(message, hint=hint)
