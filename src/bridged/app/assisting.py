"""The optional model put together: settings, the extra's module, the budget of a connection for the day."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bridged.accounts import Connection
from bridged.conversation.facts import Answer
from bridged.conversation.intents import Reading, Understood
from bridged.conversation.model import Model
from bridged.conversation.spending import store as spending
from bridged.core import clock, log
from bridged.core.db import Database
from bridged.core.errors import SettingsError
from bridged.core.settings import Settings
from bridged.mirror.store import Scope

_log = log.logger("model")


def assistant(settings: Settings, database: Database, connection: Connection) -> Model | None:
    """The model for one message to this connection's merchant; None where none is set.

    Where the setting cannot be used, customers are answered without it, and the log and the answer's engine say so.
    """
    if settings.model is None:
        return None
    try:
        return assistant_of(_module(), _model(settings.model), settings, database, connection)
    except SettingsError as error:
        _log.warning("model_unusable", message=error.message, hint=error.hint)
        return Unusable(settings.model)


@dataclass(frozen=True)
class Unusable:
    """A model that is set and cannot be used."""

    name: str
    micros: int = 0
    trouble: str | None = "settings_invalid"

    async def choose(self, reading: Reading) -> Understood | None:
        """Nothing."""
        del reading

    async def rephrase(self, answer: Answer) -> str | None:
        """Nothing."""
        del answer


def unusable(name: str) -> SettingsError | None:
    """Why a model cannot be used; None if it can."""
    try:
        _model(name)
    except SettingsError as error:
        return error
    return None


def assistant_of(module: Any, model: Any, settings: Settings, database: Database, connection: Connection) -> Model:
    """The same over a model of pydantic-ai that is open."""
    scope = Scope(connection.workspace_id, connection.id)

    async def left() -> int:
        async with database.transaction(scope.workspace_id) as conn:
            return settings.model_budget - await spending.spent(conn, scope, clock.now().date())

    async def spend(micros: int) -> None:
        async with database.transaction(scope.workspace_id) as conn:
            await spending.add(conn, scope, clock.now().date(), micros)

    made: Model = module.Assistant(
        settings.model or "model", model, settings.model_timeout, left, spend, words=settings.model_rephrases
    )
    return made


def _module() -> Any:
    try:
        return importlib.import_module("bridged.conversation.agent")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(("pydantic_ai", "pydantic_graph", "genai_prices")):
            raise
        raise SettingsError(
            "BRIDGED_MODEL is set, but the extra is not installed.", hint="pip install 'bridged[model]', or unset it."
        ) from None


@lru_cache(maxsize=4)
def _model(name: str) -> Any:
    """Open once in a process: it keeps connections to its provider."""
    return _module().opened(name)
