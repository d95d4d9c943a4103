"""Where commands are born: one process imports all of `bridged` once, and every command is forked from it.

`python nursery.py` takes one packet per command on its standard input: words and environment as JSON and, with it, the
command's stdin, stdout and stderr and a pipe on which it is told of: its process id, and in the end its exit code.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import sys
from types import FrameType

import orjson

_PACKET = 2**17


class Nursery:
    def __init__(self) -> None:
        self._door = socket.socket(fileno=os.dup(0))
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._living: dict[int, int] = {}
        signal.signal(signal.SIGCHLD, _ring)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self._rope)

    def child(self) -> bool:
        """Serves until there is no more to come. True in each new command's process, False in the end."""
        while True:
            ready, _, _ = select.select([self._door, self._bell], [], [])
            if self._bell in ready:
                self._mourn()
            if self._door in ready:
                packet, files, _, _ = socket.recv_fds(self._door, _PACKET, 4)
                if not packet or self._born(packet, files):
                    return bool(packet)

    def _born(self, packet: bytes, files: list[int]) -> bool:
        pid = os.fork()
        if pid == 0:
            self._leave(packet, files)
            return True
        *streams, report = files
        for each in streams:
            os.close(each)
        self._living[pid] = report
        os.write(report, b"%d\n" % pid)
        return False

    def _leave(self, packet: bytes, files: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._door.close()
        for target, each in enumerate(files[:3]):
            os.dup2(each, target)
        for each in (self._bell, self._rope, *files, *self._living.values()):
            os.close(each)
        words, environment = orjson.loads(packet)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["bridged", *words]

    def _mourn(self) -> None:
        os.read(self._bell, 4096)
        with contextlib.suppress(ChildProcessError):
            while (died := os.waitpid(-1, os.WNOHANG))[0]:
                report = self._living.pop(died[0])
                with contextlib.suppress(BrokenPipeError):  # who asked for it may have gone
                    os.write(report, b"%d\n" % os.waitstatus_to_exitcode(died[1]))
                os.close(report)


def _ring(number: int, frame: FrameType | None) -> None:
    """A signal that somebody handles reaches the wakeup file."""


def _learn() -> None:
    """Imports every command's module, and leaves what they hold to no child's garbage collector."""
    package = importlib.import_module("bridged.cli")
    for module in pkgutil.iter_modules(package.__path__, "bridged.cli."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _learn()
    if Nursery().child():
        importlib.import_module("bridged.cli").main()
