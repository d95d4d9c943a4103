"""Settings of the process: one frozen value, read once from the environment, strictly."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from bridged.core import mail
from bridged.core.errors import SettingsError
from bridged.core.types import Secret

STRIPE_API = "https://api.stripe.com"
STRIPE_CONNECT = "https://connect.stripe.com"
WHATSAPP_API = "https://graph.facebook.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Settings:
    """`BRIDGED_<FIELD>` for each field. A Secret may also come from the file named in `BRIDGED_<FIELD>_FILE`."""

    home: Path
    database_url: Secret | None = None
    stripe_api_base: str = STRIPE_API
    stripe_connect_base: str = STRIPE_CONNECT
    stripe_connect_scope: Literal["read_only", "read_write"] = "read_write"
    """What merchants are asked for: only platforms registered as extensions may ask for `read_only`."""
    stripe_client_id_live: str | None = None
    stripe_client_id_test: str | None = None
    stripe_platform_key_live: Secret | None = None
    stripe_platform_key_test: Secret | None = None
    stripe_platform_webhook_secret_live: Secret | None = None
    stripe_platform_webhook_secret_test: Secret | None = None
    """Several may be given while one is being rolled, with commas between them."""
    whatsapp_api_base: str = WHATSAPP_API
    master_key: Secret | None = None
    kms_uri: str | None = None
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    log_level: str = "warning"
    events_days: int = 30
    """Days for which events, deliveries and what they changed are kept; whole weeks go at once."""
    texts_days: int = 365
    """Days for which is kept what customers and we wrote to each other."""
    history_days: int = 400
    """Days for which finished runs, their requests and past scores are kept."""
    metrics_address: str | None = None
    """`host:port` on which a process tells its metrics; None: nowhere."""
    metrics_token: Secret | None = None
    private_webhooks: bool = False
    """Whether what Bridged announces to a merchant's own systems may go to addresses of a private network."""
    smtp_url: Secret | None = None
    model: str | None = None
    """`provider:name` of a language model that may choose an intent where the grammar is unsure."""
    model_timeout: float = 4.0
    """Seconds one call of the model may take."""
    model_budget: int = 1_000_000
    """Millionths of a dollar that a connection may spend on the model in a UTC day."""
    model_rephrases: bool = False
    """Whether the model may say answers in other words, which a validator must let through."""

    def client_id(self, *, livemode: bool) -> str | None:
        """Our Connect application's client id in a mode."""
        return self.stripe_client_id_live if livemode else self.stripe_client_id_test

    def platform_key(self, *, livemode: bool) -> Secret | None:
        """The secret key of the platform that merchants authorise."""
        return self.stripe_platform_key_live if livemode else self.stripe_platform_key_test

    def platform_secrets(self, *, livemode: bool) -> tuple[Secret, ...]:
        """What deliveries to the platform's webhook endpoint of a mode are signed with."""
        found = self.stripe_platform_webhook_secret_live if livemode else self.stripe_platform_webhook_secret_test
        return tuple(Secret(each.strip()) for each in found.reveal().split(",") if each.strip()) if found else ()


