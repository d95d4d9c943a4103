"""THE table of kinds is consistent in itself, and every event worth subscribing reaches the right kind."""

from collections import Counter

import pytest

from bridged.mirror.kinds import BY_NAME, KINDS, LISTED, SYNCED, Learned, Reach, kind_of_event, list_ids

# reference/stripe.md 4.6
EVENTS = {
    "customers": "customer. created updated deleted",
    "subscriptions": "customer.subscription. created updated deleted paused resumed pending_update_applied "
    "pending_update_expired trial_will_end",
    "subscription_schedules": "subscription_schedule. created updated canceled completed released aborted expiring",
    "invoices": "invoice. created finalized paid payment_failed payment_action_required payment_attempt_required "
    "updated voided marked_uncollectible sent upcoming will_be_due overdue overpaid deleted finalization_failed "
    "payment_succeeded",
    "invoice_payments": "invoice_payment. paid detached",
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
NAMED = [(kind, prefix + name) for kind, line in EVENTS.items() for prefix, *names in [line.split()] for name in names]


@pytest.mark.parametrize(("kind", "event"), [*NAMED, ("refunds", "charge.refund.updated")])
def test_an_event_reaches_the_kind_whose_object_it_carries(kind: str, event: str) -> None:
    found = kind_of_event(event)
    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(
    "event",
    [
        "invoiceitem.created",
        "customer.discount.created",
        "customer.source.created",
        "customer",
        "balance.available",
        "account.updated",
        "account.application.deauthorized",
        "promotion_code.created",
        "setup_intent.succeeded",
        "plan.created",
        "invoice_item.created",
        "charge",
        "",
    ],
)
def test_other_events_reach_none(event: str) -> None:
    assert kind_of_event(event) is None


def test_a_subscription_that_was_deleted_is_canceled_not_gone() -> None:
    subscriptions = BY_NAME["subscriptions"]
    assert kind_of_event("customer.subscription.deleted") is subscriptions
    assert not subscriptions.gone


def test_what_tells_of_a_deletion_is_an_event_of_the_kind_itself() -> None:
    gone = {name for kind in KINDS for name in kind.gone}
    assert gone == {event for kind, event in NAMED if event.endswith(".deleted") and kind != "subscriptions"}
    for kind in KINDS:
        assert all(kind_of_event(event) is kind for event in kind.gone)


def test_names_objects_prefixes_and_events_are_unique() -> None:
    for values in (
        [kind.name for kind in KINDS],
        [kind.title for kind in KINDS],
        [kind.object for kind in KINDS],
        [kind.path for kind in KINDS],
        [kind.id_prefix for kind in KINDS if kind.id_prefix],
        [prefix for kind in KINDS for prefix in kind.events],
        [list_id for kind in KINDS for list_id in list_ids(kind)],
    ):
        assert max(Counter(values).values()) == 1


def test_every_kind_says_how_its_changes_are_learned() -> None:
    for kind in KINDS:
        assert (kind.learned is Learned.EVENTS) <= bool(kind.events)
        assert (kind.learned is Learned.OTHERS) == bool(kind.told_by)
        assert all(other in BY_NAME for other in kind.told_by)


def test_subscriptions_are_listed_with_the_canceled_ones_and_prices_with_the_inactive_ones() -> None:
    assert list_ids(BY_NAME["subscriptions"]) == ("subscriptions?status=all",)
    assert list_ids(BY_NAME["prices"]) == ("prices?active=true", "prices?active=false")
    assert list_ids(BY_NAME["customers"]) == ("customers",)


def test_paths_and_permissions_have_their_form() -> None:
    for kind in KINDS:
        assert kind.path.startswith("/v1/")
        assert kind.permission.startswith("rak_")
        assert kind.permission.endswith("_read")
        assert ("{customer}" in kind.path) <= (kind.reach is Reach.CUSTOMER)


def test_a_sync_reads_everything_that_does_not_hang_on_a_customer() -> None:
    assert [kind.name for kind in KINDS if kind not in SYNCED] == ["payment_methods", "tax_ids"]
    assert [kind.name for kind in SYNCED if kind not in LISTED] == ["balance"]
