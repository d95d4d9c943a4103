"""The simulated merchant: account details, products, prices in many currencies, coupons and tax rates, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bridged.sim import charging, money
from bridged.sim.objects import catalog, customers
from bridged.sim.pricing import set_tiers
from bridged.sim.store import Account, Obj

CURRENCIES = (
    "eur",
    "usd",
    "gbp",
    "jpy",
    "krw",
    "kwd",
    "bhd",
    "isk",
    "ugx",
    "brl",
    "inr",
    "pln",
    "sek",
    "chf",
    "mxn",
    "huf",
    "twd",
)


@dataclass
class Catalogue:
    """Objects of the merchant's offer, by a name such as `monthly_eur`."""

    prices: dict[str, Obj] = field(default_factory=dict[str, Obj])
    coupons: dict[str, Obj] = field(default_factory=dict[str, Obj])
    taxes: dict[str, Obj] = field(default_factory=dict[str, Obj])


def details(account_id: str, created: int) -> Obj:
    """The merchant as `GET /v1/account` shows it."""
    requirements: Obj = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }
    return {
        "id": account_id,
        "object": "account",
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": "5734",
            "minority_owned_business_designation": None,
            "name": "Brücke & Söhne Software",
            "product_description": "Software by subscription",
            "support_address": customers.address("DE", "Berlin", "Torstraße 1", "10119"),
            "support_email": "help@bruecke.example",
            "support_phone": "+493012345678",
            "support_url": "https://bruecke.example/help",
            "url": "https://bruecke.example",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active", "sepa_debit_payments": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "DE",
        "created": created,
        "default_currency": "eur",
        "details_submitted": True,
        "email": "owner@bruecke.example",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{account_id}/external_accounts",
        },
        "future_requirements": requirements,
        "metadata": {},
        "payouts_enabled": True,
        "requirements": requirements,
        "settings": settings(),
        "tos_acceptance": {"date": created, "ip": "192.0.2.1", "user_agent": None},
        "type": "standard",
    }


def settings() -> Obj:
    blank = {"statement_descriptor_prefix_kana": None, "statement_descriptor_prefix_kanji": None}
    kana = {"statement_descriptor_kana": None, "statement_descriptor_kanji": None, **blank}
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": {"icon": None, "logo": None, "primary_color": "#123456", "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": True},
            "statement_descriptor_prefix": "BRUECKE",
            **blank,
        },
        "dashboard": {"display_name": "Brücke & Söhne", "timezone": "Europe/Berlin"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
        "payments": {"statement_descriptor": "BRUECKE SOEHNE", **kana},
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 3, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }


