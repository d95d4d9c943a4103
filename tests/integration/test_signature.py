"""Who may put something into the inbox: nobody without the secret, over this very body, about now, at this address."""

import base64
import gzip
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bridged.core import clock
from bridged.core.types import Secret
from bridged.stripe.signature import TOLERANCE, Verdict, judge, read_header
from ground import Cluster
from postbox import (
    EXPIRED,
    OLD,
    OTHERS,
    SECRET,
    Answer,
    Postbox,
    event,
    exchange,
    fresh,
    hexes,
    request,
    signed,
    written,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postbox]:
    async with fresh(cluster, tmp_path_factory.mktemp("signature")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def box(opened: Postbox) -> AsyncIterator[Postbox]:
    """What one test lets in does not stand in the way of the next."""
    yield opened
    if opened.events():
        opened.clear()


BODY = written()


@dataclass(frozen=True)
class Attempt:
    """What is sent. `http`: the server itself may refuse it, before a line of ours runs."""

    fields: list[bytes]
    body: bytes = BODY
    more: dict[str, bytes] = field(default_factory=dict[str, bytes])
    http: bool = False


Build = Callable[[int], Attempt]
"""An attempt at a moment."""


def header(text: str, **options: object) -> Attempt:
    return Attempt([text.encode()], **options)  # type: ignore[arg-type]


def right(at: int, body: bytes = BODY) -> str:
    return hexes(body, SECRET, at)


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def b64(at: int) -> str:
    return base64.b64encode(bytes.fromhex(right(at))).decode()


def named(at: int, name: str) -> Attempt:
    """The right signature under a name that is not `v1`."""
    return header(f"t={at},{name}={right(at)}")


def timed(text: str) -> Attempt:
    """Signed as it stands, with a time that is none."""
    return header(f"t={text},v1={hexes(BODY, SECRET, text)}")


def body_of(at: int, changed: bytes, **more: bytes) -> Attempt:
    """The signature of BODY, with another body."""
    return Attempt([signed(BODY, at=at)], changed, more)


def swapped(body: bytes) -> bytes:
    return body[:3] + body[4:5] + body[3:4] + body[5:]


def reserialised(body: bytes) -> bytes:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)


def many(at: int, number: int) -> str:
    return f"t={at}," + ",".join([*(f"v1={n:064x}" for n in range(number)), f"v1={right(at)}"])


