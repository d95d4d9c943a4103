"""`/_sim/…`: the hand on the simulated world, for tests and demos that stand outside its process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bridged.sim import billing, shapes
from bridged.sim.expand import stub
from bridged.sim.limits import Limits
from bridged.sim.oauth import Application, Consent
from bridged.sim.params import Obj
from bridged.sim.store import Account

if TYPE_CHECKING:
    from bridged.sim.server import Simulator

_SETTABLE = {field.name for field in fields(Limits)} - {"refused", "_buckets", "_running"}


class BadControlError(Exception):
    """A control request that makes no sense; the message says why."""


async def answer(sim: Simulator, request: web.BaseRequest) -> web.Response:
    parts = request.rel_url.raw_path.split("/")[2:]
    handler = _HANDLERS.get((request.method, parts[0]))
    if handler is None:
        return _json({"error": f"no control {request.method} /_sim/{parts[0]}"}, 404)
    raw = await request.read()
    try:
        body: Obj = orjson.loads(raw) if raw else {}
        query = dict(request.rel_url.query)
        done = handler(sim, parts[1:], query | body)
        return _json(await done if isawaitable(done) else done)
    except (BadControlError, orjson.JSONDecodeError, TypeError, ValueError) as error:
        return _json({"error": str(error)}, 400)
    except LookupError as error:
        return _json({"error": f"not there: {error}"}, 404)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _account(sim: Simulator, account_id: str, livemode: Any = None) -> Account:
    """The account, in test mode if it has both and none was asked for."""
    wanted = (livemode in (True, "true"),) if livemode is not None else (False, True)
    for mode in wanted:
        if (account_id, mode) in sim.world.accounts:
            return sim.world.accounts[account_id, mode]
    raise LookupError(account_id)


def _state(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    account = _account(sim, rest[0], given.get("livemode"))
    if len(rest) < 2:
        return {kind: len(collection.objects) for kind, collection in account.collections.items()}
    kind = rest[1]
    data = [obj if kind == "events" else shapes.whole(obj) for obj in account.all(kind)]
    return {"data": data, "deleted": [stub(obj) for obj in account.deleted.get(kind, {}).values()]}


def _clock(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest
    clock = sim.world.clock
    to = int(given["to"]) if "to" in given else clock.now + int(given.get("advance", 0))
    if to < clock.now:
        raise BadControlError("time only moves forward")
    with clock.held():
        billing.advance(sim.world, to)
        clock.now = to
    return {"now": clock.now}


def _add_fault(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest
    return asdict(sim.faults.add(**given))


def _list_faults(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest, given
    return {"data": [asdict(rule) for rule in sim.faults.rules]}


def _drop_faults(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del given
    if rest:
        sim.faults.remove(int(rest[0]))
    else:
        sim.faults.clear()
    return {"rules": len(sim.faults.rules)}


def _limits(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest
    for name, value in given.items():
        if name not in _SETTABLE:
            raise BadControlError(f"no limit {name!r}; choose of {', '.join(sorted(_SETTABLE))}")
        setattr(sim.limits, name, value)
    if given:
        sim.limits.reset()
    shown: Obj = {name: getattr(sim.limits, name) for name in sorted(_SETTABLE)}
    return shown | {"refused": dict(sim.limits.refused)}


def _options(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest
    for name, value in given.items():
        if name not in {"latency", "latency_sigma", "edge_quirk", "client_ip"}:
            raise BadControlError(f"option {name!r} cannot be changed while running")
        setattr(sim.options, name, value)
    return asdict(sim.options)


def _log(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """`since` is the number of entries to leave out."""
    del rest
    entries = list(sim.log)[int(given.get("since", 0)) :]
    counts: dict[str, dict[str, int]] = {}
    for (operation, status), count in sim.counts.items():
        counts.setdefault(operation, {})[str(status)] = count
    return {"data": [asdict(entry) for entry in entries], "counts": counts}


def _clear_log(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest, given
    sim.log.clear()
    sim.counts.clear()
    return {}


def _keys(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """Makes a key (`account`, `permissions` or none for a secret key, `allowed_ips`); `/keys/expire` expires `key`."""
    if rest == ["expire"]:
        key = sim.world.keys[given["key"]]
        key.expired = True
        return {"key": key.masked, "expired": True}
    names, addresses = given.get("permissions"), given.get("allowed_ips")
    account = _account(sim, given["account"], given.get("livemode"))
    key = sim.world.add_key(
        account,
        None if names is None else set(names),
        allowed_ips=None if addresses is None else tuple(addresses),
    )
    return {"key": key.text, "account": key.account_id, "livemode": key.livemode}


def _connect(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """Connects `account` to `platform`, or disconnects it (`/connect/revoke`)."""
    connected = sim.world.platforms.setdefault(given["platform"], set())
    if rest == ["revoke"]:
        connected.discard(given["account"])
    else:
        connected.add(given["account"])
    return {"platform": given["platform"], "connected": sorted(connected)}


def _oauth(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """Registers a platform's application, says what the next visitor will do (`/consent`), ends a grant (`/end`)."""
    if rest == ["consent"]:
        sim.oauth.consents.append(Consent(**given))
        return {"waiting": len(sim.oauth.consents)}
    if rest == ["end"]:
        sim.oauth.end(sim.oauth.applications[given["client_id"]], given["account"])
        return {}
    given = given | {"redirects": tuple(given.get("redirects", ()))}
    return asdict(sim.oauth.register(Application(**given)))


