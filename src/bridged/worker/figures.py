"""The worker's part in figures: once a minute, the days of which something changed."""

from __future__ import annotations

from bridged import app as root
from bridged.app import figures
from bridged.core.jobs import Done, Job, Jobs, Outcome

FIGURES = "figures"
"""The job, and its queue: one connection after another, so that nothing else waits for it."""
EVERY_MINUTE = "* * * * *"


class Figures:
    """The job on a worker's queue."""

    def __init__(self, app: root.App, jobs: Jobs) -> None:
        self._app = app
        jobs.define_periodic(FIGURES, self._keep, queue=FIGURES, cron=EVERY_MINUTE)

    async def _keep(self, job: Job) -> Outcome:
        del job
        await figures.keep_all(self._app)
        return Done()