FORGED: dict[str, Build] = {
    "truncated hex": lambda at: header(f"t={at},v1={right(at)[:-1]}"),
    "half the hex": lambda at: header(f"t={at},v1={right(at)[:32]}"),
    "hex and more": lambda at: header(f"t={at},v1={right(at)}0"),
    "one nibble changed": lambda at: header(f"t={at},v1={flipped(right(at))}"),
    "upper case hex": lambda at: header(f"t={at},v1={right(at).upper()}"),
    "hex with 0x": lambda at: header(f"t={at},v1=0x{right(at)}"),
    "hex in quotes": lambda at: header(f't={at},v1="{right(at)}"'),
    "base64 instead of hex": lambda at: header(f"t={at},v1={b64(at)}"),
    "empty v1": lambda at: header(f"t={at},v1="),
    "v1 without value": lambda at: header(f"t={at},v1"),
    "no v1": lambda at: header(f"t={at}"),
    "other secret": lambda at: header(f"t={at},v1={hexes(BODY, 'whsec_' + 'x' * 30, at)}"),
    "empty secret": lambda at: header(f"t={at},v1={hexes(BODY, '', at)}"),
    "secret without whsec_": lambda at: header(f"t={at},v1={hexes(BODY, SECRET.removeprefix('whsec_'), at)}"),
    "secret with a line's end": lambda at: header(f"t={at},v1={hexes(BODY, SECRET + chr(10), at)}"),
    "secret in capitals": lambda at: header(f"t={at},v1={hexes(BODY, SECRET.upper(), at)}"),
    "expired secret": lambda at: header(f"t={at},v1={hexes(BODY, EXPIRED, at)}"),
    "secret of another connection": lambda at: header(f"t={at},v1={hexes(BODY, OTHERS, at)}"),
    "secret of another mode": lambda at: header(f"t={at},v1={hexes(BODY, 'whsec_test_' + SECRET[6:], at)}"),
    "md5": lambda at: header(f"t={at},v1={hexes(BODY, SECRET, at, 'md5')}"),
    "sha1": lambda at: header(f"t={at},v1={hexes(BODY, SECRET, at, 'sha1')}"),
    "sha512": lambda at: header(f"t={at},v1={hexes(BODY, SECRET, at, 'sha512')}"),
    "sha256 without a key": lambda at: header(f"t={at},v1={hashlib.sha256(f'{at}.'.encode() + BODY).hexdigest()}"),
    "signature of the signature": lambda at: header(f"t={at},v1={hexes(right(at).encode(), SECRET, at)}"),
    "v0 only": lambda at: named(at, "v0"),
    "v2": lambda at: named(at, "v2"),
    "V1": lambda at: named(at, "V1"),
    "v11": lambda at: named(at, "v11"),
    "v1 with a space": lambda at: named(at, "v1 "),
    "v1 with a tab": lambda at: named(at, "v1\t"),
    "v01": lambda at: named(at, "v01"),
    "no name": lambda at: named(at, ""),
    "body signed without its time": lambda at: header(
        f"t={at},v1={hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()}"
    ),
    "time joined by nothing": lambda at: header(
        f"t={at},v1={hmac.new(SECRET.encode(), str(at).encode() + BODY, hashlib.sha256).hexdigest()}"
    ),
    "time of another request": lambda at: header(f"t={at},v1={right(at - 1)}"),
    "t twice": lambda at: header(f"t={at},t={at - 1},v1={right(at)}"),
    "t twice, the right one last": lambda at: header(f"t={at - 1},t={at},v1={right(at)}"),
    "t missing": lambda at: header(f"v1={right(at)}"),
    "t missing, signed so": lambda _: header(f"v1={hexes(BODY, SECRET, '')}"),
    "T": lambda at: header(f"T={at},v1={right(at)}"),
    "t empty": lambda _: timed(""),
    "t negative": lambda at: timed(f"-{at}"),
    "t with a plus": lambda at: timed(f"+{at}"),
    "t a float": lambda at: timed(f"{at}.0"),
    "t with an exponent": lambda _: timed("1e9"),
    "t in hex": lambda at: timed(hex(at)),
    "t with underscores": lambda at: timed(f"{at:_}"),
    "t in milliseconds": lambda at: timed(f"{at}000"),
    "t huge": lambda _: timed(str(10**30)),
    "t of a thousand digits": lambda _: timed("1" * 1000),
    "t in arabic digits": lambda at: timed(str(at).translate({48 + n: 0x660 + n for n in range(10)})),
    "t in full width digits": lambda at: timed(str(at).translate({48 + n: 0xFF10 + n for n in range(10)})),
    "t a word": lambda _: timed("now"),
    "t with a space before it": lambda at: header(f"t= {at},v1={right(at)}"),
    "t with a space inside": lambda at: header(f"t={str(at)[:5]} {str(at)[5:]},v1={right(at)}"),
    "v1 with a space before it": lambda at: header(f"t={at},v1= {right(at)}"),
    "semicolons": lambda at: header(f"t={at};v1={right(at)}"),
    "spaces between": lambda at: header(f"t={at} v1={right(at)}"),
    "a colon": lambda at: header(f"t:{at},v1:{right(at)}"),
    "JSON": lambda at: header(f'{{"t":{at},"v1":"{right(at)}"}}'),
    "only commas": lambda _: header(",,,,"),
    "only equals": lambda _: header("=,=,="),
    "100 kB of header": lambda at: header(f"t={at},v1={right(at)}," + "x" * 100_000),
    "a thousand v1, the right one last": lambda at: header(many(at, 999)),
    "33 v1, the right one last": lambda at: header(many(at, 32)),
    "two fields of two times": lambda at: Attempt(
        [f"t={at},v1={flipped(right(at))}".encode(), signed(BODY, at=at - 1)]
    ),
    "two fields, each with half the hex": lambda at: Attempt(
        [f"t={at},v1={right(at)[:32]}".encode(), right(at)[32:].encode()]
    ),
    "a line's end in it": lambda at: header(f"t={at},\r\nv1={right(at)}", http=True),
    "a bare line feed in it": lambda at: header(f"t={at},\nv1={right(at)}", http=True),
    "a folded line": lambda at: header(f"t={at},v1=\r\n {right(at)}", http=True),
    "NUL in it": lambda at: header(f"t={at},\0v1={right(at)}", http=True),
    "NUL after it": lambda at: header(f"t={at},v1={right(at)}\0", http=True),
    "no UTF-8 in it": lambda at: Attempt([b"t=%d,v1=\xff\xfe\xc0\x80%s" % (at, right(at).encode())]),
    "a lone surrogate in it": lambda at: Attempt([b"t=%d\xed\xa0\x80,v1=%s" % (at, right(at).encode())]),
    "bytes of the body reordered": lambda at: body_of(at, swapped(BODY)),
    "one byte of the body changed": lambda at: body_of(at, BODY.replace(b"name 1", b"name 2")),
    "body cut": lambda at: body_of(at, BODY[:-1]),
    "body twice": lambda at: body_of(at, BODY * 2),
    "no body": lambda at: body_of(at, b""),
    "body with a byte order mark": lambda at: body_of(at, b"\xef\xbb\xbf" + BODY),
    "white space after the body": lambda at: body_of(at, BODY + b"\n"),
    "white space before the body": lambda at: body_of(at, b" " + BODY),
    "white space after the body removed": lambda at: Attempt([signed(BODY + b"\n", at=at)]),
    "body written anew": lambda at: body_of(at, reserialised(BODY)),
    "body in UTF-16": lambda at: body_of(at, BODY.decode().encode("utf-16")),
    "body zipped": lambda at: body_of(at, gzip.compress(BODY), **{"Content-Encoding": b"gzip"}),
}
OUT_OF_TIME: dict[str, tuple[int, Verdict]] = {
    "five minutes and more ago": (-TOLERANCE - 1, Verdict.STALE),
    "a day ago": (-86400, Verdict.STALE),
    "at the beginning": (-(10**9), Verdict.STALE),
    "five minutes and more ahead": (TOLERANCE + 2, Verdict.FUTURE),
    "a day ahead": (86400, Verdict.FUTURE),
    "in a thousand years": (32 * 10**9, Verdict.FUTURE),
}
ABSENT: dict[str, list[bytes]] = {"no header": [], "an empty header": [b""], "white space": [b" \t "]}

