"""Who works at the command line, as the audit log names them."""

from __future__ import annotations

import getpass
import socket

from bridged.accounts.audit import Actor


def local() -> Actor:
    """The login of the operating system and the host; no name, where there is no login."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry
        login = "somebody"
    return Actor("cli", f"{login}@{socket.gethostname()}")
