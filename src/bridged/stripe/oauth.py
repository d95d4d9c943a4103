"""Connect OAuth at the wire: where a person is sent, a code exchanged once, a grant given back.

Nothing here is ever repeated: a code that Stripe sees twice takes the whole connection away (reference 1.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import msgspec

from bridged.core.errors import OAuthRefused
from bridged.core.types import Secret
from bridged.stripe.refusals import redacted

_WITHIN = aiohttp.ClientTimeout(total=30.0, connect=10.0)
_AGAIN = "Start again from the beginning: authorising the same account once more does no harm."
_MEANINGS = {
    "access_denied": ("The request was declined at Stripe; nothing was connected.", "Start again if that was a slip."),
    "invalid_grant": (
        "Stripe no longer takes this authorisation: it expired (in five minutes), was used, or is of another mode.",
        _AGAIN,
    ),
    "invalid_scope": (
        "Our platform may not ask for this access.",
        "Read only is for platforms registered as extensions; ask for read and write, or use a restricted key.",
    ),
    "invalid_client": (
        "Stripe does not know our platform by this client id and key.",
        "Check BRIDGED_STRIPE_CLIENT_ID_… and BRIDGED_STRIPE_PLATFORM_KEY_… of this mode.",
    ),
    "invalid_redirect_uri": (
        "The address that Stripe sends people back to is not registered there.",
        "Add it, letter by letter, to the redirects in the platform's Connect settings.",
    ),
    "invalid_request": ("Stripe did not understand our request.", "Check the OAuth settings of this installation."),
    "unsupported_grant_type": ("Stripe did not understand our request.", "Please report it."),
    "unsupported_response_type": ("Stripe did not understand our request.", "Please report it."),
}
"""Stripe's words (reference 1.7), in a person's language, and what to do."""
GONE = "invalid_client"
"""What Stripe answers too when the grant to be ended has ended already."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Who we are in one mode: the Connect application, the key of its account, and Stripe's address for this."""

    base: str
    client_id: str
    key: Secret


@dataclass(frozen=True, slots=True)
class Granted:
    """What an exchanged code opens. `scope`: `read_only` or `read_write`."""

    account_id: str
    scope: str
    livemode: bool


class _Answer(msgspec.Struct):
    stripe_user_id: str | None = None
    scope: str | None = None
    livemode: bool | None = None
    error: str | dict[str, object] | None = None
    error_description: str | None = None


def authorize_url(platform: Platform, *, state: Secret, scope: str, redirect: str) -> Secret:
    """Where the person is sent. Secret because of the state in it."""
    query = {
        "response_type": "code",
        "client_id": platform.client_id,
        "scope": scope,
        "redirect_uri": redirect,
        "state": state.reveal(),
    }
    return Secret(f"{platform.base}/oauth/authorize?{urlencode(query)}")


def refused(reason: str, said: str = "") -> OAuthRefused:
    """The error for one of Stripe's words, known or new."""
    message, hint = _MEANINGS.get(reason, ("Stripe refused to connect the account.", _AGAIN))
    quoted = f' Stripe says: "{redacted(said)}"' if said else ""
    return OAuthRefused(message + quoted, hint=hint, reason=reason)


async def exchange(platform: Platform, code: Secret) -> Granted:
    """Exchanges a code, in one attempt. Raises OAuthRefused; `unknown` when no answer came: then it may have been."""
    answer = await _post(platform, "/oauth/token", {"grant_type": "authorization_code", "code": code.reveal()})
    if not answer.stripe_user_id:
        raise OAuthRefused("Stripe's answer names no account.", hint=_AGAIN, reason="unknown")
    return Granted(answer.stripe_user_id, answer.scope or "read_only", bool(answer.livemode))


async def deauthorize(platform: Platform, account_id: str) -> None:
    """Gives a grant back. Raises OAuthRefused; with the reason `GONE` it has ended already, or we are not known."""
    given = {"client_id": platform.client_id, "stripe_user_id": account_id}
    await _post(platform, "/oauth/deauthorize", given)


async def _post(platform: Platform, path: str, form: dict[str, str]) -> _Answer:
    headers = {"Authorization": f"Bearer {platform.key.reveal()}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_WITHIN, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(platform.base + path, data=form, headers=headers, allow_redirects=False) as response,
        ):
            status, body = response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise OAuthRefused(
            "Stripe gave no answer, so whether it took the authorisation is not known.", hint=_AGAIN, reason="unknown"
        ) from None
    return _read(status, body)


def _read(status: int, body: bytes) -> _Answer:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OAuthRefused("Stripe's answer cannot be read.", hint=_AGAIN, reason="unknown") from None
    if isinstance(answer.error, str):
        raise refused(answer.error, answer.error_description or "")
    if not 200 <= status < 300:
        # An error of the API's own shape: the key itself was not accepted.
        raise refused("invalid_client" if status in {401, 403} else "unknown")
    return answer
