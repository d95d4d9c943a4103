"""By what a person on a channel is known in our tables: `phone:<canonical number>`, `bsuid:<WhatsApp's id>`."""

from __future__ import annotations

from bridged.profiles.contacts import Kind, phones


def identities(phone_e164: str | None, bsuid: str | None) -> list[str]:
    """All names of one person; none if there is neither."""
    named = [phone_identity(phone_e164)] if phone_e164 else []
    return [*named, f"bsuid:{bsuid}"] if bsuid else named


def phone_identity(phone_e164: str) -> str:
    """The same for every spelling of a number."""
    return f"phone:{phones.canonical(phone_e164)}"


def of_contact(kind: Kind, value: str) -> str:
    """By what a contact is compared."""
    if kind in {"phone", "wa_id"}:
        return phones.canonical(value)
    return value.casefold().removeprefix("@") if kind == "username" else value