def local(euro_cents: int, currency: str) -> int:
    """A round price in another currency."""
    amount = money.convert(euro_cents, "eur", currency)
    grain = max(money.step(currency), 10 ** max(0, len(str(amount)) - 2))
    return max(grain, amount // grain * grain)


def stock(account: Account) -> Catalogue:
    """Creates the merchant's whole offer."""
    offer = Catalogue()
    names = {
        "basic": "Basic",
        "pro": "Pro: größer",
        "seats": "Team seats",
        "usage": "API calls ⚡",
        "extra": "追加オプション",
        "old": "Legacy",
    }
    goods = {
        key: account.create("products", catalog.product(account, name), "product.created")["id"]
        for key, name in names.items()
    }
    monthly = catalog.recurring("month")
    for currency in CURRENCIES:
        for name, cents, terms in (
            ("monthly", 1900, monthly),
            ("pro", 4900, monthly),
            ("yearly", 19000, catalog.recurring("year")),
        ):
            product = goods["basic" if name == "monthly" else "pro"]
            add_price(account, offer, f"{name}_{currency}", product, currency, local(cents, currency), recurring=terms)
    for name, interval, count, cents in (
        ("weekly", "week", 1, 500),
        ("daily", "day", 1, 100),
        ("four_weeks", "week", 4, 2900),
    ):
        add_price(
            account, offer, f"{name}_eur", goods["basic"], "eur", cents, recurring=catalog.recurring(interval, count)
        )
    add_price(account, offer, "quarterly_eur", goods["pro"], "eur", 12900, recurring=catalog.recurring("month", 3))
    add_price(account, offer, "tiny_eur", goods["basic"], "eur", 30, recurring=catalog.recurring("week", 4))
    add_price(account, offer, "quad_eur", goods["pro"], "eur", 11900, recurring=catalog.recurring("week", 4))
    add_price(account, offer, "yen_four_weeks", goods["basic"], "jpy", 3200, recurring=catalog.recurring("week", 4))
    add_price(account, offer, "once_eur", goods["extra"], "eur", 2500)
    for number in range(14):
        add_price(account, offer, f"part{number}_eur", goods["extra"], "eur", 100 + number, recurring=monthly)
    special_prices(account, offer, goods)
    reductions(account, offer)
    for name, share, inclusive, country in (
        ("exclusive", 19.0, False, "DE"),
        ("inclusive", 20.0, True, "FR"),
        ("odd", 8.875, False, "US"),
    ):
        rate = catalog.tax_rate(account, "VAT", share, inclusive=inclusive, country=country)
        offer.taxes[name] = account.create("tax_rates", rate)
    retired = catalog.price(account, goods["old"], "eur", 900, recurring=monthly, active=False)
    account.create("prices", retired, "price.created")
    return offer


def add_price(
    account: Account, offer: Catalogue, name: str, product: str, currency: str, amount: int | None, **fields: Any
) -> None:
    price = catalog.price(account, product, currency, amount, lookup_key=name, **fields)
    offer.prices[name] = account.create("prices", price, "price.created")


def special_prices(account: Account, offer: Catalogue, goods: dict[str, str]) -> None:
    """Tiers, packages, usage, and fractions of a cent."""
    monthly = catalog.recurring("month")
    tiers: list[Obj] = [
        {
            "flat_amount": 500,
            "flat_amount_decimal": "500",
            "unit_amount": 1000,
            "unit_amount_decimal": "1000",
            "up_to": 5,
        },
        {
            "flat_amount": None,
            "flat_amount_decimal": None,
            "unit_amount": 800,
            "unit_amount_decimal": "800",
            "up_to": 20,
        },
        {
            "flat_amount": None,
            "flat_amount_decimal": None,
            "unit_amount": 600,
            "unit_amount_decimal": "600",
            "up_to": None,
        },
    ]
    for mode in ("graduated", "volume"):
        shape: Obj = {"billing_scheme": "tiered", "tiers_mode": mode, "recurring": monthly}
        add_price(account, offer, f"{mode}_eur", goods["seats"], "eur", None, **shape)
        set_tiers(account, offer.prices[f"{mode}_eur"]["id"], tiers)
    package: Obj = {"divide_by": 10, "round": "up"}
    add_price(account, offer, "package_eur", goods["seats"], "eur", 1500, recurring=monthly, transform_quantity=package)
    metered = catalog.recurring("month", usage_type="metered", meter="mtr_calls")
    add_price(account, offer, "metered_eur", goods["usage"], "eur", 3, recurring=metered)
    add_price(
        account, offer, "fraction_eur", goods["usage"], "eur", None, recurring=metered, unit_amount_decimal="0.35"
    )


def reductions(account: Account, offer: Catalogue) -> None:
    terms: dict[str, Obj] = {
        "free": {"percent_off": 100.0, "duration": "repeating", "duration_in_months": 6},
        "quarter": {"percent_off": 25.0, "duration": "forever"},
        "third": {"percent_off": 33.33, "duration": "repeating", "duration_in_months": 3},
        "welcome": {"percent_off": 50.0, "duration": "once"},
        "fiver": {"amount_off": 500, "currency": "eur", "duration": "forever"},
    }
    for name, fields in terms.items():
        made = account.create("coupons", catalog.coupon(account, name, **fields), "coupon.created")
        offer.coupons[name] = made
        code = catalog.promotion_code(account, f"{name.upper()}26", made["id"])
        account.create("promotion_codes", code, "promotion_code.created")


def new_customer(account: Account, **fields: Any) -> Obj:
    return account.create("customers", customers.customer(account, **fields), "customer.created")


def give_method(account: Account, customer_id: str, *answers: str, type_: str = "card", **look: Any) -> Obj:
    """A payment method, made the customer's default; `answers` is its script (see `charging.set_script`)."""
    customer = account.collection("customers").objects[customer_id]
    method = customers.payment_method(account, customer, type_, **look)
    account.create("payment_methods", method, "payment_method.attached")
    charging.set_script(account, method["id"], *(answers or ("ok",)))
    setup = customers.setup_intent(account, customer_id, payment_method=method["id"], payment_method_types=[type_])
    account.create("setup_intents", setup, "setup_intent.succeeded")
    kept = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    account.update("customers", customer_id, {"invoice_settings": kept}, "customer.updated")
    return method