def _cast(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest, given
    return {"data": sim.world.cast}


def _world(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    del rest, given
    accounts = [
        {"id": account.id, "livemode": account.livemode, "api_version": account.api_version}
        for account in sim.world.accounts.values()
    ]
    return {"now": sim.world.clock.now, "seed": sim.world.seed, "accounts": accounts}


def _mutate(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """Changes an object (`changes`), removes it (`delete`), or makes one (`create`), with an `event` or silently."""
    del rest
    account = _account(sim, given["account"], given.get("livemode"))
    kind, event = given["kind"], given.get("event")
    if "create" in given:
        return account.create(kind, given["create"], event)
    if given.get("delete"):
        return stub(account.delete(kind, given["id"], event))
    return account.update(kind, given["id"], given.get("changes", {}), event)


def _deliveries(sim: Simulator, rest: list[str], given: Obj) -> Obj:
    """Attempts after the first `since`, and what came of each event by endpoint."""
    del rest
    courier, outcomes = sim.courier, dict[str, dict[str, str]]()
    for (event, endpoint), outcome in list(courier.outcomes.items()):
        outcomes.setdefault(endpoint, {})[event] = outcome
    attempts = [asdict(attempt) for attempt in list(courier.attempts)[int(given.get("since", 0)) :]]
    return {
        "now": courier.now,
        "next_due": courier.next_due,
        "weather": asdict(courier.weather),
        "attempts": attempts,
        "outcomes": outcomes,
    }


async def _pump(sim: Simulator, given: Obj) -> Obj:
    made = await sim.courier.pump(float(given["now"]) if "now" in given else None)
    return {"attempts": made, "now": sim.courier.now, "next_due": sim.courier.next_due}


async def _drain(sim: Simulator, given: Obj) -> Obj:
    return {"attempts": await sim.courier.drain(float(given.get("until", "inf"))), "now": sim.courier.now}


async def _weather(sim: Simulator, given: Obj) -> Obj:
    """Changes what is given and leaves the rest; nothing given only shows."""
    if "delay_seconds" in given:
        shortest, longest = given["delay_seconds"]
        given = given | {"delay_seconds": (shortest, longest)}
    sim.courier.weather = replace(sim.courier.weather, **given)
    return asdict(sim.courier.weather)


async def _resend(sim: Simulator, given: Obj) -> Obj:
    sim.courier.resend(given["event"], given["endpoint"])
    return {"next_due": sim.courier.next_due}


async def _roll(sim: Simulator, given: Obj) -> Obj:
    return {"secret": sim.courier.roll(given["endpoint"], float(given.get("keep_seconds", 0)))}


async def _down(sim: Simulator, given: Obj) -> Obj:
    sim.courier.down(given["endpoint"], float(given.get("seconds", "inf")))
    return {}


async def _burst(sim: Simulator, given: Obj) -> Obj:
    settings: Obj = {name: given[name] for name in ("kind", "event") if name in given}
    account = _account(sim, given["account"], given.get("livemode"))
    return {"events": sim.courier.burst(account, int(given["number"]), **settings)}


_DELIVERING: dict[str, Callable[[Simulator, Obj], Awaitable[Obj]]] = {
    "pump": _pump,
    "drain": _drain,
    "weather": _weather,
    "resend": _resend,
    "roll": _roll,
    "down": _down,
    "burst": _burst,
}


def _deliver(sim: Simulator, rest: list[str], given: Obj) -> Awaitable[Obj]:
    return _DELIVERING[rest[0]](sim, given)


_HANDLERS: dict[tuple[str, str], Callable[[Simulator, list[str], Obj], Obj | Awaitable[Obj]]] = {
    ("GET", "state"): _state,
    ("GET", "world"): _world,
    ("POST", "oauth"): _oauth,
    ("GET", "cast"): _cast,
    ("GET", "log"): _log,
    ("DELETE", "log"): _clear_log,
    ("POST", "clock"): _clock,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _drop_faults,
    ("GET", "limits"): _limits,
    ("POST", "limits"): _limits,
    ("GET", "options"): _options,
    ("POST", "options"): _options,
    ("POST", "keys"): _keys,
    ("POST", "connect"): _connect,
    ("POST", "mutate"): _mutate,
    ("GET", "deliveries"): _deliveries,
    ("POST", "deliveries"): _deliver,
}
