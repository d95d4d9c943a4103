"""Sending e-mail at the wire: to a mail server on this machine, with and without TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bridged.core import mail
from bridged.core.errors import BridgedError, MailNotSent, SettingsError
from bridged.core.types import Secret
from mailroom import Mailroom, mailroom


async def test_a_message_arrives_as_it_was_written() -> None:
    async with mailroom() as room:
        await mail.send(Secret(room.url), "ana@example.com", "Código de Ñandú", "Su código: 123456\n.\nfin ñ")
    assert room.received == [("ana@example.com", "Código de Ñandú", "Su código: 123456\n.\nfin ñ")]


async def test_a_name_with_a_line_in_it_makes_no_header_of_its_own() -> None:
    async with mailroom() as room:
        await mail.send(Secret(room.url), "ana@example.com", "Code of Acme\r\nBcc: eve@example.com", "123456")
        with pytest.raises(MailNotSent):
            await mail.send(Secret(room.url), "ana@example.com, eve@example.com", "Code", "123456")
        with pytest.raises(MailNotSent):
            await mail.send(Secret(room.url), "ana@example.com\r\nBcc: eve@example.com", "Code", "123456")
    assert room.received == [("ana@example.com", "Code of Acme Bcc: eve@example.com", "123456")]


@pytest.mark.parametrize("kind", ["refuses", "is nobody", "has no TLS", "takes no password"])
async def test_what_is_not_taken_is_said_without_any_secret(kind: str) -> None:
    async with mailroom() as room:
        room.broken = kind == "refuses"
        url = room.url.replace("smtp://", "smtp://ben:hunter2@" if kind == "takes no password" else "smtp://")
        if kind == "has no TLS":
            url = url.replace("smtp://", "smtps://")
        if kind == "is nobody":
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            server.close()
            await server.wait_closed()
        with pytest.raises(MailNotSent) as caught:
            await mail.send(Secret(url), "ana@example.com", "Code", "123456")
    told = shown(caught.value)
    assert not any(each in told for each in ("ana@", "123456", "hunter2"))
    assert room.received == []


@pytest.mark.parametrize(
    "url",
    [
        "", "smtp://", "http://host", "smtp://host:0", "smtp://host:99999", "smtp://[host", "smtp://host:x",
        "smtp://host?from=nobody", "smtp://host?from=a@example.com%0d%0aBcc:%20b@example.com",
        "smtp://host?from=a@example.com,b@example.com",
    ],
)  # fmt: skip
def test_what_is_no_mail_server_is_no_setting(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mail.checked(url)
    assert "BRIDGED_SMTP_URL" in caught.value.message


@given(st.text(max_size=20))
def test_a_refused_setting_does_not_show_its_password(password: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mail.checked(f"smtp://ben:hunter2{password.translate(dict.fromkeys(map(ord, '/?#@')))}@host:port")
    assert "hunter2" not in shown(caught.value)


def shown(error: BridgedError) -> str:
    """All that a log or a page could show of an error, with what it came from."""
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{error!r} {error.as_json()} {behind!r}"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server with the name 127.0.0.2, which is not taken for this machine, and whom this process trusts."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.2"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=True).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path, trusted = tmp_path / "server.pem", tmp_path / "trusted.pem"
    certificate = made.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain) + certificate
    )
    trusted.write_bytes(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def sent(room: Mailroom, url: str) -> int:
    """How many arrive of one message."""
    before = len(room.received)
    try:
        await mail.send(Secret(url), "ana@example.com", "Code", "123456")
    except MailNotSent:
        assert len(room.received) == before
    return len(room.received) - before


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("at_once", [False, True])
async def test_another_machine_must_prove_its_name(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    async with mailroom(host="127.0.0.2", tls=tls, at_once=at_once) as room:
        assert await sent(room, room.url) == 1
        assert room.encrypted
        monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
        assert await sent(room, room.url) == 0


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
async def test_nothing_goes_to_another_machine_in_clear() -> None:
    """Also where somebody on the way leaves out that the server offers TLS."""
    async with mailroom(host="127.0.0.2") as room:
        assert await sent(room, room.url) == 0


async def test_this_machine_is_spoken_to_over_tls_where_it_offers_that(tls: ssl.SSLContext) -> None:
    async with mailroom(tls=tls) as room:
        # The certificate is of another name.
        assert await sent(room, room.url) == 0
