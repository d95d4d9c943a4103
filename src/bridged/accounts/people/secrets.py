"""Passwords and second factors: Argon2id and time-based codes, each by a library made for it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

import argon2
import pyotp
from pyotp.totp import TOTP

from bridged.core.types import Secret

_hasher = argon2.PasswordHasher()
_STEP = 30
_workers = ThreadPoolExecutor(2, thread_name_prefix="password")
"""Each check takes 64 MiB and a core for a moment: a crowd of them must not take the machine."""


async def hashed(password: Secret) -> str:
    """The password's Argon2id hash, with its salt and parameters."""
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, password.reveal())


async def fits(password: Secret, known: str | None) -> bool:
    """Whether a password is the one of that hash; None: of nobody, at the same cost."""
    return await asyncio.get_running_loop().run_in_executor(_workers, _verify, known, password.reveal())


@functools.cache
def _nobody() -> str:
    """What a password for an unknown account is checked against: the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_urlsafe(16))


def _verify(known: str | None, password: str) -> bool:
    try:
        return _hasher.verify(known or _nobody(), password) and known is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def new_totp() -> Secret:
    """A secret for a second factor, in base32 as authenticator apps take it."""
    return Secret(pyotp.random_base32())


def totp_uri(secret: Secret, email: str) -> str:
    """What an authenticator app reads from a QR code."""
    return TOTP(secret.reveal()).provisioning_uri(name=email, issuer_name="Bridged")


def totp_step(secret: Secret, code: str, unix: float) -> int | None:
    """The 30-second step of which this is the code: the present one or one beside it, for clocks differ; else None."""
    given, totp = code.replace(" ", ""), TOTP(secret.reveal())
    now = int(unix) // _STEP
    return next(
        (step for step in (now, now - 1, now + 1) if secrets.compare_digest(totp.at(step * _STEP), given)), None
    )


def new_token(prefix: str) -> Secret:
    """256 random bits as text."""
    return Secret(prefix + secrets.token_urlsafe(32))


def digest(text: str) -> bytes:
    """What is kept of a token: it cannot be guessed, so it needs neither salt nor slowness."""
    return hashlib.sha256(text.encode()).digest()
