"""An installation as the version before makes it, run by that version's own Python: prints ids and a token as JSON.

Customers are mirrored and everything else is left to the workers' first sync, which is slow; a playbook is on, and
messages wait in the outbox that a slow number sends one after the other.
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import Actor
from bridged.app import channels, consents, playbooks, tokens
from bridged.core import clock, settings
from bridged.core.types import Secret
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.messages.templates import store as templates
from bridged.mirror.kinds import BY_NAME
from bridged.sync.control import steering
from bridged.sync.control import store as control

ME = Actor("cli", "somebody")


async def main(given: dict[str, Any]) -> dict[str, str]:
    async with root.opened(settings.read()) as app:
        connection = (await root.connect(app, given["key"], None)).connection
        report = await root.sync(app, connection, pace=1.0, kinds=(BY_NAME["customers"],))
        assert report.complete
        await _delivered(app, connection, given["secret"])
        lines = [f"{customer},{phone},yes,no,checkout" for customer, phone in given["people"].items()]
        text = "\n".join(["customer,phone,utility,marketing,source", *lines, ""])
        await consents.import_file(app, connection, text, ME, apply=True)
        channel = await _channel(app, connection, given)
        await playbooks.switch(app, connection, ME, "failed_payment", on=True)
        async with app.database.transaction(app.workspace_id) as conn:
            for customer, phone in given["people"].items():
                await outbox.put(conn, app.workspace_id, connection.id, _draft(channel, customer, phone), clock.now())
        _, token = await tokens.create(app, "reader", ["read"], None, ME)
        return {"connection": connection.id, "token": token.reveal()}


async def _delivered(app: root.App, connection: accounts.Connection, secret: str) -> None:
    """Stripe delivers, and the first sync of all is due."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await accounts.add_webhook_secret(conn, app.vault, connection, Secret(secret), now, keep=None)
        chosen = await steering.settings_of(conn, connection)
        chosen = replace(chosen, method="both", pace=0.1, every_seconds=3600, next_sync_at=now)
        await control.save_settings(conn, steering.scope_of(connection), chosen, now)


async def _channel(app: root.App, connection: accounts.Connection, given: dict[str, Any]) -> str:
    number, now = given["number"], clock.now()
    access = channels.WhatsAppAccess(
        number["id"], Secret(number["token"]), Secret(number["app_secret"]), number["waba_id"], per_second=2
    )
    channel = (await channels.add_whatsapp(app, connection, "number", access, ME)).channel
    async with app.database.transaction(app.workspace_id) as conn:
        await templates.put(
            conn, app.workspace_id, connection.id, channel.id, "payment_failed", "es", now, state="approved",
            category="utility", quality=None, template_id="1", components=[],
        )  # fmt: skip
    return channel.id


def _draft(channel: str, customer: str, phone: str) -> Draft:
    return Draft(
        channel_id=channel,
        customer_id=customer,
        to=Address(phone),
        category="utility",
        template="payment_failed",
        language="es",
        parameters={"name": customer, "amount": "10 EUR"},
        body=f"Hello {customer}",
        dedupe_key=f"upgrade {customer}",
        origin="playbook:1:1",
        not_after=clock.now() + timedelta(days=1),
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))
