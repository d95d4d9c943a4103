"""Settings are read strictly: what is unknown, malformed or unsafe is refused with a name and a remedy."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.errors import SettingsError
from bridged.core.settings import STRIPE_API, read

CONTRACT = {
    "BRIDGED_DATABASE_URL": "postgresql://user:pw@db.example/bridged",
    "BRIDGED_HOME": "/srv/bridged",
    "BRIDGED_STRIPE_API_BASE": "http://127.0.0.1:12111",
    "BRIDGED_MASTER_KEY": "a long enough passphrase",
    "BRIDGED_PUBLIC_URL": "https://bridged.example",
    "BRIDGED_STRIPE_CONNECT_BASE": "http://127.0.0.1:12111",
    "BRIDGED_STRIPE_CLIENT_ID_LIVE": "ca_live",
    "BRIDGED_STRIPE_CLIENT_ID_TEST": "ca_test",
    "BRIDGED_STRIPE_PLATFORM_KEY_LIVE": "sk_live_1",
    "BRIDGED_STRIPE_PLATFORM_KEY_TEST": "sk_test_1",
    "BRIDGED_WHATSAPP_API_BASE": "http://127.0.0.1:12112",
    "BRIDGED_SMTP_URL": "smtp://127.0.0.1:25",
}


def test_every_name_of_the_contract_is_accepted() -> None:
    read(CONTRACT)
    for name, value in CONTRACT.items():
        read({name: value})


def test_values_reach_their_fields() -> None:
    settings = read(CONTRACT)
    assert settings.home == Path("/srv/bridged")
    assert settings.stripe_api_base == "http://127.0.0.1:12111"
    assert settings.public_url == "https://bridged.example"
    assert settings.database_url is not None
    assert settings.database_url.reveal() == CONTRACT["BRIDGED_DATABASE_URL"]
    assert settings.master_key is not None
    assert settings.master_key.reveal() == CONTRACT["BRIDGED_MASTER_KEY"]


def test_nothing_set_is_the_embedded_default_in_the_data_folder() -> None:
    settings = read({"HOME": "/home/ann"})
    assert settings.home == Path("/home/ann/.local/share/bridged")
    assert (settings.database_url, settings.master_key, settings.public_url) == (None, None, None)
    assert settings.stripe_api_base == STRIPE_API
    assert read({"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}).home == Path("/data/bridged")


def test_an_empty_value_counts_as_unset() -> None:
    settings = read(dict.fromkeys(CONTRACT, "") | {"HOME": "/home/ann"})
    assert settings == read({"HOME": "/home/ann"})


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("BRIDGED_DATABSE_URL", "BRIDGED_DATABASE_URL"),
        ("BRIDGED_MASTER_KEYFILE", "BRIDGED_MASTER_KEY_FILE"),
        ("BRIDGED_STRIPE_BASE", "BRIDGED_STRIPE_API_BASE"),
        ("BRIDGED_SMTP", "BRIDGED_SMTP_URL"),
        ("BRIDGED_", "BRIDGED_HOME"),
    ],
)
def test_an_unknown_name_names_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(SettingsError, match=f"{wrong} is not a setting.*{nearest}"):
        read({wrong: "x"})


@pytest.mark.parametrize(
    "made", ["PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_80_TCP", "PORT_80_TCP_ADDR"]
)
@pytest.mark.parametrize("service", ["BRIDGED", "BRIDGED_WEB"])
def test_what_kubernetes_makes_for_a_service_is_told_apart(service: str, made: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read({f"{service}_{made}": "tcp://10.96.0.7:80"})
    assert "enableServiceLinks" in (refused.value.hint or "")


def test_proxies_are_addresses_and_networks() -> None:
    assert read({"HOME": "/"}).trusted_proxies == ("127.0.0.1", "::1")
    given = read({"HOME": "/", "BRIDGED_TRUSTED_PROXIES": "10.244.0.0/16, ::1"})
    assert given.trusted_proxies == ("10.244.0.0/16", "::1")


@pytest.mark.parametrize("wrong", ["*", "proxy", "10.0.0.1/8", "127.0.0.1,", "0.0.0.0/0", "::/0"])
def test_nobody_is_believed_by_mistake(wrong: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGED_TRUSTED_PROXIES") as refused:
        read({"HOME": "/", "BRIDGED_TRUSTED_PROXIES": wrong})
    assert refused.value.hint


def test_names_of_others_are_none_of_our_business() -> None:
    read({"STRIPE_API_KEY": "sk_live_1", "PATH": "/bin", "BRIDGEDX": "1"})


def test_a_kms_is_named_by_an_address() -> None:
    uri = "aws-kms://arn:aws:kms:eu-west-1:1:key/x"
    assert read({"HOME": "/", "BRIDGED_KMS_URI": uri}).kms_uri == uri
    with pytest.raises(SettingsError, match="BRIDGED_KMS_URI"):
        read({"HOME": "/", "BRIDGED_KMS_URI": "a key"})


@pytest.mark.parametrize("name", ["BRIDGED_MASTER_KEY", "BRIDGED_DATABASE_URL"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CONTRACT[name]}\n")
    settings = read({f"{name}_FILE": str(file)})
    found = settings.master_key if name == "BRIDGED_MASTER_KEY" else settings.database_url
    assert found is not None
    assert found.reveal() == CONTRACT[name]


def test_a_value_and_a_file_at_once_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one")
    with pytest.raises(SettingsError, match="both set"):
        read({"BRIDGED_MASTER_KEY": "two", "BRIDGED_MASTER_KEY_FILE": str(file)})


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b" \n", "empty"), (b"\xff\xfe", "not text")])
def test_a_file_without_a_usable_value_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"BRIDGED_MASTER_KEY_FILE.*{said}"):
        read({"BRIDGED_MASTER_KEY_FILE": str(file)})


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:80", "https://x.y"])
def test_plain_http_is_for_loopback(base: str) -> None:
    assert read({"BRIDGED_STRIPE_API_BASE": base}).stripe_api_base == base.rstrip("/")


@pytest.mark.parametrize(
    "base",
    [
        "http://api.stripe.com",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://127.0.0.1:80@evil.example",
        "https://key@api.stripe.com",
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
        "https://",
        "https://api.stripe.com/?a=b",
        "https://api.stripe.com/#x",
        "http://[::1",
        "http://127.0.0.1:99999",
    ],
)
def test_other_bases_are_refused(base: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGED_STRIPE_API_BASE"):
        read({"BRIDGED_STRIPE_API_BASE": base})


@pytest.mark.parametrize("url", ["mysql://x", "bridged.db", "host=db dbname=x", "https://x"])
def test_only_postgresql_is_a_database(url: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGED_DATABASE_URL"):
        read({"BRIDGED_DATABASE_URL": url})


def test_a_refused_database_url_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        read({"BRIDGED_DATABASE_URL": "mysql://root:hunter2@db"})
    assert "hunter2" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("url", ["bridged.example", "ftp://x", "https://", "http://[", ":"])
def test_a_public_url_must_be_one(url: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGED_PUBLIC_URL"):
        read({"BRIDGED_PUBLIC_URL": url})


def test_the_log_level_is_one_of_four() -> None:
    assert read({"BRIDGED_LOG_LEVEL": "DEBUG"}).log_level == "debug"
    with pytest.raises(SettingsError, match="BRIDGED_LOG_LEVEL"):
        read({"BRIDGED_LOG_LEVEL": "loud"})


def test_a_model_with_its_limits() -> None:
    given = read({"BRIDGED_MODEL": "openai:gpt-5-mini", "BRIDGED_MODEL_TIMEOUT": "2.5", "BRIDGED_MODEL_BUDGET": "0"})
    assert (given.model, given.model_timeout, given.model_budget, given.model_rephrases) == (
        "openai:gpt-5-mini", 2.5, 0, False
    )  # fmt: skip
    assert read({}).model is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "gpt-5"), ("", ":gpt"), ("", "openai:"), ("_TIMEOUT", "0"), ("_TIMEOUT", "nan"), ("_TIMEOUT", "1e9"),
     ("_TIMEOUT", "soon"), ("_BUDGET", "-1"), ("_BUDGET", "1.5"), ("_BUDGET", "9" * 20), ("_REPHRASES", "yes")],
)  # fmt: skip
def test_a_model_that_cannot_be_meant(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"BRIDGED_MODEL{name} is"):
        read({f"BRIDGED_MODEL{name}": value})


@given(st.dictionaries(st.sampled_from(sorted(CONTRACT)) | st.text(max_size=20), st.text(max_size=40), max_size=4))
def test_any_environment_is_either_read_or_refused_by_us(environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        read(environment)
