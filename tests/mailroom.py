"""A mail server at the wire: takes every message and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Mailroom:
    """What came, as (recipient, subject, text). `broken`: it refuses everything from now on. `tls`: it offers that."""

    url: str = ""
    received: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    broken: bool = False
    tls: ssl.SSLContext | None = None
    encrypted: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set no message is taken."""

    def __post_init__(self) -> None:
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 mailroom ESMTP")
        to = ""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while line := (await reader.readline()).decode().strip():
                word = line.split(" ")[0].upper()
                if word == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    say("550 no" if self.broken else "250 ok")
                elif word == "DATA":
                    await self.open.wait()
                    say("354 go on")
                    self._keep(to, await reader.readuntil(b"\r\n.\r\n"))
                    say("250 ok")
                elif word == "EHLO" and self.tls is not None and not self.encrypted:
                    say("250-mailroom")
                    say("250 STARTTLS")
                elif word == "STARTTLS" and self.tls is not None:
                    say("220 go on")
                    await writer.start_tls(self.tls)
                    self.encrypted = True
                elif word == "QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
            await writer.drain()

    def _keep(self, to: str, raw: bytes) -> None:
        found = email.message_from_bytes(raw.removesuffix(b".\r\n"), policy=email.policy.default)
        self.received.append((to, str(found["Subject"]), found.get_content().strip()))


@contextlib.asynccontextmanager
async def mailroom(
    *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, at_once: bool = False
) -> AsyncIterator[Mailroom]:
    """`at_once`: TLS from the start, else where the client asks for it."""
    room, visits = Mailroom(tls=tls, encrypted=at_once), set[asyncio.Task[None]]()

    def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.add(asyncio.create_task(room.serve(reader, writer)))

    server = await asyncio.start_server(visited, host, 0, ssl=tls if at_once else None)
    port, scheme = server.sockets[0].getsockname()[1], "smtps" if at_once else "smtp"
    room.url = f"{scheme}://{host}:{port}?from=billing@example.com"
    async with server:
        yield room
        for each in visits:
            each.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
