"""Webhook endpoints: created with a secret that is shown once, at most sixteen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from bridged.sim import shapes
from bridged.sim.filters import boolean, invalid, text, unknown, words
from bridged.sim.lists import missing
from bridged.sim.store import Account, Obj

_MOST = 16
_KIND = "webhook_endpoints"
_UPDATABLE = frozenset({"url", "enabled_events", "description", "metadata", "disabled"})
_CREATABLE = _UPDATABLE - {"disabled"} | {"api_version", "connect"}


def create(account: Account, params: Obj, args: Obj) -> Obj:
    del args
    _only(params, _CREATABLE)
    for name in ("url", "enabled_events"):
        if name not in params:
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    if len(account.collection(_KIND).objects) >= _MOST:
        mode = "live" if account.livemode else "test"
        raise invalid(f"You have reached the maximum of {_MOST} {mode} webhook endpoints.", "url")
    version = params.get("api_version") or None
    if version is not None and not shapes.known(version):
        raise invalid(f"Invalid API version: {version}", "api_version")
    secret = new_secret(account)
    endpoint: Obj = {
        "id": account.next_id("we"),
        "object": "webhook_endpoint",
        "api_version": version,
        "application": None,
        "created": account.clock.now,
        "description": None,
        "enabled_events": [],
        "livemode": account.livemode,
        "metadata": {},
        "status": "enabled",
        "url": "",
        "_connect": boolean(params.get("connect", "false"), "connect"),
        "_secret": secret,
    }
    account.create(_KIND, endpoint | _changes(account, endpoint, params))
    return account.collection(_KIND).objects[endpoint["id"]] | {"secret": secret}


def update(account: Account, params: Obj, args: Obj) -> Obj:
    _only(params, _UPDATABLE)
    endpoint = _stored(account, args["id"])
    return account.update(_KIND, endpoint["id"], _changes(account, endpoint, params))


def delete(account: Account, params: Obj, args: Obj) -> Obj:
    _only(params, frozenset())
    endpoint = _stored(account, args["id"])
    account.delete(_KIND, endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def new_secret(account: Account) -> str:
    return f"whsec_{account.next_id('s')[2:]}{account.next_id('s')[2:]}"


def _only(params: Obj, names: frozenset[str]) -> None:
    for name in params:
        if name not in names:
            raise unknown(name)


def _stored(account: Account, object_id: str) -> Obj:
    endpoint = account.get(_KIND, object_id)
    if endpoint is None:
        raise missing("webhook endpoint", object_id, "webhook_endpoint")
    return endpoint


def _changes(account: Account, endpoint: Obj, params: Obj) -> Obj:
    changes: Obj = {}
    if "url" in params:
        changes["url"] = _url(account, params["url"])
    if "enabled_events" in params:
        changes["enabled_events"] = words(params["enabled_events"], "enabled_events")
    if "description" in params:
        changes["description"] = params["description"] or None
    if "metadata" in params:
        merged: Obj = endpoint["metadata"] | (params["metadata"] or {})
        changes["metadata"] = {key: value for key, value in merged.items() if value != ""}
    if "disabled" in params:
        changes["status"] = "disabled" if boolean(params["disabled"], "disabled") else "enabled"
    return changes


def _url(account: Account, raw: Any) -> str:
    url = text(raw, "url")
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")
    if account.livemode and scheme != "https":
        raise invalid("Invalid URL: URL must be HTTPS in live mode.", "url", "url_invalid")
    return url
