"""The worker's part in scores: all customers at night, and the announcements that are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.app import scoring
from bridged.core import clock, log
from bridged.core.errors import BridgedError, DatabaseUnavailable
from bridged.core.jobs import Done, Job, Jobs, Outcome, Snooze
from bridged.mirror.store import Scope

_log = log.logger("scores")
SCORES = "scores"
"""The job, and its queue: one connection after another, so that nothing else waits for it."""
ANNOUNCE = "announce"
EVERY_MINUTE = "* * * * *"
_AGAIN = timedelta(minutes=1)


class Scores:
    """Jobs of scores on a worker's queue."""

    def __init__(self, app: root.App, jobs: Jobs) -> None:
        self._app = app
        self._jobs = jobs
        jobs.define(SCORES, self._score, queue=SCORES)
        jobs.define_periodic(ANNOUNCE, self._announce, queue=ANNOUNCE, cron=EVERY_MINUTE)

    async def queue_due(self) -> int:
        """Queues a run for each connection whose night has come or whose weights are new. How many those are."""
        queued = 0
        for scope in await scoring.to_be_scored(self._app):
            args = {"workspace_id": scope.workspace_id, "connection_id": scope.connection_id}
            name = f"{SCORES}:{scope.connection_id}"
            async with self._app.database.transaction(scope.workspace_id) as conn:
                queued += await self._jobs.defer(conn, SCORES, args, queue=SCORES, lock=name, queueing_lock=name)
        return queued

    async def _score(self, job: Job) -> Outcome:
        """A run cut off by the end of its process begins anew in another one."""
        found = await self._connection(Scope(int(job.args["workspace_id"]), str(job.args["connection_id"])))
        if found is not None:
            app, connection = found
            try:
                await scoring.refresh_all(app, connection)
            except DatabaseUnavailable:
                return Snooze(clock.now() + _AGAIN)
            await scoring.announce(app, Scope(connection.workspace_id, connection.id))
        return Done()

    async def _announce(self, job: Job) -> Outcome:
        del job
        for scope in await scoring.announcing(self._app):
            app = replace(self._app, workspace_id=scope.workspace_id)
            try:
                await scoring.announce(app, scope)
            except DatabaseUnavailable:
                raise
            except BridgedError as error:
                _log.error("announcing_failed", connection=scope.connection_id, code=error.code)
        return Done()

    async def _connection(self, scope: Scope) -> tuple[root.App, Connection] | None:
        app = replace(self._app, workspace_id=scope.workspace_id)
        async with app.database.transaction(scope.workspace_id) as conn:
            connection = await accounts.by_id(conn, scope.workspace_id, scope.connection_id)
        return None if connection is None else (app, connection)
