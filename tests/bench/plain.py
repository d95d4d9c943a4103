"""The naive way to receive webhooks, to compare with: FastAPI, the SDK's `construct_event`, one INSERT per request.

`python tests/bench/plain.py HOME`; it says on stderr where it listens. The embedded PostgreSQL and uvicorn are as ours.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import stripe
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from psycopg_pool import AsyncConnectionPool

from bench.door import SECRET
from bridged.core.embedded import Embedded


def site(url: str) -> FastAPI:
    pool = AsyncConnectionPool[Any](url, kwargs={"autocommit": True}, min_size=8, max_size=8, open=False)

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=life)

    @app.post("/webhook")
    async def webhook(request: Request) -> dict[str, bool]:
        body = await request.body()
        try:
            event = stripe.Webhook.construct_event(body, request.headers.get("stripe-signature"), SECRET)
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise HTTPException(400) from error
        async with pool.connection() as conn:
            await conn.execute(
                "insert into events (id, type, payload) values (%s, %s, %s) on conflict do nothing",
                (event["id"], event["type"], body.decode()),
            )
        return {"received": True}

    return app


def main() -> None:
    embedded = Embedded(Path(sys.argv[1]))
    embedded.arrive()
    try:
        url = embedded.url(database="postgres")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("create table if not exists events (id text primary key, type text, payload text)")
        config = uvicorn.Config(site(url), port=0, log_level="warning", access_log=False)
        listening = config.bind_socket()
        print(f"Serving http://127.0.0.1:{listening.getsockname()[1]}/", file=sys.stderr)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        embedded.leave()


if __name__ == "__main__":
    main()
