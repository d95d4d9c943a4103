"""A mail server at the wire: takes every message and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Mailroom:
    """What came, as (recipient, subject, text). `broken`: it refuses everything from now on."""

    url: str = ""
    received: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    broken: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 mailroom ESMTP")
        to = ""
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                word = line.split(" ")[0].upper()
                if word == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    say("550 no" if self.broken else "250 ok")
                elif word == "DATA":
                    say("354 go on")
                    self._keep(to, await reader.readuntil(b"\r\n.\r\n"))
                    say("250 ok")
                elif word == "QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
            await writer.drain()
        writer.close()

    def _keep(self, to: str, raw: bytes) -> None:
        found = email.message_from_bytes(raw.removesuffix(b".\r\n"), policy=email.policy.default)
        self.received.append((to, str(found["Subject"]), found.get_content().strip()))


@contextlib.asynccontextmanager
async def mailroom() -> AsyncIterator[Mailroom]:
    room = Mailroom()
    server = await asyncio.start_server(room.serve, "127.0.0.1", 0)
    room.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}?from=billing@example.com"
    async with server:
        yield room
