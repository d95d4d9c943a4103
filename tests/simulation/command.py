"""The real command in a process of its own, on a home of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from simulation.born import Born


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


@dataclass
class Running:
    """A command under way, leader of its own process group."""

    process: asyncio.subprocess.Process | Born

    def kill(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self, within: float = 240.0) -> Ended:
        try:
            out, err = await asyncio.wait_for(self.process.communicate(), within)
        except TimeoutError:
            self.kill()
            raise
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


@dataclass
class Home:
    """An installation: everything is in one folder, and nothing of it outlives the test."""

    path: Path
    api: str
    settings: dict[str, str] = field(default_factory=dict[str, str])

    async def start(self, *words: str, given: str | None = None) -> Running:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "BRIDGED_HOME": str(self.path),
            "BRIDGED_STRIPE_API_BASE": self.api,
            **self.settings,
        }
        process = await Born.start(words, environment)
        if given is not None:
            process.stdin.write(given.encode())
        process.stdin.close()
        return Running(process)

    async def run(self, *words: str, given: str | None = None, within: float = 240.0) -> Ended:
        return await (await self.start(*words, given=given)).ended(within)

    async def connect(self, key: str) -> Ended:
        return await self.run("connect", "--key-stdin", "--json", given=key)

    async def url(self) -> str:
        return (await self.run("db", "url")).out.strip()

    def postmaster(self) -> int | None:
        """The embedded server's process, if one lives."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.path / "postgres" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return pid
        return None


@contextlib.asynccontextmanager
async def homed(api: str, *, kept: bool = False, **settings: str) -> AsyncIterator[Home]:
    """A home with spaces in its path; its server is gone afterwards, whatever happened.

    `kept`: the server runs all the while, else each command starts and stops it.
    """
    with tempfile.TemporaryDirectory(prefix="bridged tests ", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "a home", api, settings)
        try:
            if kept:
                await home.url()
            yield home
        finally:
            await home.run("db", "stop")
            assert home.postmaster() is None
