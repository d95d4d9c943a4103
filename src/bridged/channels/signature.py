"""Meta's signature over a webhook: `X-Hub-Signature-256: sha256=<HMAC of the raw body with the app's secret>`."""

from __future__ import annotations

import hashlib
import hmac

from bridged.core.types import Secret


def sign(app_secret: Secret, body: bytes) -> str:
    """The header that belongs to a body."""
    return "sha256=" + hmac.new(app_secret.reveal().encode(), body, hashlib.sha256).hexdigest()


def valid(app_secret: Secret, body: bytes, header: str | None) -> bool:
    """Whether the header is that of this very body."""
    return header is not None and hmac.compare_digest(sign(app_secret, body).encode(), header.strip().lower().encode())
