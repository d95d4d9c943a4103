"""The API answers as its document says, whatever it is sent: no 5xx, no status that is not documented."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error, status_code_conformance
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from bridged import app as root
from bridged.core.settings import Settings
from bridged.sim import server
from bridged.web.api import routes
from served import Web, listening, serving
from simulation.stage import QUICK, build

EXAMPLES = 6
"""For each route: as many requests as the document allows, and as many that break it."""
STREAMS = {"/api/v1/connections/{connection}/progress"}
"""Answers that do not end."""


def knock(url: str, token: str, connection: str, document: dict[str, Any], seed: int, examples: int) -> Counter[int]:
    """Asks every route. Returns the statuses met. Raises what a check complains of."""
    schema = schemathesis.openapi.from_dict(document)
    met = Counter[int]()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation is None or operation.path in STREAMS:
            continue
        for mode in schemathesis.GenerationMode:

            @hypothesis.seed(seed)
            @hypothesis.settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                if case.path_parameters and "connection" in case.path_parameters and sum(met.values()) % 2 == 0:
                    case.path_parameters["connection"] = connection
                answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120)
                met[answer.status_code] += 1
                case.validate_response(answer, checks=[not_a_server_error, status_code_conformance])

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                assert mode is schemathesis.GenerationMode.NEGATIVE, f"{operation.label}: nothing to ask"
    return met


async def test_no_request_breaks_the_document(settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.web.callers.PER_SECOND", 1e6)
    async with server.running(build(seed % 1000, 1)) as sim:
        sim.limits.enabled = False
        async with root.opened(replace(settings, stripe_api_base=sim.url), wire=QUICK) as app, serving(app) as web:
            connected = await root.connect(app, sim.key(), None)
            met = await asked(web, connected.connection.id, seed)
    assert met[200] > 10
    assert met[422] > 10
    assert met[404] > 3


async def asked(web: Web, connection: str, seed: int) -> Counter[int]:
    return await asyncio.to_thread(knock, web.url, web.token, connection, routes().openapi(), seed, EXAMPLES)


@pytest.mark.parametrize("status", [500, 418])
async def test_the_check_can_fail(status: int, seed: int) -> None:
    async def wrong(_: object) -> JSONResponse:
        return JSONResponse({}, status)

    site = Starlette(routes=[Route("/x", wrong)])
    site.state.ending = asyncio.Event()
    document = {
        "openapi": "3.1.0",
        "info": {"title": "wrong", "version": "1"},
        "paths": {"/x": {"get": {"responses": {"200": {"description": "fine"}}}}},
    }
    async with listening(site) as url:
        with pytest.raises(BaseException, match=str(status)):
            await asyncio.to_thread(knock, url, "token", "none", document, seed, 3)
