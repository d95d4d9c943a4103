"""A command of ours, forked from one that has imported all of it: a process of its own without a second of imports."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

WARNINGS = "error::RuntimeWarning,error::ResourceWarning"


@functools.cache
def _nursery() -> socket.socket:
    """The way to this test process's nursery, which ends when this end is closed, at the latest with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": WARNINGS},
        )

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


class Born:
    """As `asyncio.subprocess.Process`, as far as tests use that."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    pid: int

    def __init__(self) -> None:
        self.returncode: int | None = None
        self._ended: asyncio.Task[int]

    @classmethod
    async def start(cls, words: Sequence[str], environment: Mapping[str, str]) -> Born:
        born = cls()
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err), (ours_told, theirs_told) = (
            os.pipe() for _ in range(4)
        )
        theirs = [theirs_in, theirs_out, theirs_err, theirs_told]
        packet = orjson.dumps([list(map(str, words)), dict(environment)])
        await asyncio.to_thread(socket.send_fds, _nursery(), [packet], theirs)
        for each in theirs:
            os.close(each)
        born.stdin = await _writer(ours_in)
        born.stdout, born.stderr = await _reader(ours_out), await _reader(ours_err)
        told = await _reader(ours_told)
        born.pid = int(await told.readline())
        born._ended = asyncio.create_task(born._end(told))
        return born

    async def _end(self, told: asyncio.StreamReader) -> int:
        self.returncode = int(await told.readline())
        self.stdin.close()
        await told.read()
        return self.returncode

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def communicate(self) -> tuple[bytes, bytes]:
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


async def _reader(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(file, "rb", 0)
    )
    return reader


async def _writer(file: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(file, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
