"""The requests of one proposal, each under its own idempotency key: sent again, they find their work done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson

from bridged.actions.plan import State, ends
from bridged.actions.store import Proposal
from bridged.core.errors import KeyInvalid, ObjectMissing, PermissionMissing, StripeError
from bridged.core.types import Json
from bridged.stripe.client import Answer, StripeClient


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it. `fresh`: the answer shows the object as it is; a replayed one shows it as it once was, and
    of several requests the later ones changed it again. `gone`: a deletion found its object deleted.
    """

    state: State
    first: Answer | None = None
    fresh: bool = True
    gone: bool = False
    error: StripeError | None = None
    request_id: str | None = None

    @property
    def data(self) -> Json | None:
        """The object of the first answer."""
        return None if self.first is None else cast("Json", orjson.loads(self.first.body))


async def send(client: StripeClient, proposal: Proposal) -> Sent:
    """Sends all requests, in order, from the first: what was done before is only answered again."""
    first: Answer | None = None
    result = ""
    retries = client.total.retries

    def again() -> bool:
        return proposal.attempts > 0 or client.total.retries > retries

    for number, request in enumerate(proposal.requests):
        try:
            answer = await _one(client, request, f"bridged-{proposal.id}-{number}", result)
        except ObjectMissing as error:
            if request["method"] != "DELETE":
                return Sent("failed", first, fresh=False, error=error, request_id=error.request_id)
            return Sent("done", fresh=False, gone=True, request_id=error.request_id)
        except StripeError as error:
            state = ends(
                retryable=error.retryable,
                locked_out=isinstance(error, KeyInvalid | PermissionMissing),
                maybe_sent=again(),
            )
            return Sent(state, first, fresh=False, error=error, request_id=error.request_id)
        if first is None:
            first = answer
            result = str(orjson.loads(answer.body).get("id") or "")
    fresh = len(proposal.requests) == 1 and not again()
    return Sent("done", first, fresh=fresh, request_id=None if first is None else first.request_id)


async def _one(client: StripeClient, request: Json, key: str, result: str) -> Answer:
    if request["method"] == "DELETE":
        return await client.delete(request["path"], foreground=True)
    params: dict[str, Any] = {
        name: result if value == "{result}" else value for name, value in request["params"].items()
    }
    return await client.post(request["path"], params, idempotency_key=key, foreground=True)
