"""What was pasted: real keys come through whatever is around them, everything else is named and never repeated."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.errors import KeyRefused
from bridged.stripe.keys import clean, read_key, read_signing_secret

BODY = "51HxQ2Abc9Def8Ghi7Jkl6Mno5Pqr4Stu3Vwx2Yz10"
PREFIXES = ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "rkcs_test_")
NBSP, ZERO_WIDTH, BOM = "\u00a0", "\u200b", "\ufeff"

bodies = st.text(string.ascii_letters + string.digits, min_size=16, max_size=110).filter(
    lambda body: "xxxx" not in body.lower()
)
keys = st.builds("{}{}".format, st.sampled_from(PREFIXES), bodies)
wrappings = st.sampled_from(
    [
        "{}",
        " {} \n",
        f"{NBSP}{{}}{NBSP}",
        f"{BOM}{{}}{ZERO_WIDTH}",
        '"{}"',
        "'{}'",
        "`{}`",
        "“{}”",
        "{}:",
        "{},",
        "STRIPE_SECRET_KEY={}",
        "export STRIPE_API_KEY={}",
        "stripe.api_key = {};",
        "Authorization: Bearer {}",
        "Bearer {}",
        "-u {}:",
        '{{"api_key": "{}"}}',
        "key: {}",
        "\x1b[200~{}\x1b[201~",
    ]
)


@given(keys, st.lists(wrappings, max_size=4))
def test_a_key_comes_through_whatever_is_around_it(key, layers):
    pasted = key
    for layer in layers:
        pasted = layer.format(pasted)
    read = read_key(pasted)
    assert read.secret.reveal() == key
    assert read.livemode == ("_live_" in key)
    assert read.kind == ("secret" if key.startswith("sk_") else "restricted")


@given(st.text(max_size=80) | st.builds("{}{}".format, keys, st.text(max_size=10)))
def test_cleaning_twice_is_cleaning_once(text):
    assert clean(clean(text)) == clean(text)


def refused(pasted: str) -> KeyRefused:
    with pytest.raises(KeyRefused) as caught:
        read_key(pasted)
    return caught.value


@given(
    st.sampled_from((*PREFIXES, "pk_live_", "whsec_", "sk_org_live_", "acct_", "ca_", "ac_", "hunter2:")),
    bodies,
    st.sampled_from(["{} {}", "{}\n{}", "{}-{}", "{}****{}", "{}…{}", "{}...{}", "{}é{}", "curl -u {} https://x/{}"]),
)
def test_no_refusal_repeats_more_than_a_prefix(prefix, body, spoiled):
    pasted = spoiled.format(prefix + body, body[::-1])
    error = refused(pasted)
    shown = f"{error} {error.message} {error.hint} {error.as_json()}"
    assert body[:8] not in shown
    assert body[-8:] not in shown
    assert body[::-1][:8] not in shown
    assert error.hint
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("", "Nothing"),
        (f" {NBSP}{ZERO_WIDTH}\n", "Nothing"),
        ("''", "Nothing"),
        ("STRIPE_KEY=", "Nothing"),
        (f"pk_live_{BODY}", "publishable"),
        (f"whsec_{BODY}", "webhook signing secret"),
        (f"sk_org_live_{BODY}", "organization"),
        ("acct_1HxQ2Abc9Def8Ghi", "account id"),
        ("ca_HxQ2Abc9Def8Ghi", "client id"),
        ("ac_HxQ2Abc9Def8Ghi", "one-time Connect code"),
        ("we_1HxQ2Abc9Def8Ghi", "webhook endpoint"),
        ("sk_live_", "part of a key"),
        ("sk_test_abc", "part of a key"),
        ("sk_test_xxxxxxxxxxxxxxxxxxxx", "placeholder"),
        ("sk_live_****************abcd", "masked"),
        ("rk_live_51Hx...z10", "masked"),
        ("rk_live_51Hx…z10", "masked"),
        (f"sk_test_{BODY} sk_test_{BODY}", "More than one"),
        (f"pk_live_{BODY}\nsk_live_{BODY}", "More than one"),
        (f"pk_live_{BODY}sk_live_{BODY}", "More than one"),
        (f"PUBLISHABLE=pk_test_{BODY} SECRET=sk_test_{BODY}", "More than one"),
        (f"sk_live_{BODY[:20]}\n{BODY[20:]}", "gap"),
        (f"curl https://api.stripe.com/v1/charges -u sk_test_{BODY}:", "other text"),
        (f"sk_{BODY}", "begins like a key"),
        (f"sk_test_{BODY}-x", "other text"),
        (f"rkcs_live{BODY}", "begins like a key"),
        ("hello", "not a Stripe API key"),
        ("https://dashboard.stripe.com/apikeys", "not a Stripe API key"),
    ],
)
def test_what_was_pasted_is_named(pasted, words):
    assert words in refused(pasted).message


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        key = read_key(text)
    except KeyRefused:
        return
    assert key.secret.reveal() == clean(text)


def test_a_key_does_not_show_itself():
    assert BODY not in repr(read_key(f"sk_live_{BODY}"))


@pytest.mark.parametrize("around", ["{}", "  {}\n", '"{}"', "STRIPE_WEBHOOK_SECRET={}", "export SECRET='{}'", "{};"])
def test_a_signing_secret_is_read(around):
    assert read_signing_secret(around.format(f"whsec_{BODY}")).reveal() == f"whsec_{BODY}"


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("", "Nothing"),
        (f"sk_live_{BODY}", "secret API key"),
        (f"rk_test_{BODY}", "restricted API key"),
        (f"pk_live_{BODY}", "publishable key"),
        ("acct_1HxQ2Abc9Def8Ghi", "account id"),
        ("we_1HxQ2Abc9Def8Ghi", "id of a webhook endpoint"),
        ("https://bridged.example/webhooks/stripe/x", "address"),
        ("whsec_", "only a part"),
        ("whsec_abc", "only a part"),
        ("whsec_********abcd", "masked"),
        (f"whsec_{BODY} whsec_{BODY}", "More than one"),
        (f"whsec_{BODY} is the secret", "other text"),
        (f"whsec_{BODY[:9]}\n{BODY[9:]}", "other text"),
        ("hello", "not a webhook signing secret"),
    ],
)
def test_what_was_pasted_for_a_signing_secret_is_named(pasted, words):
    with pytest.raises(KeyRefused) as caught:
        read_signing_secret(pasted)
    assert words in caught.value.message
    assert caught.value.hint
    assert BODY[:9] not in f"{caught.value.as_json()}"


@given(st.text(max_size=100))
def test_any_text_is_read_as_a_signing_secret_or_refused(text):
    try:
        secret = read_signing_secret(text)
    except KeyRefused:
        return
    assert secret.reveal() == clean(text)
