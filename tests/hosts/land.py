"""Hosts of their own on one machine: network namespaces on one switch, each with the real command in it.

The test itself is the outside world: Stripe, WhatsApp, and whoever balances the load. `scripts/hosts` gives it a
network in which nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridged.core.embedded import BINARIES, Embedded

OUTSIDE = "10.77.0.1"
DATA = "10.77.0.3"
_SWITCH = "switch"
_BRIDGED = Path(sys.executable).with_name("bridged")
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def make_switch() -> None:
    """What all hosts are plugged into; the outside world is at its first address."""
    ip("link", "add", _SWITCH, "type", "bridge")
    ip("addr", "add", f"{OUTSIDE}/24", "dev", _SWITCH)
    ip("link", "set", _SWITCH, "up")


@dataclass
class Host:
    """A host and the one process on it. `folder` is its disk: its clock's error, what it logs."""

    name: str
    address: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])
    words: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None

    def plug(self) -> None:
        """Makes it: one cable to the switch."""
        self.folder.mkdir()
        (self.folder / "clock").write_text("+0\n")
        # Plain HTTP goes to the loopback only; there, the name leads outside.
        (self.folder / "hosts").write_text(f"{OUTSIDE} localhost\n")
        ip("netns", "add", self.name)
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self._cable, "master", _SWITCH, "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", self.name, *words)

    @property
    def _cable(self) -> str:
        return f"to-{self.name}"

    def cut(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        ip("link", "set", self._cable, "nomaster")

    def heal(self) -> None:
        ip("link", "set", self._cable, "master", _SWITCH)

    def set_clock(self, by: str) -> None:
        """Its wall clock is wrong by so much, as `+3h`; the time that passes is not."""
        (self.folder / "clock").write_text(by + "\n")

    def inside(self, *words: str) -> list[str]:
        """A command as it is started there."""
        shell = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'
        return ["ip", "netns", "exec", self.name, "unshare", "--mount", "sh", "-ec", shell, "sh",
                str(self.folder / "hosts"), *words]  # fmt: skip

    async def start(self) -> None:
        """Its process, which has said by its end what it had to say in `log`."""
        assert _FAKETIME is not None, "libfaketime is missing"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            **self.settings,
        }
        names = [f"{name}={value}" for name, value in environment.items()]
        with (self.folder / "log").open("ab") as log:
            # The environment is the command's alone: `ip` and the shell keep their own time.
            self.process = await asyncio.create_subprocess_exec(
                *self.inside("env", "-i", *names, str(_BRIDGED), *self.words), stdout=log, stderr=log
            )

    def signal(self, number: int) -> None:
        assert self.process is not None
        assert self.process.returncode is None, f"{self.name} has ended: {self.log[-2000:]}"
        self.process.send_signal(number)

    async def ended(self, within: float) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), within)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@dataclass
class Data:
    """The host of the database: PostgreSQL as an operator runs it, on an address."""

    host: Host
    home: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{DATA}/bridged"

    async def start(self) -> None:
        found = Embedded(self.home)
        if not found.data.exists():
            found.arrive()
            found.leave()
            (found.data / "pg_hba.conf").write_text("host all postgres 10.77.0.0/24 trust\n")
        owner = pwd.getpwuid((found.data / "PG_VERSION").stat().st_uid).pw_name
        drop = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
        options = {
            "listen_addresses": DATA,
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_line_prefix": "%m %a ",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = ["env", "-i", "LC_ALL=C", str(BINARIES / "postgres"), "-D", str(found.data), *flags]
        with (self.host.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.host.inside(*drop, *server), stdout=log, stderr=log
            )

    async def crash(self) -> None:
        """Its power fails: every process of the server is gone at once."""
        assert self.process is not None
        for pid in ip("netns", "pids", self.host.name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        await self.process.wait()


class Balancer:
    """One address outside for several hosts: a new connection goes to the next of them that takes it."""

    def __init__(self, targets: Sequence[tuple[str, int]]) -> None:
        self._targets = itertools.cycle(targets)
        self._tries = len(targets)
        self._at_work: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def at(self, address: str, port: int) -> AsyncIterator[None]:
        def entered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._enter(reader, writer))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

        server = await asyncio.start_server(entered, address, port)
        try:
            yield
        finally:
            server.close()
            for task in self._at_work:
                task.cancel()
            await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            for _ in range(self._tries):
                with contextlib.suppress(OSError, TimeoutError):
                    there, back = await asyncio.wait_for(asyncio.open_connection(*next(self._targets)), 1)
                    with contextlib.closing(back):
                        await _either(_pipe(reader, back), _pipe(there, writer))
                    return


async def _either(*ways: Coroutine[None, None, None]) -> None:
    """Until one side has no more to say."""
    tasks = [asyncio.create_task(each) for each in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
