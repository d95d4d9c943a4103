"""All rows in all languages: no phrase missing, no hole left, no number that is not a fact."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridged.conversation.answers import Facts, Item, Refused, needs, next_payment, refusal
from bridged.conversation.dates import DEFAULT_LOCALES
from bridged.conversation.wording import (
    AMOUNT_NEEDED,
    PHRASES,
    PRICED,
    Voice,
    known_language,
    render,
    sentence,
    zone_mark,
)
from bridged.core.money import Money
from unit.billing import (
    CUSTOMER,
    DAY,
    END,
    HOUR,
    NOW,
    Need,
    NoUpcoming,
    Preview,
    Seen,
    customer,
    facts,
    invoice,
    item,
    preview,
    price,
    schedule,
    subscription,
)
from unit.grounding import ungrounded

FRAME = {
    "on",
    "on_weekend",
    "at",
    "at_one",
    "zone",
    "about",
    "amount_unknown",
    "link",
    "further",
    "as_of",
    *(f"per_{each}" for each in ("day", "week", "month", "year")),
    *(f"every_{each}s" for each in ("day", "week", "month", "year")),
}
WORDS = {"plan": "Basic", "purpose": "Basic", "link": "https://stripe.com/x", "brand": "Visa", "last4": "4242",
         "month": "08/2030", "rhythm": "per_month", "quantity": "5", "count": "2", "percent": "20",
         "email": "a…@b….com", "city": "Berlin", "country": "DE", "tax_ids": "1", "descriptor": "ACME",
         "code": "123456",
         "name": "Acme"}  # fmt: skip
KINDS = sorted(PHRASES["en"].keys() - FRAME)
MOMENT_SLOTS = {"on": "when", "date": "when", "then_on": "then", "then_date": "then"}


def slots(phrase: str) -> set[str]:
    return {MOMENT_SLOTS.get(slot, slot) for slot in re.findall(r"\{(\w+)\}", phrase)}


@pytest.mark.parametrize("language", PHRASES)
def test_every_language_has_every_phrase_with_the_same_values(language: str) -> None:
    assert PHRASES[language].keys() == PHRASES["en"].keys()
    for key, phrase in PHRASES[language].items():
        assert slots(phrase) == slots(PHRASES["en"][key]), key
        optional = {slot for part in re.findall(r"\[([^\]]*)\]", phrase) for slot in slots(part)}
        assert "amount" not in slots(phrase) or key in {"about", *AMOUNT_NEEDED} or "amount" in optional, key


def test_rows_that_are_priced_exist() -> None:
    assert PHRASES["en"].keys() >= PRICED


@pytest.mark.parametrize("language", PHRASES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [True, False])
def test_every_row_reads_as_a_sentence(language: str, kind: str, known: bool) -> None:
    voice = Voice(language, DEFAULT_LOCALES[language], "Europe/Berlin", NOW)
    money = Money(2900, "eur") if known or kind in AMOUNT_NEEDED else None
    needed = set(re.findall(r"\{(\w+)\}", re.sub(r"\[[^\]]*\]", "", PHRASES["en"][kind])))
    words = {name: word for name, word in WORDS.items() if known or name in needed}
    row = Item(kind, when=END, then=END - DAY, money=money, certainty="exact" if money else "unknown", words=words)
    text = sentence(row, voice, labelled=False)
    assert not re.search(r"[\[\]{}]|  | [.,]$|None", text.replace(" ;", ";").replace(" :", ":"))
    assert text.endswith((".", "?", "!", ":", "stripe.com/x", ")", "Basic")) or kind.startswith(("history", "mail"))
    assert not text[0].islower() or kind == "price_varies"


FIRST = {
    "es": "Tu próximo pago vence el martes, 1 de diciembre de 2026 (hora de Berlín): 29,00 €.",
    "pt": "Seu próximo pagamento vence na terça-feira, 1 de dezembro de 2026 (horário de Berlim): € 29,00.",
    "de": "Ihre nächste Zahlung ist am Dienstag, 1. Dezember 2026 (Ortszeit Berlin) fällig: 29,00 €.",
    "fr": "Votre prochain paiement est dû le mardi 1er décembre 2026 (heure de Berlin) : 29,00 €.",
    "nl": "Your next payment is due on Tuesday, 1 December 2026 (Berlin time): €29.00.",
}
SECOND = {
    "es": "Se cobrará automáticamente.",
    "pt": "Ele será cobrado automaticamente.",
    "de": "Sie wird automatisch abgebucht.",
    "fr": "Il sera prélevé automatiquement.",
    "nl": "It will be charged automatically.",
}


@pytest.mark.parametrize("language", FIRST)
def test_the_answer_in_other_languages(language: str) -> None:
    answer = next_payment(facts(subscription()), language)
    assert answer.text.replace("\xa0", " ").replace("\u202f", " ") == f"{FIRST[language]} {SECOND[language]}"
    assert answer.language == known_language(language)
    assert ungrounded(answer) == []


def test_portuguese_weekends_and_single_hours() -> None:
    saturday = NOW + 3 * DAY
    voice = Voice("pt", "pt_BR", "America/Sao_Paulo", NOW)
    assert "vence no sábado" in sentence(Item("renewal", when=saturday), voice, labelled=False)
    one = NOW - NOW % DAY + DAY + HOUR
    spanish = Voice("es", "es", "UTC", NOW)
    assert " a la 1:00 (UTC)" in sentence(Item("renewal", when=one), spanish, labelled=False)


@pytest.mark.parametrize(
    ("zone", "mark"),
    [
        ("Africa/Cairo", "heure du Caire"),
        ("Europe/Oslo", "heure d'Oslo"),
        ("Europe/Paris", "heure de Paris"),
        ("America/Havana", "heure de La Havane"),
        ("Etc/GMT-3", "UTC+03:00"),
    ],
)
def test_french_joins_the_city(zone: str, mark: str) -> None:
    assert zone_mark(Voice("fr", "fr", zone, NOW), NOW) == f" ({mark})"


def test_the_zone_is_named_once() -> None:
    rows = (Item("renewal", when=END), Item("renewal", when=END + DAY))
    assert render(rows, Voice("en", "en_GB", "Europe/Berlin", NOW)).count("Berlin time") == 1


def test_the_customers_locale_writes_dates_and_amounts() -> None:
    given = facts(subscription(), customer=customer(preferred_locales=["en-US"], address=None))
    assert next_payment(given).text.startswith(
        "Your next payment is due on Tuesday, December 1, 2026 (New York time): €29.00"
    )


@pytest.mark.parametrize("language", [*PHRASES, "xx"])
def test_a_refusal_says_nothing_about_anyone(language: str) -> None:
    answer = refusal(language)
    assert not re.search(r"\d|http", answer.text)
    assert answer == next_payment(facts(customer=None), language)


# --- anything at all ---

JUNK = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=4) | st.just([]) | st.just({})
TIMES = st.integers(NOW - 400 * DAY, NOW + 400 * DAY) | JUNK
AMOUNTS = st.integers(0, 10**9) | JUNK
CURRENCIES = st.sampled_from(["eur", "jpy", "isk", "kwd", "huf", "xyz"]) | JUNK
STATUSES = (
    st.sampled_from(
        ["active", "trialing", "past_due", "paused", "unpaid", "incomplete", "canceled", "open", "draft", "processing"]
    )
    | JUNK
)
METHODS = st.sampled_from(["charge_automatically", "send_invoice"]) | JUNK


def objects(prefix: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Seen, ...]]:
    ids = st.sampled_from([f"{prefix}_1", f"{prefix}_2"])
    owner = st.sampled_from([CUSTOMER, "cus_2", None])
    data = st.fixed_dictionaries({"id": ids, "customer": owner}, optional=fields)
    return st.lists(st.builds(Seen, data, st.integers(NOW - DAY, NOW)), max_size=3).map(tuple)


def nested(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields) | JUNK


PRICES = nested(unit_amount=AMOUNTS, currency=CURRENCIES, product=JUNK, recurring=JUNK, billing_scheme=JUNK)
ITEMS = nested(current_period_end=TIMES, current_period_start=TIMES, quantity=AMOUNTS, price=PRICES)
SUBSCRIPTIONS = objects(
    "sub",
    status=STATUSES,
    collection_method=METHODS,
    items=nested(data=st.lists(ITEMS, max_size=2) | JUNK, has_more=JUNK),
    current_period_end=TIMES,
    trial_end=TIMES,
    cancel_at=TIMES,
    cancel_at_period_end=JUNK,
    days_until_due=st.integers(0, 90) | JUNK,
    pause_collection=nested(behavior=st.sampled_from(["void", "keep_as_draft"]) | JUNK, resumes_at=TIMES),
    pending_update=nested(expires_at=TIMES),
    schedule=st.just("sub_sched_1") | JUNK,
    next_pending_invoice_item_invoice=TIMES,
    description=st.text(max_size=20),
    created=TIMES,
)
INVOICES = objects(
    "in",
    status=STATUSES,
    collection_method=METHODS,
    amount_remaining=AMOUNTS,
    currency=CURRENCIES,
    due_date=TIMES,
    next_payment_attempt=TIMES,
    attempt_count=AMOUNTS,
    attempted=JUNK,
    auto_advance=JUNK,
    automatically_finalizes_at=TIMES,
    created=TIMES,
    number=st.text(max_size=8) | JUNK,
    hosted_invoice_url=st.just("https://invoice.stripe.com/i/1") | JUNK,
    payment_intent=st.just("pi_1") | JUNK,
    parent=JUNK,
    subscription=st.just("sub_1") | JUNK,
)
INTENTS = objects("pi", status=STATUSES, amount=AMOUNTS, currency=CURRENCIES, created=TIMES, invoice=JUNK)
SCHEDULES = objects(
    "sub_sched",
    status=st.sampled_from(["not_started", "active"]) | JUNK,
    phases=st.lists(nested(start_date=TIMES, end_date=TIMES, trial_end=TIMES), max_size=2) | JUNK,
    end_behavior=st.just("cancel") | JUNK,
    subscription=JUNK,
    default_settings=JUNK,
)
PREVIEWS = st.one_of(
    st.builds(
        Preview,
        st.fixed_dictionaries({}, optional={"amount_due": AMOUNTS, "currency": CURRENCIES, "period_end": TIMES}),
        st.integers(NOW - DAY, NOW),
    ),
    st.builds(NoUpcoming, st.integers(NOW - DAY, NOW)),
    st.builds(Refused, st.text(max_size=5)),
)
CUSTOMERS = st.fixed_dictionaries(
    {"id": st.just(CUSTOMER)},
    optional={
        "address": nested(country=st.sampled_from(["DE", "US", "JP", "KI", "zz"]) | JUNK),
        "balance": AMOUNTS,
        "invoice_settings": nested(default_payment_method=JUNK),
        "preferred_locales": st.lists(st.sampled_from(["en-US", "pt-PT", "xx-XX"]) | JUNK, max_size=2) | JUNK,
        "deleted": JUNK,
    },
)
ANY_FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    customer=st.none() | st.builds(Seen, CUSTOMERS, st.integers(NOW - DAY, NOW)),
    subscriptions=SUBSCRIPTIONS,
    invoices=INVOICES,
    payment_intents=INTENTS,
    invoice_payments=objects(
        "inpay",
        invoice=st.just("in_1") | JUNK,
        is_default=JUNK,
        payment=nested(payment_intent=st.just("pi_1") | JUNK),
        status=STATUSES,
    ),
    schedules=SCHEDULES,
    previews=st.dictionaries(st.sampled_from(["sub_1", "sub_2", "sub_sched_1"]), PREVIEWS),
    zone=st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "Nowhere"]) | st.none(),
)


@settings(max_examples=250, deadline=None)
@given(ANY_FACTS, st.sampled_from(list(PHRASES)))
def test_whatever_is_known_the_answer_stands_on_it(given_facts: Facts, language: str) -> None:
    answer = next_payment(given_facts, language)
    assert answer.text
    assert ungrounded(answer) == []
    assert all(fact.as_of >= (answer.as_of or 0) for fact in answer.facts)
    owners = {seen.id for seen in given_facts.invoices if seen.data.get("customer") != CUSTOMER}
    mine = {seen.id for seen in given_facts.invoices if seen.data.get("customer") == CUSTOMER}
    assert not {source for row in answer.items for source in row.sources} & (owners - mine)


@settings(max_examples=150, deadline=None)
@given(ANY_FACTS)
def test_needs_come_to_an_end(given_facts: Facts) -> None:
    wanted = set(needs(given_facts))
    after = Facts(
        **{name: getattr(given_facts, name) for name in given_facts.__slots__ if name != "tried"},
        tried=frozenset(wanted),
    )
    assert needs(after) == ()
    assert all(isinstance(need, Need) for need in wanted)


def test_the_builders_cover_each_language() -> None:
    """One answer with every kind of row, in every language."""
    rows = facts(
        subscription(),
        subscription(item(price=price(unit_amount=None)), id="sub_2", status="trialing", trial_end=END),
        invoices=(invoice(attempt_count=1), invoice(id="in_2", collection_method="send_invoice", due_date=END)),
        schedules=(schedule({"start_date": END}, status="not_started", subscription=None),),
        previews={"sub_1": preview(), "sub_2": preview(500, "usd"), "sub_sched_1": preview(7, "kwd")},
    )
    for language in PHRASES:
        answer = next_payment(rows, language)
        assert len(answer.items) == 5
        assert ungrounded(answer) == []
