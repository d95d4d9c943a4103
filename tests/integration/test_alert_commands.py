"""`bridged alerts` in this process: what it prints and with which code it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import psycopg
import pytest

from bridged.cli import alerts
from bridged.core.errors import NotFound, UsageError
from ground import MASTER


class Hook(BaseHTTPRequestHandler):
    """Takes what it is sent, unless its address says otherwise."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the library
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_commands(
    owner: str, home: Path, hook: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGED_DATABASE_URL", owner)
    monkeypatch.setenv("BRIDGED_HOME", str(home))
    monkeypatch.setenv("BRIDGED_MASTER_KEY", MASTER)
    monkeypatch.setenv("BRIDGED_PRIVATE_WEBHOOKS", "allow")

    def said(command: Callable[[], int], code: int = 0) -> str:
        capsys.readouterr()
        assert command() == code
        out, err = capsys.readouterr()
        return out + err

    assert "All is well" in said(alerts.list_)
    added = said(lambda: alerts.add("webhook", hook, name="pager"))
    assert "Alerts are told to pager." in added
    assert "bwh_" in added
    assert "bwh_" not in said(alerts.destinations_), "once"
    broken = orjson.loads(said(lambda: alerts.add("webhook", hook + "/broken", name="broken", json=True)))
    assert broken["secret"].startswith("bwh_")
    assert "The test arrived at pager." in said(lambda: alerts.try_("pager"))
    assert "answered 500." in said(lambda: alerts.try_("broken"), 1)
    with psycopg.connect(owner) as conn:
        conn.execute("insert into jobs.procrastinate_workers (last_heartbeat) values (now())")
        conn.execute(
            "insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint, trouble, "
            "trouble_message) values (1, 'Acme', false, 'secret', 'f', 'key_invalid', 'Stripe does not know this key.')"
        )
    assert "1 opened, 0 over; 1 delivered, 1 not." in said(alerts.send, 1)
    listed = said(alerts.list_)
    assert "Acme" in listed
    assert "Replace the key" in listed
    [alert] = orjson.loads(said(lambda: alerts.list_(json=True)))["alerts"]
    assert (alert["kind"], alert["severity"]) == ("key_refused", "error")
    assert "pager is paused." in said(lambda: alerts.pause("pager"))
    assert "pager is told again." in said(lambda: alerts.resume("pager"))
    assert "broken is removed." in said(lambda: alerts.remove("broken"))
    with psycopg.connect(owner) as conn:
        conn.execute("update bridged.connections set trouble = null, trouble_message = null")
    assert "0 opened, 1 over; 1 delivered, 0 not." in said(alerts.send)
    assert "Acme" in said(lambda: alerts.list_(past=True))
    with pytest.raises(NotFound):
        alerts.remove("broken")
    with pytest.raises(UsageError, match="secret"):
        alerts.add("slack", "https://hooks.slack.com/services/T0/B0/PathOfSlack")
