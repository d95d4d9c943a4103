"""The types of events a webhook endpoint of ours asks for: those that tell of a kind in the mirror, and no wildcard.

`invoice.created` is left out: while an endpoint does not answer it, Stripe holds back the merchant's invoices, for up
to 72 hours. `invoice.finalized` and `invoice.updated` tell the same later. `charge.refund.updated` is left out too:
`refund.updated` has replaced it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NAMES = {
    "customers": "customer. created updated deleted",
    "subscriptions": "customer.subscription. created updated deleted paused resumed pending_update_applied "
    "pending_update_expired trial_will_end",
    "subscription_schedules": "subscription_schedule. created updated canceled completed released aborted expiring",
    "invoices": "invoice. finalized paid payment_failed payment_action_required payment_attempt_required updated "
    "voided marked_uncollectible sent upcoming will_be_due overdue overpaid deleted finalization_failed "
    "payment_succeeded",
    "invoice_payments": "invoice_payment. paid",
    "credit_notes": "credit_note. created updated voided",
    "payment_intents": "payment_intent. created processing requires_action succeeded payment_failed canceled "
    "amount_capturable_updated partially_funded",
    "charges": "charge. succeeded failed pending captured expired updated refunded",
    "disputes": "charge.dispute. created updated closed funds_withdrawn funds_reinstated",
    "refunds": "refund. created updated failed",
    "payouts": "payout. created updated paid failed canceled reconciliation_completed",
    "prices": "price. created updated deleted",
    "products": "product. created updated deleted",
    "coupons": "coupon. created updated deleted",
    "checkout_sessions": "checkout.session. completed async_payment_succeeded async_payment_failed expired",
    "early_fraud_warnings": "radar.early_fraud_warning. created updated",
    "payment_methods": "payment_method. attached detached updated automatically_updated",
    "tax_ids": "customer.tax_id. created updated deleted",
}


def _spelled(line: str) -> tuple[str, ...]:
    prefix, *names = line.split()
    return tuple(prefix + name for name in names)


BY_KIND: Mapping[str, tuple[str, ...]] = MappingProxyType({kind: _spelled(line) for kind, line in _NAMES.items()})
"""By the name of the kind in `mirror.kinds`."""

SUBSCRIBED: tuple[str, ...] = tuple(sorted(name for names in BY_KIND.values() for name in names))
