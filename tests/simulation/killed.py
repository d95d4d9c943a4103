"""The real command, killed by itself (SIGKILL) at one step: `python killed.py bridged.sync.rereads.read:after:3 serve`.

The step is a function of ours, `before` its nth call or `after` it; whatever the function did is done by then, whatever
follows is not.
"""

import importlib
import os
import signal
import sys
from typing import Any


def arm(point: str) -> None:
    """Puts the kill in its place. Whoever imported the function by name has the armed one too."""
    path, when, count = point.rsplit(":", 2)
    owner, name = _owner(path)
    plain = getattr(owner, name)
    calls = 0

    async def armed(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        due = calls >= int(count)
        if due and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await plain(*args, **options)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, armed)


def _owner(path: str) -> tuple[Any, str]:
    """The module, or the class in it, that holds the function."""
    place, _, name = path.rpartition(".")
    try:
        return importlib.import_module(place), name
    except ModuleNotFoundError:
        module, _, cls = place.rpartition(".")
        return getattr(importlib.import_module(module), cls), name


if __name__ == "__main__":
    arm(sys.argv[1])
    from bridged import cli

    sys.argv = ["bridged", *sys.argv[2:]]
    cli.main()
