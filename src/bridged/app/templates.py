"""The templates that playbooks need beside those WhatsApp has: which are missing, and handing them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.app import App, channels, playbooks
from bridged.channels import Channel, Template
from bridged.core.errors import BridgedError, ChannelRefused, NotFound, RequestInvalid
from bridged.messages.templates import store
from bridged.messages.templates.store import Row
from bridged.playbooks import catalogue, publishing, rendering

MISSING = "missing"
"""The state of a text that WhatsApp has not been given, as far as is known."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text of a playbook. `language` as WhatsApp spells it; `known`: what WhatsApp has of it."""

    name: str
    language: str
    category: str
    body: str
    known: Row | None

    @property
    def state(self) -> str:
        return MISSING if self.known is None else self.known.state


@dataclass(frozen=True, slots=True)
class Need:
    """A playbook that sends to customers, with its texts."""

    playbook_id: str
    name: str
    enabled: bool
    texts: tuple[Wanted, ...]

    @property
    def missing(self) -> tuple[Wanted, ...]:
        return tuple(each for each in self.texts if each.known is None)

    @property
    def ready(self) -> bool:
        """Whether each text may be sent."""
        return all(each.state == "approved" for each in self.texts)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What came of handing in: names with languages that were taken, and what WhatsApp said of the others."""

    taken: tuple[str, ...]
    refused: Mapping[str, BridgedError]


async def needs(app: App, connection: Connection, channel: Channel) -> list[Need]:
    """What the playbooks of a connection need of a channel: those that are on first."""
    async with app.database.transaction(app.workspace_id) as conn:
        listed = await store.listed(conn, connection.id, channel.id)
        documents = await publishing.documents(conn, playbooks.scope_of(connection))
    known = {(each.name, each.language): each for each in listed}
    found: list[Need] = []
    for playbook_id, (doc, enabled) in documents.items():
        texts = tuple(_wanted(each, known) for each in catalogue.submissions(doc))
        if texts:
            found.append(Need(playbook_id, doc.name, enabled, texts))
    return sorted(found, key=lambda each: not each.enabled)


def _wanted(asked: Mapping[str, Any], known: Mapping[tuple[str, str], Row]) -> Wanted:
    body = next(each["text"] for each in asked["components"] if each["type"] == "BODY")
    name, language = asked["name"], asked["language"]
    return Wanted(name, language, asked["category"].lower(), body, known.get((name, language)))


async def hand_in(app: App, connection: Connection, channel: Channel, playbook_id: str, actor: Actor) -> HandedIn:
    """Hands in what WhatsApp has not got of a playbook's texts. One that is refused does not keep the others.

    Raises NotFound, UsageError on a channel that has no templates, ChannelError where WhatsApp cannot be asked at all.
    """
    need = next((each for each in await needs(app, connection, channel) if each.playbook_id == playbook_id), None)
    if need is None:
        raise NotFound("There is no such playbook with templates.", hint="`bridged playbook list` shows them.")
    if not need.missing:
        raise RequestInvalid(
            "WhatsApp has all templates of this playbook already.", hint="Ask WhatsApp again to see their state."
        )
    texts = await playbooks.submissions(app, connection, playbook_id)
    submissions = {(each["name"], each["language"]): each for each in texts}
    taken: list[str] = []
    refused: dict[str, BridgedError] = {}
    for each in need.missing:
        asked = submissions[each.name, each.language]
        wanted = Template(each.name, each.language, each.category, asked["components"])
        try:
            await channels.create_template(app, connection, channel, wanted, actor)
            taken.append(f"{each.name} ({each.language})")
        except ChannelRefused as error:
            refused[f"{each.name} ({each.language})"] = error
    return HandedIn(tuple(taken), refused)


def example_of(text: Wanted) -> dict[str, str]:
    """Made-up values for a text's placeholders."""
    return {name: catalogue.EXAMPLES[name] for name in rendering.placeholders(text.body)}
