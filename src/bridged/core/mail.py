"""Sending an e-mail through the merchant's SMTP server (BRIDGED_SMTP_URL)."""

from __future__ import annotations

import asyncio
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from bridged.core.errors import MailNotSent, SettingsError
from bridged.core.types import Secret

_TIMEOUT = 10.0
"""Seconds for one message, from the first connection to the server's last word."""
_LONGEST = 254
"""Characters of an address, by the standard."""
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"smtp": 587, "smtps": 465}


def checked(url: str) -> str:
    """The address of a server as a setting may name it: smtp(s)://user:password@host:port?from=billing@example.com.

    Without `from` it is sent by the user, if that is an address, else by bridged@host. Raises SettingsError, which
    does not name the address: it holds a password.
    """
    try:
        found = urlsplit(url)
        port, sender = found.port, _sender(url)
    except ValueError:
        found, port, sender = urlsplit(""), None, ""
    if found.scheme not in _PORTS or not found.hostname or port == 0 or not _is_address(sender):
        raise SettingsError(
            "BRIDGED_SMTP_URL is no address of a mail server.",
            hint="Write smtp://user:password@host:587?from=billing@example.com; smtps:// for TLS from the start.",
        )
    return url


def _sender(url: str) -> str:
    found = urlsplit(url)
    user = unquote(found.username or "")
    return parse_qs(found.query).get("from", [user if "@" in user else f"bridged@{found.hostname}"])[0]


def _is_address(text: str) -> bool:
    """One bare address: nothing that would be read as a second header, a name or a list."""
    return text.isprintable() and not set(text) & set(" ,;<>\"'") and parseaddr(text) == ("", text) and "@" in text


def address(given: str) -> str | None:
    """One bare address, as a person wrote it; None: that is none."""
    return given if _is_address(given) and len(given) <= _LONGEST else None


async def send(server: Secret, to: str, subject: str, text: str, reference: str = "") -> None:
    """Sends one message, within ten seconds. `reference`: its Message-ID is made of it, the same each time it is sent.

    The line is encrypted, and the server proves its name, unless the server is this machine: what is sent lets people
    in. Raises MailNotSent, which names neither the address nor what was in it nor what the server said.
    """
    try:
        message = _message(_sender(server.reveal()), to, subject, text, reference)
        async with asyncio.timeout(_TIMEOUT):
            await _send(server.reveal(), message)
    except (OSError, ValueError, MessageError, aiosmtplib.SMTPException) as error:
        raise MailNotSent(
            f"The mail server did not take a message: {type(error).__name__}.",
            hint="Check BRIDGED_SMTP_URL, and what the mail server's log says.",
        ) from None


def _message(sender: str, to: str, subject: str, text: str, reference: str) -> EmailMessage:
    """Raises ValueError for what is no single address."""
    if not _is_address(to):
        raise ValueError("to")
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    # Names of accounts stand in it, and they may hold anything.
    message["Subject"] = " ".join("".join(each if each.isprintable() else " " for each in subject).split())
    domain = sender.rpartition("@")[2]
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{reference}@{domain}>" if reference else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


async def _send(url: str, message: EmailMessage) -> None:
    found = urlsplit(url)
    at_once = found.scheme == "smtps"
    required = None if found.hostname in _HERE else True
    await aiosmtplib.send(
        message,
        hostname=found.hostname,
        port=found.port or _PORTS[found.scheme],
        username=unquote(found.username) if found.username else None,
        password=unquote(found.password or "") if found.username else None,
        use_tls=at_once,
        start_tls=False if at_once else required,
        timeout=_TIMEOUT,
    )
