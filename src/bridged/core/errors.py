"""The one tree of errors.

BridgedError
├── UsageError
│   ├── SettingsError
│   ├── RequestInvalid
│   ├── CursorUnknown
│   └── ConfirmationMissing
├── TokenRefused
├── ScopeMissing
├── Forbidden
├── CrossSite
├── SignInRefused
├── LinkRefused
├── OAuthRefused
├── WriteTaken
├── MethodNotAllowed
├── BodyTooLarge
├── TooManyRequests
├── DeliveryRefused
├── InboxFull
├── InboxRefused
├── InternalError
├── KeyRefused
├── NotFound
├── DatabaseUnavailable
├── MigrationFailed
├── BackupFailed
├── BackupRefused
├── LeaseHeld
├── LeaseLost
├── SyncStopped
├── WritesForbidden
├── ProposalClosed
├── ThreadTaken
├── VaultError
├── ReadsSpent
├── MailNotSent
├── ChannelError
│   ├── ChannelRefused
│   └── ChannelUnreachable
└── StripeError
    ├── StripeUnreachable
    ├── AnswerUnreadable
    ├── StripeBusy
    ├── RateLimited
    ├── KeyInvalid
    ├── PermissionMissing
    ├── ObjectMissing
    ├── CursorVanished
    └── RequestRefused

Each carries a stable `code` (its page: docs/reference/errors.md), a sentence that says what happened and a `hint`
that says what to do. Errors of drivers are mapped where the driver is used: psycopg in `core.db`, aiohttp in
`stripe.client` and `channels.whatsapp`, Tink in `core.vault`.
"""

from __future__ import annotations

from typing import ClassVar


class BridgedError(Exception):
    """Something a person can act on."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, str]:
        """The shape every edge shows: CLI, REST and pages."""
        docs = f"docs/reference/errors.md#{self.code}"
        return {"code": self.code, "message": self.message, "hint": self.hint, "docs": docs}


class UsageError(BridgedError):
    """What was asked for cannot be done as asked."""

    code = "usage"
    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing, unknown or malformed."""

    code = "settings"


class RequestInvalid(UsageError):
    """A request's parameters or body are not what the route takes."""

    code = "request_invalid"


class CursorUnknown(UsageError):
    """The object after or before which a page was to begin is not in the mirror."""

    code = "cursor_unknown"


class ConfirmationMissing(UsageError):
    """What cannot be undone was asked for without saying so."""

    code = "confirmation_missing"


class TokenRefused(BridgedError):
    """There is no API token in the request, or it is unknown, expired or revoked: the three are told apart nowhere."""

    code = "token_refused"


class ScopeMissing(BridgedError):
    """The token is valid and may not do this."""

    code = "scope_missing"


class Forbidden(BridgedError):
    """Whoever asks is known, and their role does not go so far."""

    code = "forbidden"


class CrossSite(BridgedError):
    """A browser sent the request from a page that is not ours."""

    code = "cross_site"


class SignInRefused(BridgedError):
    """Address, password and code do not belong together: which of them is wrong is told nowhere."""

    code = "sign_in_refused"


class LinkRefused(BridgedError):
    """The link was used, has ended, or never was."""

    code = "link_refused"


class OAuthRefused(BridgedError):
    """An account was not connected by OAuth. `reason`: Stripe's word for it, or ours where it did not get so far."""

    code = "oauth_refused"

    def __init__(self, message: str, *, hint: str = "", reason: str) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class WriteTaken(BridgedError):
    """Another connection already reads and writes this Stripe account in this mode."""

    code = "write_taken"


class MethodNotAllowed(BridgedError):
    """The address is there, the method is not."""

    code = "method_not_allowed"


class BodyTooLarge(BridgedError):
    """A request's body is longer than any that could be meant."""

    code = "body_too_large"


class TooManyRequests(BridgedError):
    """A token asks faster than it may. `retry_after` in seconds."""

    code = "too_many_requests"

    def __init__(self, message: str, *, hint: str = "", retry_after: float) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class DeliveryRefused(BridgedError):
    """What came to a webhook address is not what Stripe would deliver there. `cause` is what the log says."""

    code = "delivery_refused"

    def __init__(self, message: str, *, hint: str = "", cause: str) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class InboxFull(BridgedError):
    """More deliveries wait than can be stored soon: whoever delivers must come again."""

    code = "inbox_full"


class InboxRefused(BridgedError):
    """A delivery holds something that PostgreSQL does not."""

    code = "inbox_refused"


class InternalError(BridgedError):
    """A fault of ours, met while answering; the log has it under the request's id."""

    code = "internal"


class KeyRefused(BridgedError):
    """What was pasted is not the API key or signing secret that belongs there. Known before any call."""

    code = "key_refused"


class NotFound(BridgedError):
    """There is no such thing here, or it is not yours: the two are told apart nowhere."""

    code = "not_found"


