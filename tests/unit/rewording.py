"""Answers in five languages, and what becomes of them when somebody else says them: harmlessly, or not."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bridged.conversation.answers import Answer, Item
from bridged.conversation.dates import written_date
from bridged.conversation.grounding import shown
from bridged.conversation.wording import PHRASES, Voice, render
from bridged.core.money import Money, format_money

NOW = 1_795_000_000
DAY = 86_400
LOCALES = {"en": "en_GB", "es": "es", "pt": "pt_BR", "de": "de", "fr": "fr"}
CURRENCIES = ("eur", "usd", "gbp", "jpy", "kwd", "brl", "clp")
OTHER = {"eur": "usd", "usd": "eur", "gbp": "eur", "jpy": "krw", "kwd": "bhd", "brl": "usd", "clp": "ars"}
LINK = "https://invoice.stripe.com/i/acct_1/live_9Zk"
KINDS = (
    "invoice_due",
    "invoice_overdue",
    "invoice_retry",
    "invoice_unpaid",
    "draft_charge",
    "renewal",
    "renewal_invoice",
    "trial",
    "trial_no_method_cancel",
    "ends",
    "paused_until",
    "nothing_due",
    "schedule",
    "invoice_processing",
)


def answer(language: str, *items: Item, as_of: int | None = None) -> Answer:
    voice = Voice(language, LOCALES[language], "Europe/Madrid", NOW)
    text = render(items, voice, as_of=as_of)
    return Answer(text, "next_payment_date", items, (), as_of or NOW, language, voice.locale, voice.zone)


def item(kind: str, turn: int, currency: str, **changes: Any) -> Item:
    """A row with its own day, deadline and amount."""
    money = Money((1_234_50 + 711_10 * turn) // 10 * 10, currency)
    row = Item(kind, when=NOW + (3 + turn * 5) * DAY, then=NOW + (2 + turn * 5) * DAY, money=money, certainty="exact")
    return replace(row, **changes)


def answers() -> list[Answer]:
    """Single rows with and without link and estimate, and several rows with names, in every language."""
    found: list[Answer] = []
    for language in PHRASES:
        for turn, kind in enumerate(KINDS):
            currency = CURRENCIES[turn % len(CURRENCIES)]
            link = LINK if kind in {"invoice_due", "invoice_unpaid"} else None
            estimate = "estimate" if kind in {"renewal", "draft_charge"} else "exact"
            found.append(answer(language, item(kind, turn, currency, url=link, certainty=estimate)))
        two = (item("renewal", 1, "eur", label="Basic"), item("trial", 2, "eur", label="Plan 2"))
        same = (item("invoice_due", 1, "usd"), item("invoice_due", 2, "usd"))
        bare = (item("invoice_unpaid", 1, "usd"), item("invoice_processing", 4, "usd"))
        found += [answer(language, *each) for each in (two, same, bare)]
        found.append(answer(language, item("invoice_due", 3, "eur"), as_of=NOW - 2 * DAY))
        found.append(card(language))
    return found


def card(language: str) -> Answer:
    """The last four of a card, as a later answer shows them."""
    text = {
        "en": "Your card on file is a Visa ending in 4242; it expires in 08/2027.",
        "es": "Tu tarjeta registrada es una Visa que termina en 4242; caduca en 08/2027.",
        "pt": "Seu cartão cadastrado é um Visa com final 4242; ele expira em 08/2027.",
        "de": "Ihre hinterlegte Karte ist eine Visa mit den Endziffern 4242; sie läuft im 08/2027 ab.",
        "fr": "Votre carte enregistrée est une Visa se terminant par 4242 ; elle expire en 08/2027.",
    }[language]
    items = (Item("card_expires", words={"last4": "4242", "month": "08/2027"}),)
    return Answer(text, "card_on_file", items, (), NOW, language, LOCALES[language], "Europe/Madrid")


# --- what must not pass ---

ADDED = {
    "en": (
        "It was not charged.",
        "You will get a refund.",
        "It is free.",
        "Call us on Monday.",
        "It is due tomorrow.",
        "That is twenty euros.",
        "A fee applies.",
        "Your card was declined.",
        "You have never paid.",
    ),
    "es": (
        "No se cobró.",
        "Recibirás un reembolso.",
        "Es gratis.",
        "Llámanos el lunes.",
        "Vence mañana.",
        "Son veinte euros.",
        "Hay una comisión.",
        "Tu tarjeta fue rechazada.",
        "Nunca has pagado.",
    ),
    "pt": (
        "Não foi cobrado.",
        "Você receberá um reembolso.",
        "É gratuito.",
        "Ligue na segunda-feira.",
        "Vence amanhã.",
        "São vinte reais.",
        "Há uma taxa.",
        "Seu cartão foi recusado.",
        "Você nunca pagou.",
    ),
    "de": (
        "Es wurde nicht abgebucht.",
        "Sie bekommen eine Erstattung.",
        "Es ist kostenlos.",
        "Rufen Sie am Montag an.",
        "Fällig ist es morgen.",
        "Das sind zwanzig Euro.",
        "Es fällt eine Gebühr an.",
        "Ihre Karte wurde abgelehnt.",
        "Sie haben nie bezahlt.",
    ),
    "fr": (
        "Il n'a pas été prélevé.",
        "Vous serez remboursé.",
        "C'est gratuit.",
        "Appelez-nous lundi.",
        "C'est dû demain.",
        "Cela fait vingt euros.",
        "Des frais s'appliquent.",
        "Votre carte a été refusée.",
        "Vous n'avez jamais payé.",
    ),
}
ANYWHERE = (
    " https://evil.example/pay",
    " www.evil.example",
    " evil.example/pay",
    " [here](https://evil.example)",
    " +34 600 000 001",
    " pay@evil.example",
    " 10 %",
    " \N{ARABIC-INDIC DIGIT FIVE}\N{ARABIC-INDIC DIGIT FIVE}",
    " \N{FULLWIDTH DIGIT NINE}9",
    " €",
    " USD",
    " 1",
    " \N{VULGAR FRACTION ONE HALF}",
    " \N{CIRCLED DIGIT ONE}",
    " <b>!</b>",
    " hxxp://evil",
    " \N{RIGHT-TO-LEFT OVERRIDE}",
    " \N{CYRILLIC SMALL LETTER A}",
    "\N{ZERO WIDTH SPACE}",
    " in_1NnX",
    " *bold*",
    " \N{MATHEMATICAL BOLD DIGIT TWO}",
    " \N{SUPERSCRIPT TWO}",
    " IBAN",
    " bitcoin",
    " 2026-12-01",
    " 12:30",
)


def mutants(given: Answer) -> Iterator[str]:
    """Other texts than the answer's, each with one thing wrong."""
    text, values = given.text, shown(given)
    for value in values:
        yield text.replace(value, "", 1)
        yield text.replace(value, f"{value} {value}", 1)
        yield text.replace(value, value[:1] + "\N{ZERO WIDTH SPACE}" + value[1:], 1)
    for found in re.finditer(r"\d", text):
        place = found.start()
        yield text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        yield text[:place] + chr(0x0660 + int(text[place])) + text[place + 1 :]
    for row in given.items:
        yield from _other_money(given, row)
        if row.when is not None:
            date = written_date(row.when, given.zone, given.locale)
            yield text.replace(date, written_date(row.when + 9 * DAY, given.zone, given.locale), 1)
            yield text.replace(date, written_date(row.when - DAY, given.zone, given.locale), 1)
    for one, other in itertools.combinations(given.items, 2):
        yield _swapped(given, one, other)
    yield from (f"{text} {added}" for added in ADDED[given.language])
    yield from (text + added for added in ANYWHERE)
    for line in text.splitlines()[1:]:
        yield text.replace("\n" + line, "", 1)