KNOWN = tuple(f"BRIDGED_{field.name.upper()}" for field in fields(Settings))
_SECRETS = (
    "BRIDGED_DATABASE_URL",
    "BRIDGED_MASTER_KEY",
    "BRIDGED_METRICS_TOKEN",
    "BRIDGED_SMTP_URL",
    "BRIDGED_STRIPE_PLATFORM_KEY_LIVE",
    "BRIDGED_STRIPE_PLATFORM_KEY_TEST",
    "BRIDGED_STRIPE_PLATFORM_WEBHOOK_SECRET_LIVE",
    "BRIDGED_STRIPE_PLATFORM_WEBHOOK_SECRET_TEST",
)
_FILES = tuple(f"{name}_FILE" for name in _SECRETS)
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_\w+|PORT|PORT_\d+_\w+)$")


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environ` (the process's own when absent).

    Raises SettingsError for an unknown `BRIDGED_*` name or a value that cannot be right.
    """
    env = os.environ if environ is None else environ
    _refuse_unknown(env)
    master_key = _secret(env, "BRIDGED_MASTER_KEY")
    metrics_token = _secret(env, "BRIDGED_METRICS_TOKEN")
    return Settings(
        home=_home(env),
        database_url=_database_url(env),
        stripe_api_base=_api_base(env, "BRIDGED_STRIPE_API_BASE", STRIPE_API),
        stripe_connect_base=_api_base(env, "BRIDGED_STRIPE_CONNECT_BASE", STRIPE_CONNECT),
        stripe_connect_scope=_scope(env.get("BRIDGED_STRIPE_CONNECT_SCOPE") or "read_write"),
        stripe_client_id_live=_client_id(env, "BRIDGED_STRIPE_CLIENT_ID_LIVE"),
        stripe_client_id_test=_client_id(env, "BRIDGED_STRIPE_CLIENT_ID_TEST"),
        stripe_platform_key_live=_platform_key(env, "BRIDGED_STRIPE_PLATFORM_KEY_LIVE", "_live_"),
        stripe_platform_key_test=_platform_key(env, "BRIDGED_STRIPE_PLATFORM_KEY_TEST", "_test_"),
        stripe_platform_webhook_secret_live=_secret(env, "BRIDGED_STRIPE_PLATFORM_WEBHOOK_SECRET_LIVE"),
        stripe_platform_webhook_secret_test=_secret(env, "BRIDGED_STRIPE_PLATFORM_WEBHOOK_SECRET_TEST"),
        whatsapp_api_base=_api_base(env, "BRIDGED_WHATSAPP_API_BASE", WHATSAPP_API),
        master_key=master_key,
        kms_uri=_kms_uri(env.get("BRIDGED_KMS_URI") or None, master_key),
        public_url=_public_url(env.get("BRIDGED_PUBLIC_URL") or None),
        trusted_proxies=_networks(env.get("BRIDGED_TRUSTED_PROXIES") or "127.0.0.1,::1"),
        log_level=_log_level(env.get("BRIDGED_LOG_LEVEL") or "warning"),
        events_days=_days(env.get("BRIDGED_EVENTS_DAYS") or "30"),
        texts_days=_kept(env, "BRIDGED_TEXTS_DAYS", "365", 30),
        history_days=_kept(env, "BRIDGED_HISTORY_DAYS", "400", 90),
        metrics_address=_metrics_address(env.get("BRIDGED_METRICS_ADDRESS") or None, metrics_token),
        metrics_token=metrics_token,
        private_webhooks=_allowed("BRIDGED_PRIVATE_WEBHOOKS", env.get("BRIDGED_PRIVATE_WEBHOOKS") or "deny"),
        smtp_url=_smtp_url(env),
        model=_model(env.get("BRIDGED_MODEL") or None),
        model_timeout=_seconds(env.get("BRIDGED_MODEL_TIMEOUT") or "4"),
        model_budget=_micros(env.get("BRIDGED_MODEL_BUDGET") or "1000000"),
        model_rephrases=_allowed("BRIDGED_MODEL_REPHRASES", env.get("BRIDGED_MODEL_REPHRASES") or "deny"),
    )


def _refuse_unknown(env: Mapping[str, str]) -> None:
    known = (*KNOWN, *_FILES)
    for name in sorted(env):
        if name.startswith("BRIDGED_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            hint = f"Unset {name} or rename it."
            if _SERVICE_LINK.search(name):
                hint = "Kubernetes makes it for a Service: write `enableServiceLinks: false` into the pod's spec."
            raise SettingsError(f"{name} is not a setting. The nearest one is {near}.", hint=hint)


def _smtp_url(env: Mapping[str, str]) -> Secret | None:
    found = _secret(env, "BRIDGED_SMTP_URL")
    return found if found is None else Secret(mail.checked(found.reveal()))


def _home(env: Mapping[str, str]) -> Path:
    if given := env.get("BRIDGED_HOME"):
        return Path(given).expanduser().absolute()
    base = env.get("XDG_DATA_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".local" / "share")
    return Path(base).absolute() / "bridged"


def _secret(env: Mapping[str, str], name: str) -> Secret | None:
    value, path = env.get(name), env.get(f"{name}_FILE")
    if value and path:
        raise SettingsError(f"{name} and {name}_FILE are both set.", hint="Keep one of them.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}.", hint="Check path and mode.") from None
        except UnicodeDecodeError:
            raise SettingsError(
                f"The file named in {name}_FILE is not text.", hint="Write the value as text."
            ) from None
        if not value:
            raise SettingsError(f"The file named in {name}_FILE is empty.", hint="Put the value into it.")
    return Secret(value) if value else None


def _kms_uri(uri: str | None, master_key: Secret | None) -> str | None:
    if uri is None:
        return None
    if master_key is not None:
        raise SettingsError("BRIDGED_KMS_URI and BRIDGED_MASTER_KEY are both set.", hint="Keep one of them.")
    if "://" not in uri:
        raise SettingsError(
            "BRIDGED_KMS_URI is not the address of a key.", hint="Write aws-kms://arn:aws:kms:… or gcp-kms://projects/…"
        )
    return uri


def _database_url(env: Mapping[str, str]) -> Secret | None:
    url = _secret(env, "BRIDGED_DATABASE_URL")
    if url and url.reveal().partition("://")[0] not in {"postgresql", "postgres"}:
        raise SettingsError(
            "BRIDGED_DATABASE_URL is not a PostgreSQL URL.", hint="Write postgresql://user:password@host:5432/database."
        )
    return url


def _split(value: str) -> SplitResult:
    """The parts of a URL; of what is none, nothing."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _api_base(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name) or default
    url = _split(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise SettingsError(f"{name} is not a URL: {value!r}.", hint=f"The default is {default}.")
    if url.username is not None or url.password is not None:
        raise SettingsError(f"{name} must not carry credentials.", hint="Use `bridged connect` or `channel add`.")
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        raise SettingsError(
            f"{name} would send the key in clear to another machine.",
            hint="Use https; plain http is for 127.0.0.1 only.",
        )
    return value.rstrip("/")


def _scope(value: str) -> Literal["read_only", "read_write"]:
    if value not in {"read_only", "read_write"}:
        raise SettingsError(f"BRIDGED_STRIPE_CONNECT_SCOPE is {value!r}.", hint="One of read_only, read_write.")
    return "read_only" if value == "read_only" else "read_write"


def _client_id(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name) or None
    if value is not None and not value.startswith("ca_"):
        raise SettingsError(f"{name} is not a client id.", hint="It begins with ca_; the Connect settings show it.")
    return value


def _platform_key(env: Mapping[str, str], name: str, mode: str) -> Secret | None:
    """A key of the other mode would exchange every code in vain, and a code is good for one try."""
    key = _secret(env, name)
    if key is not None and not (key.reveal().startswith(("sk_", "rk_")) and mode in key.reveal()):
        kind = mode.strip("_")
        raise SettingsError(f"{name} is not a secret key of {kind} mode.", hint=f"It begins with sk_{kind}_.")
    return key


def _public_url(value: str | None) -> str | None:
    if value is None:
        return None
    url = _split(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingsError(
            f"BRIDGED_PUBLIC_URL is not a URL: {value!r}.", hint="Write https://the-name-people-and-stripe-reach."
        )
    return value.rstrip("/")


def _networks(value: str) -> tuple[str, ...]:
    """As they are written. Everybody's network is refused: whoever writes to us could then call themselves anybody."""
    found = tuple(each.strip() for each in value.split(","))
    for each in found:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            raise SettingsError(
                f"BRIDGED_TRUSTED_PROXIES has {each!r}, which is no address and no network.",
                hint="Write addresses and networks with commas between them: 127.0.0.1,10.244.0.0/16.",
            ) from None
        if network.prefixlen == 0:
            raise SettingsError(
                f"BRIDGED_TRUSTED_PROXIES would believe everybody ({each}).",
                hint="Name the addresses of your proxy alone: it says who the visitor is.",
            )
    return found


def _days(value: str) -> int:
    if not value.isdecimal() or not 3 <= int(value) <= 3650:
        raise SettingsError(
            f"BRIDGED_EVENTS_DAYS is {value!r}.", hint="A number of days from 3, while Stripe delivers again, to 3650."
        )
    return int(value)


def _kept(env: Mapping[str, str], name: str, default: str, least: int) -> int:
    value = env.get(name) or default
    if not value.isdecimal() or not least <= int(value) <= 36500:
        raise SettingsError(f"{name} is {value!r}.", hint=f"A number of days from {least} to 36500.")
    return int(value)


def _metrics_address(value: str | None, token: Secret | None) -> str | None:
    """Whoever can reach an address of this machine's network must show the token there."""
    if token is not None and len(token.reveal()) < 16:
        raise SettingsError("BRIDGED_METRICS_TOKEN is shorter than 16 characters.", hint="Try `openssl rand -hex 24`.")
    if value is None:
        return None
    url = _split(f"//{value}")
    if not url.hostname or url.port is None or url.netloc != value or "@" in value:
        raise SettingsError(f"BRIDGED_METRICS_ADDRESS is {value!r}.", hint="Write host:port, such as 127.0.0.1:9464.")
    if url.hostname not in _LOOPBACK and token is None:
        raise SettingsError(
            "BRIDGED_METRICS_ADDRESS is not of this machine alone, and there is no BRIDGED_METRICS_TOKEN.",
            hint="Set the token, which Prometheus then sends, or listen on 127.0.0.1.",
        )
    return value


def _allowed(name: str, value: str) -> bool:
    if value.lower() not in {"allow", "deny"}:
        raise SettingsError(f"{name} is {value!r}.", hint="One of allow, deny.")
    return value.lower() == "allow"


def _model(value: str | None) -> str | None:
    if value is not None and not all(part.strip() for part in (value.partition(":")[0], value.partition(":")[2])):
        raise SettingsError(f"BRIDGED_MODEL is {value!r}.", hint="Write provider:name, such as openai:gpt-5-mini.")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 30:
        raise SettingsError(f"BRIDGED_MODEL_TIMEOUT is {value!r}.", hint="Seconds from 0.1 to 30; the customer waits.")
    return seconds


def _micros(value: str) -> int:
    if not value.isdecimal() or int(value) > 10**12:
        raise SettingsError(
            f"BRIDGED_MODEL_BUDGET is {value!r}.", hint="Millionths of a dollar: 1000000 is one dollar a day."
        )
    return int(value)


def _log_level(value: str) -> str:
    level = value.lower()
    if level not in {"debug", "info", "warning", "error"}:
        raise SettingsError(f"BRIDGED_LOG_LEVEL is {value!r}.", hint="One of debug, info, warning, error.")
    return level
