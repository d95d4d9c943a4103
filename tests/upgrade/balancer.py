"""What stands before web processes: passes each request to one that is ready, once; takes one out before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from simulation.test_kill import until

_LOOK_EVERY = 0.2
_HOP = {"transfer-encoding", "connection", "keep-alive", "content-length", "content-encoding", "date", "server"}


@dataclass
class Balancer:
    """Asks `/readyz` of each process it was told of. A request that fails is not tried again: it may have arrived."""

    url: str = ""
    known: set[str] = field(default_factory=set[str])
    ready: list[str] = field(default_factory=list[str])
    under_way: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """By process and status; 502 is ours."""
    _turn: itertools.count[int] = field(default_factory=itertools.count)
    _session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if not self.ready:
            self.answers["nobody", 503] += 1
            return web.Response(status=503)
        behind = self.ready[next(self._turn) % len(self.ready)]
        self.under_way[behind] += 1
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            sent = self.session.request(request.method, behind + request.path_qs, data=body, headers=headers)
            async with sent as answer:
                given = await answer.read()
                status, kept = answer.status, {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
        except aiohttp.ClientError:
            status, given, kept = 502, b"", {}
        finally:
            self.under_way[behind] -= 1
        self.answers[behind, status] += 1
        return web.Response(status=status, body=given, headers=kept)

    async def add(self, behind: str, within: float) -> None:
        """Until it is ready."""
        self.known.add(behind)
        await until(lambda: behind in self.ready, within)

    async def take_out(self, behind: str, within: float) -> None:
        """No request goes there any more; returns when none is under way."""
        self.known.discard(behind)
        self.ready = [each for each in self.ready if each != behind]
        await until(lambda: not self.under_way[behind], within)

    async def watch(self) -> None:
        while True:
            found = [each for each in sorted(self.known) if await self._asked(each)]
            self.ready = [each for each in found if each in self.known]
            await asyncio.sleep(_LOOK_EVERY)

    async def _asked(self, behind: str) -> bool:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.session.get(f"{behind}/readyz", timeout=aiohttp.ClientTimeout(total=4)) as answer:
                return answer.status == 200
        # A look that took too long on a busy machine does not take a process out that answers its requests.
        return behind in self.ready and self.under_way[behind] > 0


@contextlib.asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Serves on a port of 127.0.0.1."""
    made = Balancer()
    # No connection is kept to a process: one that ends closes those, maybe just when a request goes out.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as made._session:
        runner = web.ServerRunner(web.Server(made.handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        watching = asyncio.create_task(made.watch())
        try:
            yield made
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await runner.cleanup()