NOW = 1_780_000_123
VALID = [Secret(OLD), Secret(SECRET)]


def judged(attempt: Attempt, now: float = NOW) -> Verdict:
    return judge(read_header(b",".join(attempt.fields) if attempt.fields else None), attempt.body, VALID, now)


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_signature_proves_nothing(name: str) -> None:
    assert judged(FORGED[name](NOW)) is Verdict.BAD_SIGNATURE


async def refused(box: Postbox, answer: Answer, cause: str) -> None:
    assert (answer.status, answer.cause) == (400, cause)
    assert box.events() == []


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_delivery_is_refused(box: Postbox, name: str) -> None:
    attempt = FORGED[name](int(clock.unix()))
    answer = await box.post(attempt.body, *attempt.fields, more=attempt.more)
    if attempt.http and not answer.cause:
        assert answer.status == 400
        assert box.events() == []
    else:
        await refused(box, answer, "bad_signature")


@pytest.mark.parametrize("name", OUT_OF_TIME)
async def test_what_is_signed_but_not_about_now(box: Postbox, name: str) -> None:
    off, verdict = OUT_OF_TIME[name]
    assert judged(Attempt([signed(BODY, at=NOW + off)])) is verdict
    await refused(box, await box.post(BODY, signed(BODY, at=int(clock.unix()) + off)), verdict)
    # A stranger is not told whether it was about time.
    assert judged(Attempt([signed(BODY, "whsec_x", NOW + off)])) is Verdict.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("off", "verdict"),
    [
        (-301, Verdict.STALE),
        (-300, Verdict.VALID),
        (0, Verdict.VALID),
        (300, Verdict.VALID),
        (301, Verdict.FUTURE),
    ],
)
async def test_the_tolerance_to_the_second(off: int, verdict: Verdict) -> None:
    assert judged(Attempt([signed(BODY, at=NOW + off)])) is verdict


@pytest.mark.parametrize("name", ABSENT)
async def test_no_signature_at_all(box: Postbox, name: str) -> None:
    assert judged(Attempt(ABSENT[name])) is Verdict.NO_HEADER
    await refused(box, await box.post(BODY, *ABSENT[name]), "no_header")


async def test_another_address(box: Postbox) -> None:
    await refused(box, await box.post(BODY, signed(BODY), to=box.other), "bad_signature")
    await refused(box, await box.post(BODY, signed(BODY), to=box.stranger), "bad_signature")
    await refused(box, await box.post(BODY, signed(BODY), to=box.mute), "no_secret")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (written(livemode=True), "wrong_mode"),
        (written(account="acct_other"), "wrong_account"),
        (written(account=""), "wrong_account"),
        (b'{"id":"evt_1","object":"event","type":"\xff","created":1}', "not_an_event"),
        (b'{"id":"evt_1","object":"event","type":"\xed\xa0\x80","created":1}', "not_an_event"),
        (b"\xef\xbb\xbf" + BODY, "not_json"),
        (BODY + b"}", "not_json"),
        (b"", "not_json"),
        (b"[]", "not_json"),
        (b"{}", "not_an_event"),
    ],
)
async def test_what_is_signed_and_still_none_of_ours(box: Postbox, body: bytes, cause: str) -> None:
    await refused(box, await box.post(body, signed(body)), cause)


