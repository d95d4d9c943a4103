"""The channel of the embedded default: messages are shown and kept, and leave the machine nowhere."""

from __future__ import annotations

from collections.abc import Callable

from bridged.channels import Accepted, Outcome
from bridged.messages.outbox import Message

PREFIX = "console."
"""How the ids of its messages begin."""


def _silent(_: str) -> None:
    """What was sent can be seen in the outbox."""


class Console:
    """Takes every message at once; it counts as delivered."""

    def __init__(self, write: Callable[[str], None] = _silent) -> None:
        """`write` is given each message as a line or more for a person."""
        self._write = write

    async def send(self, message: Message, attempt_id: str) -> Outcome:
        """Shows a message."""
        self._write(shown(message))
        return Accepted(PREFIX + attempt_id)


def shown(message: Message) -> str:
    """A message for a person to read."""
    about = f"template {message.template} ({message.language})" if message.template else "free text"
    return f"To {message.phone or message.bsuid}, {message.category}, {about}:\n  {message.body}"