class DatabaseUnavailable(BridgedError):
    """PostgreSQL does not answer, or broke the connection off. Nothing uncommitted counts; ask again."""

    code = "database_unavailable"


class MigrationFailed(BridgedError):
    """The schema is not what this version of the program needs."""

    code = "migration_failed"


class BackupFailed(BridgedError):
    """A backup could not be written or put back. What there was before is as it was."""

    code = "backup_failed"


class BackupRefused(BridgedError):
    """A file is not a backup that can be restored here: cut off, altered, or of a newer version."""

    code = "backup_refused"


class LeaseHeld(BridgedError):
    """Another process reads this account now; two would break its rate limit."""

    code = "lease_held"


class LeaseLost(BridgedError):
    """Another process took this account over; what this one had not committed is void."""

    code = "lease_lost"


class SyncStopped(BridgedError):
    """A sync was asked to stop and did, between two pages. What was stored stays.

    `reason`: `pause`, `cancel`, `quiet` (hours in which the connection stands still) or `shutdown` (the process ends).
    """

    code = "sync_stopped"

    def __init__(self, message: str, *, hint: str = "", reason: str) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class WritesForbidden(BridgedError):
    """Objects at Stripe may not be changed here: the connection is read only, or the workspace allows no writes."""

    code = "writes_forbidden"


class ProposalClosed(BridgedError):
    """A proposal is not to be executed (any more): expired, rejected, failed, or what it is about has changed."""

    code = "proposal_closed"


class ThreadTaken(BridgedError):
    """Somebody else has the conversation by now, or it was handed back: what was asked for was not done."""

    code = "thread_taken"


class VaultError(BridgedError):
    """A credential cannot be encrypted or decrypted with the keyset at hand."""

    code = "vault"


class ReadsSpent(BridgedError):
    """The reads allowed to this work are used up; no further request was sent."""

    code = "reads_spent"


class ChannelError(BridgedError):
    """A channel did not do what was asked of it. What happens to single messages stands in their rows instead."""

    code = "channel"


class ChannelRefused(ChannelError):
    """The channel said no. `channel_code`: its own code (docs/guide/whatsapp.md), where it gave one."""

    code = "channel_refused"

    def __init__(self, message: str, *, hint: str = "", channel_code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.channel_code = channel_code


class ChannelUnreachable(ChannelError):
    """No answer from the channel, or none that can be read."""

    code = "channel_unreachable"


class MailNotSent(BridgedError):
    """The mail server could not be reached, or did not take a message."""

    code = "mail_not_sent"


class StripeError(BridgedError):
    """Stripe did not give what was asked. `retryable`: the same request may succeed later.

    `should_retry` and `retry_after` (seconds) are Stripe's own word on that, where it gave one.
    """

    code = "stripe"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        stripe_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.stripe_code = stripe_code
        self.request_id = request_id
        self.should_retry: bool | None = None
        self.retry_after: float | None = None


class StripeUnreachable(StripeError):
    """No answer: refused, reset, timed out, or the name did not resolve."""

    code = "stripe_unreachable"
    retryable = True


class AnswerUnreadable(StripeError):
    """An answer that is cut off or is not the JSON that was asked for."""

    code = "answer_unreadable"
    retryable = True


class StripeBusy(StripeError):
    """409, 424, 5xx, or a lock timeout: Stripe could not do it now."""

    code = "stripe_busy"
    retryable = True


class RateLimited(StripeError):
    """429 with a reason: `global-` or `endpoint-`, then `rate` or `concurrency`; or `resource-specific`."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, reason: str, request_id: str | None = None) -> None:
        super().__init__(message, hint="Lower the pace of this connection.", status=429, request_id=request_id)
        self.reason = reason


class KeyInvalid(StripeError):
    """401: the key is wrong, expired, rolled or deleted."""

    code = "key_invalid"


class PermissionMissing(StripeError):
    """403: the key lacks a permission, is not allowed from here, or access was revoked.

    `permissions` are the `rak_…` slugs Stripe named, any of which would do; `account_id` is the `acct_…` in its text.
    `whole`: nothing can be read with this key, whatever is asked for.
    """

    code = "permission_missing"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        permissions: tuple[str, ...] = (),
        whole: bool = False,
        account_id: str | None = None,
        stripe_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, status=403, stripe_code=stripe_code, request_id=request_id)
        self.permissions = permissions
        self.whole = whole
        self.account_id = account_id


class ObjectMissing(StripeError):
    """404 `resource_missing`: not there, deleted, or of the other mode."""

    code = "object_missing"


class CursorVanished(StripeError):
    """400 `resource_missing` on `starting_after`: the object the page hangs on is gone. Ask again by time."""

    code = "cursor_vanished"


class RequestRefused(StripeError):
    """Any other 4xx: the request itself is wrong for this account; repeating it cannot help."""

    code = "request_refused"
