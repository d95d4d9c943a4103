"""`bridged mcp`: the agents' tools for the program that starts it, over standard input and output."""

from __future__ import annotations

from bridged import app as root
from bridged.cli.entry import ConnectionName, run
from bridged.cli.output import say
from bridged.web.agents import mcp as speaking


def mcp(*, connection: ConnectionName = None) -> int:
    """Serve read-only tools to an agent over MCP: standard input and output, until its input ends.

    Needs the extra `bridged[mcp]`. Over HTTP, `bridged serve` has the same at /mcp for API tokens.
    """
    module = speaking()

    async def work(app: root.App) -> int:
        if connection is not None:
            await root.find_connection(app, connection)
        say("Serving MCP on standard input and output.")
        await module.over_stdio(app, connection)
        return 0

    return run(work)
