"""Phone numbers: read into E.164, and compared so that two spellings of one number are one number.

WhatsApp itself names some numbers otherwise than they are dialled: Mexico's with or without the 1 that once marked a
mobile, Argentina's with or without the 9, Brazil's with or without the ninth digit.
"""

from __future__ import annotations

import re

import phonenumbers

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LEGACY_MX = re.compile(r"\+521([0-9]{10})")
_MOBILE_AR = re.compile(r"\+549([0-9]{10})")
_NINTH_BR = re.compile(r"\+55([1-9]{2})9([6-9][0-9]{7})")
"""Only what once had eight digits: newer ones begin otherwise, and without their 9 they would be a landline's."""


def canonical(e164: str) -> str:
    """The same text for every spelling of a number."""
    for pattern, whole in ((_LEGACY_MX, r"+52\1"), (_MOBILE_AR, r"+54\1"), (_NINTH_BR, r"+55\1\2")):
        if pattern.fullmatch(e164):
            return pattern.sub(whole, e164)
    return e164


def read(text: str, region: str | None = None) -> str | None:
    """E.164 of what a person wrote; `region` (ISO, upper case) where the country code is missing. None: no number."""
    kept = re.sub(r"[^0-9+]", "", text)
    kept = re.sub(r"^00", "+", kept)
    if _LEGACY_MX.fullmatch(kept):
        return canonical(kept)  # still in use, and invalid in the library's eyes
    try:
        parsed = phonenumbers.parse(kept, None if kept.startswith("+") else region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def of_wa_id(wa_id: str) -> str | None:
    """E.164 of the digits by which WhatsApp names a sender; not judged further: the sender has it."""
    text = "+" + wa_id.removeprefix("+")
    return text if _E164.fullmatch(text) else None


def country_of(e164: str) -> str | None:
    """ISO code of the country a number belongs to."""
    try:
        parsed = phonenumbers.parse(canonical(e164), None)
    except phonenumbers.NumberParseException:
        return None
    found = phonenumbers.region_code_for_number(parsed)
    return found if found and found != "001" else None
