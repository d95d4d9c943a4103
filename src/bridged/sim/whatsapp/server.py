"""The simulated Cloud API as an HTTP server on the loopback interface; below /_sim/ it is told what to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import orjson
from aiohttp import web

from bridged.sim.whatsapp.courier import Courier
from bridged.sim.whatsapp.world import LATER, Fault, Number, Refusal, Sent, Template, World

Json = dict[str, Any]


@dataclass
class Simulator:
    """A running simulator. `url` is the API's base, without a version."""

    world: World
    courier: Courier
    url: str = ""
    review: str = "PENDING"
    """The state of a template that was just handed in."""

    def approve(self, waba_id: str, name: str, language: str, event: str = "APPROVED") -> None:
        """Meta decides on a template, and tells."""
        template = self.world.templates[waba_id, name, language]
        template.status = event
        value = {
            "event": event,
            "message_template_id": template.id,
            "message_template_name": name,
            "message_template_language": language,
            "reason": "NONE",
        }
        for number in self.world.numbers.values():
            if number.waba_id == waba_id:
                self.courier.field(number, "message_template_status_update", value)
                return

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        try:
            if request.path.startswith("/_sim/"):
                return _json(await self._control(request))
            return await self._graph(request)
        except Refusal as refusal:
            return _json(refusal.as_json(), refusal.status)
        except (KeyError, TypeError, ValueError) as error:
            return _json(Refusal(100, "Invalid parameter", repr(error)).as_json(), 400)

    async def _graph(self, request: web.BaseRequest) -> web.StreamResponse:
        _, version, node, *rest = [*request.path.split("/"), "", ""]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        known = next((each for each in self.world.numbers.values() if each.token == token), None)
        if known is None or not version.startswith("v"):
            raise Refusal(190, "Invalid OAuth access token.")
        if node == known.id and rest[0] == "messages" and request.method == "POST":
            return await self._send(request, known)
        if node == known.id and not rest[0]:
            return _json(_number(known))
        if node == known.waba_id and rest[0] == "message_templates":
            return _json(await self._templates(request, known))
        if node == known.waba_id and not rest[0]:
            return _json({"id": node, "name": "Simulated", "account_review_status": "APPROVED",
                          "health_status": {"can_send_message": "AVAILABLE"}})  # fmt: skip
        raise Refusal(100, "Unsupported request. Object does not exist or cannot be loaded", node)

    async def _send(self, request: web.BaseRequest, number: Number) -> web.StreamResponse:
        body = cast("Json", orjson.loads(await request.read()))
        entry: Json = {"body": body, "answer": None, "at": self.world.now()}
        self.world.requests.append(entry)
        fault = self.world.strike(str(body.get("to") or body.get("recipient")))
        if fault is not None and fault.kind in {"hang", "lost"}:
            entry["answer"] = fault.kind
            return await _gone(hang=fault.kind == "hang")
        try:
            sent, doom = self._judged(number, body, fault)
        except Refusal as refusal:
            entry["answer"] = refusal.code
            raise
        entry["answer"] = sent.wamid
        self._follow(number, sent, fault.code if fault is not None and fault.kind == "status" else doom)
        if fault is not None and fault.kind in {"silence", "server_error"}:
            return await _gone(hang=fault.kind == "silence")
        person = self.world.person(sent.to)
        contact = {"input": sent.to, "wa_id": person.wa_id if person else sent.to.removeprefix("+")}
        return _json({"messaging_product": "whatsapp", "contacts": [contact],
                      "messages": [{"id": sent.wamid, "message_status": "accepted"}]})  # fmt: skip

    def _judged(self, number: Number, body: Json, fault: Fault | None) -> tuple[Sent, int | None]:
        """The message, and with which code it will fail all the same. Raises Refusal."""
        if fault is not None and fault.kind == "answer":
            raise Refusal(fault.code, "Simulated error")
        sent, doom = self.world.take(number, body), self.world.doomed(body, number)
        if doom is not None and (self.world.at_once or doom not in LATER):
            raise Refusal(doom, "Message failed")
        return sent, doom

    def _follow(self, number: Number, sent: Sent, doom: int | None) -> None:
        """What will be told of a message that was taken."""
        if doom is not None:
            self.courier.told(number, "failed", sent, doom)
            return
        self.world.sent.append(sent)
        person = self.world.person(sent.to)
        for status in ("sent", "delivered", *(["read"] if person is not None and person.reads else [])):
            self.courier.told(number, status, sent)

    async def _templates(self, request: web.BaseRequest, number: Number) -> Json:
        world, waba = self.world, number.waba_id
        mine = [each for (owner, _, _), each in world.templates.items() if owner == waba]
        if request.method == "GET":
            name = request.query.get("name")
            found = [_template(each) for each in mine if name in {None, each.name}]
            limit, start = int(request.query.get("limit", "25")), int(request.query.get("after", "0"))
            page, end = found[start : start + limit], start + limit
            paging: Json = {"cursors": {"after": str(end)}}
            return {"data": page, "paging": paging | ({"next": "more"} if end < len(found) else {})}
        if request.method == "DELETE":
            for each in [each for each in mine if each.name == request.query["name"]]:
                del world.templates[waba, each.name, each.language]
            return {"success": True}
        body = cast("Json", orjson.loads(await request.read()))
        if body["category"] not in {"UTILITY", "MARKETING", "AUTHENTICATION"}:
            raise Refusal(100, "Invalid parameter", "category")
        made = Template(body["name"], body["language"], body["category"], body["components"], status=self.review)
        named = any(not each.isdigit() for each in made.slots())
        if named != (body.get("parameter_format") == "NAMED"):
            raise Refusal(100, "Invalid parameter", "The variables do not fit the parameter format")
        if (waba, made.name, made.language) in world.templates:
            raise Refusal(100, "Invalid parameter", "There is already content in this language for this template")
        made.id = str(world.random.randrange(10**15))
        world.templates[waba, made.name, made.language] = made
        return {"id": made.id, "status": made.status, "category": made.category}

    async def _control(self, request: web.BaseRequest) -> Json:  # noqa: C901 - one arm for each control
        what = request.path.removeprefix("/_sim/")
        body = cast("Json", orjson.loads(await request.read() or b"{}"))
        world = self.world
        number = world.numbers[body["number"]] if "number" in body else next(iter(world.numbers.values()))
        match what:
            case "sent":
                return {"sent": [{"wamid": each.wamid, "to": each.to, "text": each.text} for each in world.sent]}
            case "requests":
                return {"requests": world.requests}
            case "people":
                person = world.add_person(**body["person"])
                return {"wa_id": person.wa_id, "bsuid": person.bsuid}
            case "faults":
                world.faults.append(Fault(**body["fault"]))
            case "callback":
                number.callback = body["url"]
            case "clock":
                world.ahead += float(body["ahead"])
            case "templates":
                world.add_template(number.waba_id, **body["template"])
            case "approve":
                self.approve(number.waba_id, body["name"], body["language"], body.get("event", "APPROVED"))
            case "reply":
                return {"wamid": self._reply(number, body)}
            case "pump":
                return {"requests": await self.courier.pump()}
            case _:
                raise Refusal(100, "There is no such control", what)
        return {"ok": True}

    def _reply(self, number: Number, body: Json) -> str:
        person = self.world.person(body["from"]) or self.world.add_person(body["from"])
        if "payload" in body:
            return self.courier.presses(number, person, body["payload"], body.get("text", ""))
        return self.courier.says(number, person, body["text"])


def _number(number: Number) -> Json:
    return {
        "id": number.id,
        "display_phone_number": number.display,
        "verified_name": "Simulated",
        "quality_rating": number.quality,
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": {"can_send_message": "AVAILABLE"},
    }


def _template(each: Template) -> Json:
    return {
        "id": each.id,
        "name": each.name,
        "status": each.status,
        "category": each.category,
        "language": each.language,
        "quality_score": {"score": each.quality},
        "rejected_reason": "NONE",
        "components": each.components,
    }


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def _gone(*, hang: bool) -> web.StreamResponse:
    """No answer at all (until whoever asks goes away), or one that says nothing."""
    if hang:
        await asyncio.sleep(3600)
    return web.Response(status=500, text="Internal Server Error")


@asynccontextmanager
async def running(world: World | None = None, *, port: int = 0, by_itself: bool = False) -> AsyncGenerator[Simulator]:
    """Serves while the body runs. `by_itself`: callbacks go out without being pumped."""
    made = world or World()
    simulator = Simulator(made, Courier(made))
    server = web.Server(simulator.handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    simulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    task = asyncio.create_task(simulator.courier.run()) if by_itself else None
    try:
        yield simulator
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await runner.cleanup()
