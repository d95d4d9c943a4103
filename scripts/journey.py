"""What somebody does with a new installation, from outside: signs in, connects, syncs, asks, proves, backs up.

`scripts/journey.py --url URL --link LINK -- COMMAND…`: COMMAND is how `bridged` is called there, such as
`podman exec -i web bridged`. Its `BRIDGED_STRIPE_API_BASE` is a `bridged sim`, whose key comes on standard input.
Each step is a line; the first that does not hold ends it with exit code 1.
Only the standard library: it runs beside whatever was installed, with any Python.
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

OWNER = {"email": "owner@example.com", "password": "correct horse battery"}


class Lapse(Exception):
    """A step that does not hold."""


class Browser:
    """Keeps its cookies, and says where a form comes from, as browsers do."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def open(self, path: str, form: dict[str, str] | None = None, **headers: str) -> str:
        """A page that was answered with 200, redirects followed."""
        address = path if path.startswith("http") else self.url + path
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(address, data, {"Origin": self.url, **headers})  # noqa: S310 - ours
        with self.opener.open(request, timeout=30) as answer:
            return answer.read().decode()


class Installation:
    """`bridged` as it is called there."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def run(self, *words: str, given: str | None = None) -> str:
        done = subprocess.run([*self.command, *words], input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Lapse(f"bridged {words[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def document(self, *words: str, given: str | None = None) -> Any:
        return json.loads(self.run(*words, "--json", given=given))


def say(text: str) -> None:
    print(text, flush=True)


def sign_in(browser: Browser, link: str) -> None:
    """Through the printed link, which works once."""
    path = urllib.parse.urlsplit(link).path
    browser.open(path)
    page = browser.open(path, OWNER)
    if OWNER["email"] not in browser.open("/account") or "Sign out" not in page:
        raise Lapse("the first owner is not signed in")
    try:
        Browser(browser.url).open(path, OWNER)
    except urllib.error.HTTPError as error:
        say(f"signed in through the printed link; a second time it is answered with {error.code}")
    else:
        raise Lapse("the link works twice")


def connect(there: Installation, browser: Browser, key: str) -> str:
    """The id of the connection, which is proven equal to the account."""
    connected = there.document("connect", "--key-stdin", "--name", "shop", given=key)
    connection = connected["connection"]
    synced = there.document("sync")
    stored = sum(each["stored"] for each in synced["objects"].values())
    totals = synced["totals"]
    if not totals["complete"] or not stored:
        raise Lapse(f"the sync is not complete: {totals}")
    say(f"synced {stored} objects by {totals['requests']} requests, {totals['rate_limited']} rate limited")
    there.run("verify")
    say("proven equal to the account")
    if "shop" not in browser.open("/"):
        raise Lapse("the page does not show the connection")
    return str(connection)


def ask(there: Installation, browser: Browser, connection: str) -> None:
    """By the API for who is there, by the command for an answer."""
    token = there.document("tokens", "create", "--name", "journey")["token"]
    path = f"/api/v1/connections/{connection}/subscriptions?limit=1&status=active"
    found = json.loads(Browser(browser.url).open(path, Authorization=f"Bearer {token}"))
    (subscription,) = found["data"]
    answer = there.document("ask", "--customer", subscription["customer"], "When is my next payment due?")
    if not answer["answer"] or not answer["facts"]:
        raise Lapse(f"there is no grounded answer: {answer}")
    say(f"asked: {answer['answer']!r}, from {len(answer['facts'])} facts")


def living(there: Installation, patience: float = 60) -> None:
    """Waits until the doctor finds nothing wrong: workers take a moment to be seen."""
    until = time.monotonic() + patience
    while True:
        try:
            there.run("doctor")
        except Lapse as lapse:
            if time.monotonic() > until:
                raise Lapse(f"the doctor is not content: {lapse}") from lapse
            time.sleep(2)
        else:
            return say("the doctor finds nothing")


def journey(there: Installation, browser: Browser, link: str, key: str, backup: str | None) -> None:
    for path in ("/healthz", "/readyz"):
        browser.open(path)
    say(f"bridged {there.run('--version').strip()} is ready")
    sign_in(browser, link)
    ask(there, browser, connect(there, browser, key))
    living(there)
    if backup is not None:
        made = there.document("backup", "--overwrite", backup)
        say(f"backed up: {json.dumps(made)[:200]}")
        there.run("restore", "--check", backup)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--link", required=True)
    parser.add_argument("--backup", help="where the embedded database is backed up to, there")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    try:
        journey(Installation(given.command), Browser(given.url), given.link, sys.stdin.read().strip(), given.backup)
    except (Lapse, OSError) as error:
        print(f"does not hold: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
