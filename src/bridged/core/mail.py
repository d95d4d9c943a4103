"""Sending an e-mail through the merchant's SMTP server (BRIDGED_SMTP_URL)."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from bridged.core.errors import MailNotSent, SettingsError
from bridged.core.types import Secret

_TIMEOUT = 10.0
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"smtp": 587, "smtps": 465}


def checked(url: str) -> str:
    """The address of a server as a setting may name it: smtp(s)://user:password@host:port?from=billing@example.com.

    Without `from` it is sent by the user, if that is an address, else by bridged@host. Raises SettingsError, which
    does not name the address: it holds a password.
    """
    found = urlsplit(url)
    try:
        port = found.port
    except ValueError:
        port = -1
    if found.scheme not in _PORTS or not found.hostname or port == -1 or "@" not in _sender(url):
        raise SettingsError(
            "BRIDGED_SMTP_URL is no address of a mail server.",
            hint="Write smtp://user:password@host:587?from=billing@example.com; smtps:// for TLS from the start.",
        )
    return url


def _sender(url: str) -> str:
    found = urlsplit(url)
    user = unquote(found.username or "")
    return parse_qs(found.query).get("from", [user if "@" in user else f"bridged@{found.hostname}"])[0]


async def send(server: Secret, to: str, subject: str, text: str) -> None:
    """Sends one message. Raises MailNotSent, which names neither the address nor what was in it."""
    try:
        await asyncio.to_thread(_send, server.reveal(), to, subject, text)
    except (OSError, smtplib.SMTPException) as error:
        raise MailNotSent(
            f"The mail server did not take a message: {type(error).__name__}.",
            hint="Check BRIDGED_SMTP_URL, and what the mail server's log says.",
        ) from None


def _send(url: str, to: str, subject: str, text: str) -> None:
    found = urlsplit(url)
    host, port = found.hostname or "", found.port or _PORTS[found.scheme]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = _sender(url), to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="bridged.invalid")
    message.set_content(text)
    trusted = ssl.create_default_context()
    if found.scheme == "smtps":
        link: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT, context=trusted)
    else:
        link = smtplib.SMTP(host, port, timeout=_TIMEOUT)
    with link:
        link.ehlo()
        if found.scheme == "smtp" and link.has_extn("starttls"):
            link.starttls(context=trusted)
            link.ehlo()
        elif found.scheme == "smtp" and found.username and host not in _HERE:
            # A password goes over no open line.
            raise smtplib.SMTPNotSupportedError("STARTTLS")
        if found.username:
            link.login(unquote(found.username), unquote(found.password or ""))
        link.send_message(message)