async def test_a_thin_event_of_another_account(box: Postbox) -> None:
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2026-06-01T10:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
        "context": "acct_other",
    }
    body = orjson.dumps(thin)
    await refused(box, await box.post(body, signed(body)), "wrong_account")


@pytest.mark.parametrize(
    "build",
    [
        lambda at: [signed(BODY, at=at)],
        lambda at: [f"v1={right(at)},t={at}".encode()],
        lambda at: [f"t={at},v1={hexes(BODY, OLD, at)},v1={right(at)}".encode()],
        lambda at: [f"t={at},v1={right(at)},v1={'0' * 64}".encode()],
        lambda at: [f"t={at},v1={'0' * 64},v1={right(at)}".encode()],
        lambda at: [f"t={at},v1=nonsense,v1={right(at)},v0={'1' * 64},v2=x,new".encode()],
        lambda at: [f"t={at}, v1={right(at)}, v0={'1' * 64}".encode()],
        lambda at: [f"t={at} ,\tv1={right(at)} ".encode()],
        lambda at: [f"t={at},t={at},v1={right(at)}".encode()],
        lambda at: [f",t={at},,v1={right(at)},".encode()],
        lambda at: [f"t={at}".encode(), f"v1={right(at)}".encode()],
        lambda at: [signed(BODY, at=at), signed(BODY, at=at)],
        lambda at: [signed(BODY, OLD, at)],
        lambda at: [many(at, 31).encode()],
        lambda at: [signed(BODY, at=at - TOLERANCE + 30)],
        lambda at: [signed(BODY, at=at + TOLERANCE - 30)],
    ],
)
async def test_what_stripe_may_send_is_taken_once(box: Postbox, build: Callable[[int], list[bytes]]) -> None:
    assert judged(Attempt(build(NOW))) is Verdict.VALID
    for _ in range(2):
        assert (await box.post(BODY, *build(int(clock.unix())))).status == 200
    assert box.events() == [event()["id"]]
    where = f"/api/v1/connections/{box.scope.connection_id}/webhooks/deliveries"
    found = (await box.web.get(where, params={"event": event()["id"], "verdict": "all"})).json["data"]
    accepted = [each["verdict"] for each in found if each["verdict"] in {"accepted", "duplicate"}]
    assert accepted == ["duplicate", "accepted"]


async def test_a_body_in_pieces_is_the_same_body(box: Postbox) -> None:
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(BODY[n : n + 7]), BODY[n : n + 7]) for n in range(0, len(BODY), 7))
    raw = await _framed(box, pieces + b"0\r\n\r\n", {"Transfer-Encoding": b"chunked"})
    assert raw.status == 200


@pytest.mark.parametrize("length", [b"5", b"100000", b"-1", b"5, 6", b"0x10"])
async def test_two_lengths_of_one_body_are_none(box: Postbox, length: bytes) -> None:
    """Chunked and a length beside it: what request smuggling is made of."""
    pieces = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    answer = await _framed(box, pieces, {"Transfer-Encoding": b"chunked", "Content-Length": length})
    assert answer.status == 400
    assert box.events() == []


async def _framed(box: Postbox, body: bytes, framing: dict[str, bytes]) -> Answer:
    fields = [("Stripe-Signature", signed(BODY)), *framing.items()]
    path = f"/webhooks/stripe/{box.scope.connection_id}"
    return await exchange(box.web.url, request(path, body, fields, framed=True))


@given(st.binary(max_size=200), st.binary(max_size=50))
async def test_no_header_breaks_it(raw: bytes, body: bytes) -> None:
    assert judge(read_header(raw), body, VALID, NOW) in {Verdict.NO_HEADER, Verdict.BAD_SIGNATURE}


@given(st.data())
async def test_any_change_of_a_right_header_or_body(data: st.DataObject) -> None:
    """Any byte of the body, any byte of what the header says: nothing of it may be another."""
    raw, body = bytearray(signed(BODY, at=NOW)), bytearray(BODY)
    where = data.draw(st.sampled_from([raw, body]))
    place = data.draw(st.integers(0, len(where) - 1))
    where[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != where[place]))
    assert judge(read_header(bytes(raw)), bytes(body), VALID, NOW) is Verdict.BAD_SIGNATURE
