"""How a command gets to its work: settings read, log configured, the installation opened; the options all share."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

from cyclopts import Parameter

from bridged import app as root
from bridged.core import log, settings, tracing
from bridged.core.errors import UsageError
from bridged.core.settings import Settings

Json = Annotated[bool, Parameter(negative="", help="Print one JSON document on stdout.")]
ConnectionName = Annotated[str | None, Parameter(help="Name or id of the connection; needed once there are several.")]


def guarded(work: Callable[[Settings], int | Awaitable[int]]) -> int:
    """Work that needs settings only. Raises SettingsError."""
    given = settings.read()
    log.configure(given.log_level)
    tracing.configure()
    try:
        result = work(given)
        return result if isinstance(result, int) else on_loop(result)
    finally:
        tracing.close()


def on_loop(work: Awaitable[int]) -> int:
    """Runs it to its end, on uvloop where there is one: a page costs less there."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_await(work))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _await(result: Awaitable[int]) -> int:
    return await result


def run(work: Callable[[root.App], Awaitable[int]]) -> int:
    """Work on the open installation."""

    async def opened(given: Settings) -> int:
        async with root.opened(given) as app:
            return await work(app)

    return guarded(opened)


def pasted(what: str, *, piped: bool, flag: str, of: str = "Stripe") -> str:
    """A secret from the person at the terminal, who does not see it, or from standard input. Raises UsageError."""
    if piped:
        return sys.stdin.read()
    if not sys.stdin.isatty():
        raise UsageError(f"There is no terminal to ask for the {what}.", hint=f"Pipe it in and add {flag}.")
    return getpass.getpass(f"{of} {what} (it is not shown): ")
