"""What processes cost, from /proc: seconds of CPU of one process, of all of PostgreSQL's, of the whole machine."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def cpu(pid: int) -> float:
    """Of all threads that live: nanoseconds from the scheduler, where ticks would be too coarse."""
    tasks = (_PROC / str(pid) / "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def family(postmaster: int) -> list[int]:
    """A PostgreSQL server's processes."""
    found = [postmaster]
    for each in _PROC.iterdir():
        try:
            if each.name.isdigit() and int(_stat(int(each.name))[1]) == postmaster:
                found.append(int(each.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def server_cpu(postmaster: int) -> float:
    """Of the server with all its processes, those that have ended too."""
    total = sum(int(each) for each in _stat(postmaster)[13:15]) / _TICK
    for pid in family(postmaster):
        try:
            total += cpu(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def machine_cpu() -> float:
    """Of everything that runs here."""
    user, nice, system, _, _, irq, softirq, steal, *_ = (
        int(each) for each in (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / _TICK


def peak_memory(pid: int) -> float:
    """The most memory a process ever held, in MB."""
    line = next(each for each in (_PROC / str(pid) / "status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: by the clock, and of CPU by ourselves, PostgreSQL, the simulator and everybody on this machine."""

    wall: float
    client: float
    server: float
    simulator: float
    machine: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.wall - other.wall,
            self.client - other.client,
            self.server - other.server,
            self.simulator - other.simulator,
            self.machine - other.machine,
        )

    @property
    def foreign_cores(self) -> float:
        """Cores that others kept busy meanwhile."""
        return max(0.0, self.machine - self.client - self.server - self.simulator) / self.wall


def spent(postmaster: int, simulator: int) -> Spent:
    """So far."""
    return Spent(time.monotonic(), cpu(os.getpid()), server_cpu(postmaster), cpu(simulator), machine_cpu())
