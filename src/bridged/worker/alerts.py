"""The worker's part in alerts: each minute a look at every workspace, then the messages that are due."""

from __future__ import annotations

from bridged import app as root
from bridged.app import alerts
from bridged.core.jobs import Done, Job, Jobs, Outcome

ALERTS = "alerts"
EVERY_MINUTE = "* * * * *"


class Alerts:
    """The job of alerts on a worker's queue."""

    def __init__(self, app: root.App, jobs: Jobs) -> None:
        self._app = app
        jobs.define_periodic(ALERTS, self._look, queue=ALERTS, cron=EVERY_MINUTE)

    async def _look(self, job: Job) -> Outcome:
        del job
        await alerts.look_everywhere(self._app)
        await alerts.deliver_everywhere(self._app)
        return Done()
