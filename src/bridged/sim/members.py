"""Who is in the cast, and the truth about each: renewals, invoices owed, failed payments, trials."""

from __future__ import annotations

from bridged.sim import acts
from bridged.sim.cast import Part, Sub

FOUR = {"four_weeks_eur": 1}
MINUTES = 1 / 1440
SENT = {"collection_method": "send_invoice", "days_until_due": 14}
SOON = {"collection_method": "send_invoice", "days_until_due": 7}
NO_CARD: tuple[str, ...] = ()
THIRTY_FIRST = 1_769_860_800
"""31 January 2026, noon UTC."""


def trial(behavior: str) -> dict[str, object]:
    return {"trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": behavior}}}


RENEWING = (
    Part("active-card", "Ada Lovelace", "Renews by card about 10 days from now for 29.00 EUR.", (Sub(FOUR, 74),)),
    Part(
        "active-monthly",
        "Jürgen Weiß",
        "Renews by card on the next monthly date for 19.00 EUR.",
        (Sub({"monthly_eur": 1}, 70.3),),
    ),
    Part(
        "active-month-end",
        "Ultimo Letzter",
        "Renews on the last day of each month, for 19.00 EUR.",
        (Sub({"monthly_eur": 1}, 70, fields={"billing_cycle_anchor": THIRTY_FIRST}),),
    ),
    Part(
        "active-yearly", "María José Ibáñez", "Renews by card next year for 190.00 EUR.", (Sub({"yearly_eur": 1}, 100),)
    ),
    Part(
        "active-quarterly",
        "Loïc Brûlé",
        "Renews by card every three months for 129.00 EUR.",
        (Sub({"quarterly_eur": 1}, 40),),
    ),
    Part("active-weekly", "Siobhán O'Neill", "Renews weekly for 5.00 EUR.", (Sub({"weekly_eur": 1}, 24.5),)),
    Part("active-daily", "Wasswa Okello", "Renews every day for 1.00 EUR.", (Sub({"daily_eur": 1}, 12.25),)),
    Part("active-yen", "山田太郎", "Renews about 10 days from now for 3,200 yen.", (Sub({"yen_four_weeks": 1}, 46),)),
    Part("active-won", "김민준", "Renews monthly in won, which has no smaller unit.", (Sub({"monthly_krw": 2}, 50),)),
    Part(
        "active-dinar",
        "فاطمة الصباح",
        "Renews monthly in Kuwaiti dinar, in thousandths.",
        (Sub({"monthly_kwd": 1}, 50),),
    ),
    Part(
        "active-krona",
        "Þórunn Guðmundsdóttir",
        "Renews monthly in krónur, sent with two zeros.",
        (Sub({"pro_isk": 1}, 50),),
    ),
    Part(
        "active-shilling",
        "Nakato Nansubuga",
        "Renews monthly in shillings, sent with two zeros.",
        (Sub({"monthly_ugx": 1}, 50),),
    ),
    Part(
        "active-quantity",
        "Rhys Llywelyn",
        "Renews monthly for 7 seats at 19.00 EUR each.",
        (Sub({"monthly_eur": 7}, 40),),
    ),
    Part(
        "active-graduated",
        "Priya Patel",
        "Renews for 23 seats by graduated tiers: 193.00 EUR.",
        (Sub({"graduated_eur": 23}, 40),),
    ),
    Part(
        "active-volume",
        "Łukasz Źdźbło",
        "Renews for 23 seats at the third tier's rate: 138.00 EUR.",
        (Sub({"volume_eur": 23}, 40),),
    ),
    Part(
        "active-package",
        "Åsa Öberg",
        "Renews for 25 units in packages of ten: 45.00 EUR.",
        (Sub({"package_eur": 25}, 40),),
    ),
    Part(
        "active-metered",
        "आरव शर्मा",
        "Renews for the base fee and the calls used so far, 3 cents each.",
        (Sub({"monthly_eur": 1, "metered_eur": None}, 40, usage=420),),
    ),
    Part(
        "active-fraction",
        "Urs Rüegg",
        "Renews for the calls used so far at 0.35 cents each.",
        (Sub({"fraction_eur": None}, 40, usage=1001),),
    ),
    Part(
        "active-many-items",
        "Conglomerate S.à r.l.",
        "Renews for 14 items on one invoice.",
        (Sub({f"part{number}_eur": 1 for number in range(14)}, 45),),
    ),
    Part(
        "active-tax-exclusive",
        "Björn Schäfer",
        "Renews for 29.00 EUR plus 19 % VAT: 34.51 EUR.",
        (Sub(FOUR, 46, tax="exclusive"),),
    ),
    Part(
        "active-tax-inclusive",
        "Zoé Lefèvre",
        "Renews for 29.00 EUR, 20 % VAT included.",
        (Sub(FOUR, 46, tax="inclusive"),),
    ),
    Part(
        "active-coupon-free",
        "Anaïs D'Ambrosio",
        "Renews for nothing while the coupon lasts: six months from its start.",
        (Sub(FOUR, 46, coupons=("free",)),),
    ),
    Part(
        "active-coupon-forever",
        "Raúl Güemes",
        "Renews for 21.75 EUR: a quarter off for ever.",
        (Sub(FOUR, 46, coupons=("quarter",)),),
    ),
    Part(
        "active-coupon-ends",
        "Xóchitl Núñez",
        "The coupon is over before the renewal: 29.00 EUR again.",
        (Sub(FOUR, 102, coupons=("third",)),),
    ),
    Part(
        "active-coupon-amount",
        "Gergő Szőke",
        "Renews for 24.00 EUR: 5.00 off for ever.",
        (Sub(FOUR, 46, coupons=("fiver",)),),
    ),
    Part(
        "active-coupon-once",
        "Håkan Sjöström",
        "Only the first invoice was halved; renews for 29.00 EUR.",
        (Sub(FOUR, 46, coupons=("welcome",)),),
    ),
    Part(
        "active-customer-coupon",
        "Güney Çelik",
        "Renews for 21.75 EUR: a quarter off everything this customer is billed.",
        (Sub(FOUR, 46),),
        acts=((30, acts.customer_coupon("quarter")),),
    ),
    Part(
        "active-credit",
        "志豪林",
        "A credit of 10.00 EUR makes the renewal 19.00 EUR.",
        (Sub(FOUR, 46),),
        acts=((3, acts.balance(-1000)),),
    ),
    Part(
        "active-credit-covers",
        "雅婷陳",
        "A credit of 100.00 EUR covers the renewal: nothing to pay.",
        (Sub(FOUR, 46),),
        acts=((3, acts.balance(-10000)),),
    ),
    Part(
        "active-owes-balance",
        "Noëmi Bühler",
        "4.00 EUR owed from before make the renewal 33.00 EUR.",
        (Sub(FOUR, 46),),
        acts=((3, acts.balance(400)),),
    ),
    Part(
        "active-too-small",
        "Urs Klein",
        "30 cents are below the minimum and go to the balance until enough.",
        (Sub({"tiny_eur": 1}, 20),),
    ),
    Part(
        "active-pending-item",
        "João Gonçalves",
        "Renews for 29.00 EUR and 45.00 EUR setup help.",
        (Sub(FOUR, 46),),
        acts=((2, acts.pending_item(4500)),),
    ),
    Part(
        "active-proration",
        "Tainá Araújo",
        "Renews for 3 units, with the proration of the change.",
        (Sub(FOUR, 46),),
        acts=((4, acts.quantity(3)),),
    ),
    Part(
        "active-flexible",
        "Saoirse MacDonald",
        "A monthly and a yearly item on one subscription: next comes the monthly one.",
        (
            Sub(
                {"monthly_eur": 1, "yearly_eur": 1},
                50,
                fields={"billing_mode": {"flexible": None, "type": "flexible", "updated_at": None}},
            ),
        ),
    ),
    Part(
        "draft-renewal",
        "Ägir Jónsson",
        "The renewal's draft exists and is finalised and charged within the hour.",
        (Sub(FOUR, 56 + 20 * MINUTES),),
    ),
    Part(
        "extra-invoice-before-renewal",
        "Lakshmi Iyer",
        "Pending items are invoiced weekly, before the renewal.",
        (Sub(FOUR, 46),),
        acts=((2, acts.pending_item(900)), (1, acts.extra_invoices)),
    ),
    Part(
        "several-subscriptions",
        "Subramaniam & Sons",
        "A euro subscription renews first, a yen one later.",
        (Sub(FOUR, 50), Sub({"yen_four_weeks": 2}, 30)),
    ),
)

