"""`bridged doctor`: what is wrong, why, and what to do."""

from __future__ import annotations

from bridged import app as root
from bridged.app import checkup
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run
from bridged.connect.doctor import Finding, exit_code

_MARKS = {"ok": "ok   ", "warn": "WARN ", "error": "ERROR"}


def doctor(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Check database, workers, clocks, the way to Stripe, and each connection: key, permissions, syncs, webhook.

    Exit code 1 if an error was found; warnings alone leave it 0. No key is ever shown.
    """

    async def work(app: root.App) -> int:
        found = await checkup.everything(app, connection)
        if json:
            output.document(
                {
                    "installation": [each.as_json() for each in found.installation],
                    "connections": [
                        {
                            "connection": each.connection.id,
                            "name": each.connection.name,
                            "findings": [finding.as_json() for finding in each.findings],
                        }
                        for each in found.connections
                    ],
                }
            )
            return exit_code(found.findings)
        _print("This installation", found.installation)
        for each in found.connections:
            _print(f"{each.connection.name} ({each.connection.mode} mode)", each.findings)
        return exit_code(found.findings)

    return run(work)


def _print(title: str, findings: tuple[Finding, ...]) -> None:
    lines = [title]
    for each in findings:
        lines.append(f"  {_MARKS[each.severity]} {each.title}")
        if each.severity != "ok":
            more = (each.cause, each.next_step and f"Do: {each.next_step}", each.curl and f"Try: {each.curl}")
            lines += [f"        {line}" for line in more if line]
    print("\n".join(lines))  # noqa: T201 - the command's output
