"""The OpenAPI document: valid, whole, and what the routes really do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

from bridged import app as root
from bridged.accounts import SCOPES
from bridged.core import errors
from bridged.core.settings import Settings
from bridged.mirror.kinds import KINDS
from bridged.sync.bulk import MOST
from bridged.web import (
    actions,
    agents,
    alerts,
    channels,
    checkups,
    consents,
    control,
    edge,
    figure_documents,
    life,
    playbooks,
    profiles,
    progress,
    reading,
    scores,
    threads,
    webhook_log,
)
from bridged.web.api import routes
from bridged.web.callers import SCOPE
from served import FAULT, serving

ALWAYS = {"401", "403", "404", "405", "413", "422", "429", "500", "503"}
FAILURE = "#/components/schemas/Failure"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return routes().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


async def test_it_is_served_to_anybody(settings: Settings, document: dict[str, Any]) -> None:
    async with root.opened(settings) as app, serving(app) as web:
        reply = await web.get("/api/openapi.json", token="")
    assert reply.status == 200
    assert reply.json == document


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPI.model_validate(document)
    for each in references(document):
        here: Any = document
        for step in each.removeprefix("#/").split("/"):
            here = here[step]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    known = {
        (method.lower(), re.sub(r":\w+}", "}", route.path))
        for router in (
            checkups.router,
            reading.lists,
            life.router,
            actions.switch,
            actions.router,
            control.router,
            progress.router,
            webhook_log.router,
            profiles.router,
            agents.router,
            scores.router,
            figure_documents.router,
            threads.router,
            channels.router,
            consents.router,
            playbooks.router,
            alerts.router,
            reading.objects,
        )
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert known == {(method, path) for method, path, _ in operations(document)}
    assert all(path.startswith("/api/v1/") for _, path in known)


def test_every_operation_says_how_it_may_fail(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        responses = operation["responses"]
        assert responses.keys() >= ALWAYS, where
        for status, response in responses.items():
            if int(status) >= 400:
                assert response["content"]["application/json"]["schema"] == {"$ref": FAILURE}, f"{where} {status}"
                assert response["description"], f"{where} {status}"
        assert any(int(status) < 300 for status in responses), where
        assert operation[SCOPE] in SCOPES, where
        assert operation["security"] == [{"token": []}], where
        assert operation["summary"], where
        assert operation["description"], where
    assert set(document["components"]["schemas"]["Fault"]["properties"]) == FAULT


def test_every_error_has_a_status_that_is_documented(document: dict[str, Any]) -> None:
    documented = {int(status) for _, _, operation in operations(document) for status in operation["responses"]}
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.BridgedError)
    ]
    statuses = {each.__name__: edge.status_of(each.__new__(each)) for each in classes}
    assert set(statuses.values()) <= documented
    assert statuses["NotFound"] == 404
    assert statuses["SettingsError"] == 422
    assert statuses["StripeBusy"] == 503
    assert statuses["VaultError"] == statuses["InternalError"] == 500


def test_limits_stand_in_it(document: dict[str, Any]) -> None:
    listed = document["paths"]["/api/v1/connections/{connection}/{kind}"]["get"]["parameters"]
    parameters = {each["name"]: each for each in listed}
    assert parameters.keys() == {
        "connection", "kind", "limit", "starting_after", "ending_before", "customer", "status",
    }  # fmt: skip
    assert (parameters["limit"]["schema"]["minimum"], parameters["limit"]["schema"]["maximum"]) == (1, 100)
    assert parameters["kind"]["schema"]["enum"] == [kind.name for kind in KINDS]
    assert document["components"]["schemas"]["BulkBody"]["properties"]["ids"]["maxItems"] == MOST