def _other_money(given: Answer, row: Item) -> Iterator[str]:
    if row.money is None:
        return
    amount = format_money(row.money, given.locale)
    code = row.money.currency
    yield given.text.replace(amount, format_money(Money(row.money.amount, OTHER[code]), given.locale), 1)
    yield given.text.replace(amount, format_money(Money(row.money.amount * 10, code), given.locale), 1)
    yield given.text.replace(amount, f"-{amount}", 1)
    yield given.text.replace(amount, f"{amount}0", 1)
    yield given.text.replace(amount, f"1{amount}", 1)


def _swapped(given: Answer, one: Item, other: Item) -> str:
    """The amounts of two rows changed for one another."""
    if one.money is None or other.money is None:
        return given.text
    first, second = format_money(one.money, given.locale), format_money(other.money, given.locale)
    kept = given.text.replace(first, "\0").replace(second, first)
    return kept.replace("\0", second)


# --- what may pass ---


def example(language: str, kind: str) -> Answer:
    """The answer that a harmless rewording is of."""
    link = LINK if kind in {"invoice_due", "invoice_unpaid"} else None
    return card(language) if kind == "card" else answer(language, item(kind, 1, "eur", url=link))


def filled(text: str, given: Answer) -> str:
    """`{date}`, `{then}`, `{amount}`, `{link}` and `{zone}` in a rewording, as the answer writes them."""
    row = given.items[0] if given.items else None
    values = {"link": LINK, "zone": next((value for value in shown(given) if value.startswith("(")), "")}
    if row is not None and row.when is not None and row.then is not None and row.money is not None:
        values["date"] = written_date(row.when, given.zone, given.locale)
        values["then"] = written_date(row.then, given.zone, given.locale)
        values["amount"] = format_money(row.money, given.locale)
    return text.format_map(values)
