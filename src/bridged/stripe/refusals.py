"""What an answer other than 2xx means, in our errors; key fragments in Stripe's words are removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from bridged.core.errors import (
    CursorVanished,
    KeyInvalid,
    ObjectMissing,
    PermissionMissing,
    RateLimited,
    RequestRefused,
    StripeBusy,
    StripeError,
)

_FRAGMENT = re.compile(r"((?:sk|rk|pk|rkcs)_(?:live|test|org)_|whsec_)[\w*.…•-]*", re.ASCII)
_SLUG = re.compile(r"\brak_[a-z0-9_]+")
_ACCOUNT = re.compile(r"\bacct_[A-Za-z0-9]+")
_LONGEST = 400

_NEW_KEY = "Create a restricted key in the Stripe Dashboard and connect again with it; the mirrored data stays."
_NO_LIMIT = frozenset({"lock_timeout"})


class _Detail(msgspec.Struct):
    message: str | None = None
    code: str | None = None
    param: str | None = None
    type: str | None = None


class _Body(msgspec.Struct):
    error: _Detail | None = None


_body = msgspec.json.Decoder(_Body)


class _Refusal(msgspec.Struct, frozen=True):
    """One answer, taken apart. `said` is Stripe's sentence without key fragments, or empty."""

    status: int
    code: str | None
    param: str | None
    said: str
    reason: str | None
    request_id: str | None

    def sentence(self, ours: str) -> str:
        return f'{ours} Stripe says: "{self.said}"' if self.said else ours


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> StripeError:
    """The error for an answer that is not 2xx. `headers` look names up without case."""
    detail = _detail(body)
    parts = _Refusal(
        status=status,
        code=detail.code,
        param=detail.param,
        said=redacted(detail.message or ""),
        reason=headers.get("Stripe-Rate-Limited-Reason"),
        request_id=headers.get("Request-Id"),
    )
    error = _MEANINGS.get(status, _other)(parts)
    error.should_retry = {"true": True, "false": False}.get(headers.get("Stripe-Should-Retry", "").lower())
    error.retry_after = _seconds(headers.get("Retry-After"))
    return error


def redacted(message: str) -> str:
    """Stripe's sentence on one line, cut to a length, with what follows the prefix of any key removed."""
    line = " ".join(_FRAGMENT.sub(r"\1…", message).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _detail(body: bytes) -> _Detail:
    try:
        return _body.decode(body).error or _Detail()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Detail()


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in its form of seconds; a date there is left unread."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 10 else None


def _unauthorized(parts: _Refusal) -> StripeError:
    ours = (
        "This key has expired or was rolled."
        if parts.code == "api_key_expired"
        else "Stripe does not accept this key: it is wrong, or was deleted."
    )
    return KeyInvalid(
        parts.sentence(ours), hint=_NEW_KEY, status=401, stripe_code=parts.code, request_id=parts.request_id
    )


def _forbidden(parts: _Refusal) -> StripeError:
    slugs = tuple(dict.fromkeys(_SLUG.findall(parts.said)))
    account, whole = _ACCOUNT.search(parts.said), True
    if parts.code == "account_invalid":
        ours, hint = (
            "Access to this Stripe account was revoked, or it is not reachable with this key.",
            "Connect again.",
        )
    elif slugs:
        whole = False
        ours = f"The key lacks a permission: {' or '.join(slugs)}."
        hint = "Edit the restricted key in the Stripe Dashboard and add it; the key itself stays the same."
    elif re.search(r"\bIP\b|ip address", parts.said, re.IGNORECASE):
        ours = "The key may not be used from this machine's address."
        hint = "Allow this address in the key's access policy in the Stripe Dashboard."
    else:
        whole = False
        ours, hint = "The key may not do this.", "Check the key's permissions in the Stripe Dashboard."
    return PermissionMissing(
        parts.sentence(ours),
        hint=hint,
        permissions=slugs,
        whole=whole,
        account_id=account[0] if account else None,
        stripe_code=parts.code,
        request_id=parts.request_id,
    )


def _not_found(parts: _Refusal) -> StripeError:
    if parts.code != "resource_missing":
        return _other(parts)
    hint = "It may have been deleted."
    if similar := re.search(r"exists in (live|test) mode", parts.said):
        hint = f"It exists in {similar[1]} mode: use the key of that mode."
    return ObjectMissing(
        parts.sentence("Stripe has no such object."),
        hint=hint,
        status=parts.status,
        stripe_code=parts.code,
        request_id=parts.request_id,
    )


def _bad_request(parts: _Refusal) -> StripeError:
    if parts.code == "rate_limit":
        return _limited(parts, "global-rate")
    if parts.code == "resource_missing":
        if parts.param in {"starting_after", "ending_before"}:
            return CursorVanished(
                parts.sentence("The object this page starts at is gone."),
                hint="Ask again by time instead of by cursor.",
                status=400,
                stripe_code=parts.code,
                request_id=parts.request_id,
            )
        return _not_found(parts)
    return _other(parts)


def _too_many(parts: _Refusal) -> StripeError:
    """Without a reason header a 429 is mostly a lock held by another request, which has nothing to do with our rate."""
    if parts.reason and parts.code not in _NO_LIMIT:
        return _limited(parts, parts.reason)
    if parts.code == "rate_limit":
        return _limited(parts, "global-rate")
    return _busy(parts)


def _limited(parts: _Refusal, reason: str) -> StripeError:
    return RateLimited(
        parts.sentence(f"Stripe slows this account down ({reason})."), reason=reason, request_id=parts.request_id
    )


def _busy(parts: _Refusal) -> StripeError:
    ours = f"Stripe could not answer now (HTTP {parts.status}{f', {parts.code}' if parts.code else ''})."
    return StripeBusy(
        parts.sentence(ours),
        hint="Try again in a while; status.stripe.com shows incidents.",
        status=parts.status,
        stripe_code=parts.code,
        request_id=parts.request_id,
    )


def _other(parts: _Refusal) -> StripeError:
    if parts.status >= 500:
        return _busy(parts)
    if 300 <= parts.status < 400:
        ours = f"The address of Stripe's API answered with a redirect (HTTP {parts.status}), which is not followed."
        hint = "Check BRIDGED_STRIPE_API_BASE and any proxy in between; the key is sent nowhere else."
    elif not parts.said and not parts.code:
        ours = f"What answered (HTTP {parts.status}) does not speak as Stripe does."
        hint = "Check BRIDGED_STRIPE_API_BASE and any proxy in between."
    else:
        ours, hint = (
            f"Stripe refused the request (HTTP {parts.status}).",
            "Repeating it cannot help; report it with its id.",
        )
    return RequestRefused(
        parts.sentence(ours), hint=hint, status=parts.status, stripe_code=parts.code, request_id=parts.request_id
    )


_MEANINGS: Mapping[int, Callable[[_Refusal], StripeError]] = {
    400: _bad_request,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    409: _busy,
    424: _busy,
    429: _too_many,
}
