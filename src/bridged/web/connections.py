"""The pages of a connection: how it stands, how far it is, steering it, its history, its proofs, its key, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import Act
from bridged.accounts.audit import store as audit
from bridged.app import hooks, life
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.jobs import Jobs
from bridged.mirror.kinds import BY_NAME, SYNCED
from bridged.sync import store as sync_store
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.control.steering import Steered
from bridged.sync.settings import read_kinds
from bridged.web.counting import Counting
from bridged.web.health import course_of, covered, health_of, lines
from bridged.web.integrations import PLACE as WIZARD
from bridged.web.integrations import STEPS, permission_rows
from bridged.web.live import Part, Streams
from bridged.web.visits import Page, Visit, go

PLACE = "/connections"
_RUNS = 25
_ONE = PLACE + "/{connection}"


def tabs_of(connection: Connection) -> list[tuple[str, str]]:
    """The pages about a connection, as `parts.tabs` takes them."""
    own = f"{PLACE}/{connection.id}"
    names = (
        ("", "Overview"),
        ("/events", "Webhook log"),
        ("/runs", "Runs"),
        ("/proofs", "Proofs"),
        ("/webhook", "Webhook"),
        ("/settings", "Settings"),
        ("/key", "Key"),
    )
    return [(own + path, name) for path, name in names]


async def connection_of(visit: Visit) -> Connection:
    """The connection in the path. Raises NotFound."""
    return await root.find_connection(visit.app, visit.request.path_params["connection"])


class Connections:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(
        self, show: Callable[..., Response], draw: Callable[..., str], streams: Streams, counting: Counting
    ) -> None:
        self._show = show
        self._draw = draw
        self._streams = streams
        self._counting = counting

    def table(self) -> list[Page]:
        """Every page of these."""
        overview, key = self._overview, self._key
        steers = (("sync", self._sync), ("pause", self._pause), ("resume", self._resume), ("cancel", self._cancel))
        return [
            Page("GET", PLACE, "read", self._all),
            Page("GET", _ONE, "read", overview),
            Page("GET", f"{_ONE}/live/part", "read", self._part),
            Page("GET", f"{_ONE}/live/stream", "read", self._stream),
            Page("GET", f"{WIZARD}/{{connection}}/progress", "admin", self._progress),
            *(Page("POST", f"{_ONE}/{name}", "sync", handler, overview) for name, handler in steers),
            Page("POST", f"{_ONE}/resync", "sync", self._resync, overview),
            Page("GET", f"{_ONE}/runs", "read", self._runs),
            Page("GET", f"{_ONE}/proofs", "read", self._proofs),
            Page("POST", f"{_ONE}/proofs", "sync", self._prove, self._proofs),
            Page("GET", f"{_ONE}/key", "admin", key),
            Page("POST", f"{_ONE}/test", "sync", self._test, overview),
            Page("POST", f"{_ONE}/key", "admin", self._replace_key, key),
            Page("POST", f"{_ONE}/name", "admin", self._rename, key),
            Page("POST", f"{_ONE}/access", "admin", self._access, key),
            Page("GET", f"{_ONE}/disconnect", "admin", self._end),
            Page("POST", f"{_ONE}/disconnect", "admin", self._disconnect, self._end),
        ]

    async def _all(self, visit: Visit) -> Response:
        del visit
        return go("/integrations")

    # How it stands

    async def _overview(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        return self._show(
            visit, "connection.html", tabs=tabs_of(connection), **await self._standing(visit.app, connection)
        )

    async def _progress(self, visit: Visit) -> Response:
        """The last step of connecting: the first sync, under way."""
        connection = await connection_of(visit)
        return self._show(visit, "first_sync.html", steps=STEPS, **await self._standing(visit.app, connection))

    async def _standing(self, app: root.App, connection: Connection) -> dict[str, Any]:
        status = await self._counting.status(app, connection)
        jobs = Jobs(app.database)
        async with app.database.transaction(app.workspace_id) as conn:
            queued = await jobs.waits(conn, connection.account_key, connection.id)
            run = await sync_store.last_run(conn, steering.scope_of(connection)) if status.running else None
            windows = await sync_store.windows(conn, steering.scope_of(connection), run) if run else []
        course = course_of(status, queued=queued, worker=await jobs.alive())
        return {
            "connection": connection,
            "status": status,
            "health": health_of(status),
            "course": course,
            "lines": lines(status, covered(windows, SYNCED)),
            "webhook": await hooks.webhook_state(app, connection),
        }

    async def _drawn(self, app: root.App, connection: Connection) -> Part:
        found = await self._standing(app, connection)
        course = found["course"]
        # What an event left in doubt is read again when the run is over, and the page goes on until then.
        settled = course.over and found["health"].kind != "busy"
        return Part(self._draw("live.html", now=clock.now(), **found), over=settled)

    async def _part(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        return Response((await self._drawn(visit.app, connection)).html, media_type="text/html")

    async def _stream(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        return self._streams.answer(visit, lambda: self._drawn(visit.app, connection))

    # Steering

    async def _sync(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        app = visit.app
        async with app.database.transaction(app.workspace_id) as conn:
            if (await steering.settings_of(conn, connection)).paused:
                raise UsageError("The connection is paused.", hint="Resume it: it then goes on where it was.")
            await steering.queue_sync(conn, Jobs(app.database), connection, cause="request")
        return await self._told(visit, connection, "connection.sync_asked")

    async def _pause(self, visit: Visit) -> Response:
        return await self._steer(visit, steering.pause, "connection.paused")

    async def _resume(self, visit: Visit) -> Response:
        return await self._steer(visit, steering.resume, "connection.resumed")

    async def _cancel(self, visit: Visit) -> Response:
        return await self._steer(visit, steering.cancel, "connection.sync_canceled")

    async def _resync(self, visit: Visit) -> Response:
        return await self._steer(visit, steering.resync, "connection.resync_asked")

    async def _steer(self, visit: Visit, steer: Callable[..., Any], action: str) -> Response:
        """All of it, or the one data object that the form names."""
        connection = await connection_of(visit)
        named = visit.form.get("object", "")
        kinds = [kind.name for kind in read_kinds(named)] if named else []
        steered: Steered = await steer(visit.app.database, connection, kinds)
        del steered  # the page shows how it stands, as anybody else sees it
        return await self._told(visit, connection, action, named)

    async def _told(self, visit: Visit, connection: Connection, action: str, what: str = "") -> Response:
        after = {"object": what} if what else None
        act = Act(action, f"connection {connection.name}", None, after, connection.id)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            await audit.record(conn, connection.workspace_id, visit.actor, act, clock.now())
        back = visit.form.get("back", "")
        return go(f"{WIZARD}/{connection.id}/progress" if back == "progress" else f"{PLACE}/{connection.id}")

    # History and proofs

    async def _runs(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        given = visit.request.query_params.get("before", "")
        before = int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else None
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            found = await control.history(conn, steering.scope_of(connection), _RUNS + 1, before=before)
        shown = found[:_RUNS]
        older = f"?before={shown[-1].id}" if len(found) > _RUNS else ""
        return self._show(
            visit,
            "runs.html",
            connection=connection,
            tabs=tabs_of(connection),
            runs=shown,
            older=older,
            before=before,
            titles=_TITLES,
        )

    async def _proofs(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            found = await sync_store.proofs(conn, steering.scope_of(connection))
        status = await self._counting.status(visit.app, connection)
        return self._show(
            visit,
            "proofs.html",
            connection=connection,
            tabs=tabs_of(connection),
            asked="asked" in visit.request.query_params,
            worker=await Jobs(visit.app.database).alive(),
            proofs=sorted(found, key=lambda each: each.checked_at, reverse=True),
            status=status,
            lines=lines(status, {}),
            titles=_TITLES,
        )

    async def _prove(self, visit: Visit) -> Response:
        """Asks a worker for a round of proofs."""
        connection, app = await connection_of(visit), visit.app
        async with app.database.transaction(app.workspace_id) as conn:
            await steering.queue_verify(conn, Jobs(app.database), connection)
            act = Act("connection.proof_asked", f"connection {connection.name}", None, None, connection.id)
            await audit.record(conn, connection.workspace_id, visit.actor, act, clock.now())
        return go(f"{PLACE}/{connection.id}/proofs?asked=1")

    # The key, and the end

    async def _key(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        return self._show(
            visit,
            "connection_key.html",
            connection=connection,
            tabs=tabs_of(connection),
            rows=await permission_rows(visit.app, connection),
            standing=await life.standing(visit.app, connection),
        )

    async def _test(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await life.test(visit.app, connection, visit.actor)
        return go(f"{PLACE}/{connection.id}" + ("/key" if visit.may("admin") else ""))

    async def _replace_key(self, visit: Visit) -> Response:
        connection, form = await connection_of(visit), visit.form
        same = form.get("same_account") == "yes"
        await life.replace_key(visit.app, connection, form.get("key", ""), visit.actor, same_account=same)
        return go(f"{PLACE}/{connection.id}/key")

    async def _rename(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await life.rename(visit.app, connection, visit.form.get("name", ""), visit.actor)
        return go(f"{PLACE}/{connection.id}/key")

    async def _access(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        wanted = "read_write" if visit.form.get("access") == "read_write" else "read_only"
        await life.set_access(visit.app, connection, wanted, visit.actor)
        return go(f"{PLACE}/{connection.id}/key")

    async def _end(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        status = await self._counting.status(visit.app, connection)
        objects = sum(each.objects + each.deleted for each in status.kinds)
        return self._show(
            visit, "disconnect.html", connection=connection, objects=objects, standing=status.standing, ended=None
        )

    async def _disconnect(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        if visit.form.get("sure") != connection.name:
            raise UsageError(f"Type the name of the connection, {connection.name}, to say that you are sure.")
        delete = visit.form.get("data") == "delete"
        ended = await life.disconnect(visit.app, connection, visit.actor, delete=delete)
        return self._show(visit, "disconnect.html", connection=connection, objects=0, standing=None, ended=ended)


_TITLES = {name: kind.title for name, kind in BY_NAME.items()}