OWING = (
    Part(
        "active-invoice",
        "Łódź Biuro Sp. z o.o.",
        "Gets the next invoice in 10 days, due 14 days later.",
        (Sub(FOUR, 46, fields=SENT),),
        NO_CARD,
        remits_after=3,
    ),
    Part(
        "open-invoice-due",
        "Ünal Bau GmbH",
        "A sent invoice of 29.00 EUR is due in about 9 days.",
        (Sub(FOUR, 33, fields=SENT),),
        NO_CARD,
        acts=((10, acts.stop_remitting),),
        remits_after=3,
    ),
    Part(
        "open-invoice-overdue",
        "Bücherei Überlingen",
        "A sent invoice of 29.00 EUR is overdue for about 13 days.",
        (Sub(FOUR, 20, fields=SOON),),
        NO_CARD,
    ),
    Part(
        "several-open-invoices",
        "Altbau KG",
        "Three sent invoices are overdue, the latest is due within days.",
        (Sub(FOUR, 95, fields=SENT),),
        NO_CARD,
    ),
    Part(
        "past-due-retrying",
        "Malik Rosen",
        "The renewal failed; the next automatic attempt is tomorrow.",
        (Sub(FOUR, 58),),
        ("ok", "ok", "insufficient_funds"),
    ),
    Part(
        "past-due-no-retry",
        "José Nguyễn",
        "The retries are over: the customer must pay 29.00 EUR by link.",
        (Sub(FOUR, 76),),
        ("ok", "ok", "card_declined"),
    ),
    Part(
        "past-due-requires-action",
        "François Nuñez",
        "The bank wants the customer to confirm the payment.",
        (Sub(FOUR, 58),),
        ("ok", "ok", "requires_action"),
    ),
    Part(
        "past-due-no-card",
        "Begoña Peña",
        "No payment method is left; the open invoice must be paid by link.",
        (Sub(FOUR, 58),),
        acts=((10, acts.lose_method),),
    ),
    Part(
        "past-due-two-periods",
        "Íñigo Muñoz",
        "Two renewals failed and are open.",
        (Sub(FOUR, 92),),
        ("ok", "ok", "card_declined"),
    ),
    Part(
        "processing-payment",
        "Sigrid Bank",
        "A bank debit for the open invoice is under way.",
        (Sub(FOUR, 57),),
        ("ok", "ok", "processing"),
        "sepa_debit",
    ),
    Part(
        "bank-debit-bounced",
        "Debit Rückläufer",
        "The bank debit bounced; a retry is planned.",
        (Sub(FOUR, 61.5),),
        ("ok", "ok", "processing:failed"),
        "sepa_debit",
    ),
    Part(
        "unpaid",
        "Alasdair Smith-Jones",
        "Unpaid: nothing automatic; the open invoice can be paid by link.",
        (Sub(FOUR, 76),),
        ("ok", "ok", "card_declined"),
        dunning_end="unpaid",
    ),
    Part(
        "unpaid-with-draft",
        "Owen Late",
        "Unpaid for two periods: one invoice open, one kept as a draft.",
        (Sub(FOUR, 86),),
        ("ok", "card_declined"),
        dunning_end="unpaid",
    ),
    Part(
        "credited-open-invoice",
        "Kulanz AG",
        "A credit note of 9.00 EUR leaves 20.00 EUR open.",
        (Sub(FOUR, 5, fields=SENT),),
        NO_CARD,
        acts=((2, acts.credit_latest(900)),),
    ),
    Part(
        "manual-invoice-open",
        "Consulting Kunde",
        "A hand-made invoice of 120.00 EUR is due in about 10 days.",
        answers=NO_CARD,
        acts=((4, acts.manual_invoice(12000, due_days=14)),),
    ),
    Part(
        "manual-invoice-draft",
        "Entwurf Ltd",
        "Only a hand-made draft that nobody has finalised; nothing is due.",
        acts=((4, acts.manual_invoice(5000, finalize=False)),),
    ),
    Part(
        "uncollectible-invoice",
        "Pleite GmbH",
        "An invoice of 70.00 EUR was written off; nothing is asked for.",
        answers=NO_CARD,
        acts=((8, acts.written_off),),
    ),
    Part(
        "void-invoice",
        "Irrtum e.V.",
        "The only invoice was voided; nothing is due.",
        answers=NO_CARD,
        acts=((8, acts.voided),),
    ),
)
