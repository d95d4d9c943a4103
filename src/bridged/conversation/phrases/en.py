"""The answers in English."""

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on": "on {date}",
    "on_weekend": "on {date}",
    "at": " at {time}",
    "at_one": " at {time}",
    "zone": "{city} time",
    "about": "about {amount}",
    "amount_unknown": "I can't say the exact amount yet.",
    "link": "You can pay here: {link}",
    "further": "Further items not listed here: {count}.",
    "as_of": "As known on {moment}.",
    "unknown": "Part of your billing I can't read with certainty, so I can't tell; a person will check it.",
    "refusal": "I can't show payment details in this chat yet. Please tell us who you are, and once that is confirmed "
    "I'll look it up.",
    "nothing_due": "You have no open invoice and no upcoming payment.",
    "subscription_ended": "Your subscription ended {on}. You have no open invoice and no upcoming payment.",
    # owed now
    "invoice_due": "Your open invoice is due {on}[: {amount}].",
    "invoice_overdue": "Your invoice has been overdue since {date}[: {amount}].",
    "invoice_undated": "You have an open invoice without a due date[: {amount}].",
    "invoice_retry": "A payment[ of {amount}] did not go through. It will be tried again automatically {on}; please "
    "make sure that your payment method works by then.",
    "invoice_attempt": "Your open invoice will be charged automatically {on}[: {amount}].",
    "invoice_attempt_now": "The automatic payment[ of {amount}] planned for {date} should be under way.",
    "invoice_charging": "Your new invoice[ of {amount}] will be charged automatically shortly.",
    "invoice_processing": "Your payment[ of {amount}] is being processed; there is nothing you need to do.",
    "invoice_settling": "Your payment[ of {amount}] has been received and is being booked.",
    "invoice_action": "Your payment[ of {amount}] is waiting for you to confirm it with your bank.",
    "invoice_unpaid": "Your invoice[ of {amount}] is open and will not be charged automatically, so please pay it "
    "yourself.",
    "incomplete": "Your first payment[ of {amount}] must be completed by {date}, otherwise the subscription will not "
    "start.",
    "incomplete_lapsed": "The time to complete your first payment[ of {amount}] ended {on}, so the subscription did "
    "not start.",
    "intent_waiting": "A payment[ of {amount}] is waiting for you to complete it. It has no due date.",
    "intent_processing": "A payment[ of {amount}] is under way; there is nothing you need to do.",
    # on its way
    "draft_charge": "Your next payment is being prepared and will be charged automatically {on}[: {amount}]. The "
    "amount may still change.",
    "draft_charge_soon": "Your next payment is being prepared and will be charged automatically shortly[: {amount}]. "
    "The amount may still change.",
    "draft_invoice": "Your next invoice is being prepared and will be issued {on}[: {amount}]. The amount may still "
    "change.",
    "draft_invoice_soon": "Your next invoice is being prepared and will be issued shortly[: {amount}]. The amount may "
    "still change.",
    "draft_zero": "Your next invoice is being prepared[ and will be issued {on}]; as it stands, there is nothing to "
    "pay.",
    "draft_held": "An invoice[ of {amount}] has been prepared but not issued. The amount may still change.",
    "draft_kept": "An invoice[ of {amount}] has been prepared during the pause and may be collected later.",
    # renewals
    "renewal": "Your next payment is due {on}[: {amount}]. It will be charged automatically.",
    "renewal_zero": "Your next renewal is {on}; there is nothing to pay then.",
    "renewal_invoice": "Your next invoice will be issued {then_on} and is due {on}[: {amount}].",
    "renewal_invoice_undated": "Your next invoice will be issued {on}[: {amount}].",
    "renewal_underway": "Your payment planned for {date} is being prepared; the result is not known yet.",
    "no_upcoming": "No further payment is planned for your subscription.",
    "ends": "Your subscription ends {on} and will not renew, so no further payment is planned.",
    "ends_usage": "Your subscription ends {on} and will not renew. A final invoice for your usage may still come.",
    "ends_final_invoice": "Your subscription ends {on} and will not renew. A final invoice is expected then[: "
    "{amount}].",
    # trials
    "trial": "Your trial ends {on} and your first payment is due then[: {amount}]. It will be charged automatically.",
    "trial_zero": "Your trial ends {on}; there is nothing to pay then.",
    "trial_invoice": "Your trial ends {then_on}; your first invoice will be issued then and is due {on}[: {amount}].",
    "trial_invoice_undated": "Your trial ends {on} and your first invoice will be issued then[: {amount}].",
    "trial_ends": "Your trial ends {on}, and your subscription with it; nothing will be charged.",
    "trial_no_method_cancel": "Your trial ends {on}. There is no payment method on file, so your subscription will "
    "end then unless you add one; nothing will be charged.",
    "trial_no_method_pause": "Your trial ends {on}. There is no payment method on file, so your subscription will be "
    "paused then unless you add one; nothing will be charged.",
    "trial_no_method_invoice": "Your trial ends {on} and your first payment is due then[: {amount}]. There is no "
    "payment method on file, so the invoice stays open until you pay it.",
    # pauses
    "paused": "Payments for your subscription are paused and no date to resume is set; nothing new is due for now.",
    "paused_until": "Payments for your subscription are paused until {date}; nothing new is due before then.",
    "paused_drafts": "Payments for your subscription are paused and no date to resume is set. Invoices are still "
    "prepared and may be collected later.",
    "paused_drafts_until": "Payments for your subscription are paused until {date}. Invoices are still prepared and "
    "may be collected later.",
    "subscription_paused": "Your subscription is paused; no invoices come until it is resumed.",
    "subscription_paused_payable": "Your subscription is paused because a payment failed. That invoice can still be "
    "paid, which may resume the subscription.",
    "subscription_unpaid": "Your subscription is unpaid: nothing will be charged automatically. Open invoices can "
    "still be paid through their link.",
    # schedules
    "schedule": "Your subscription starts {on} and your first payment is due then[: {amount}].",
    "schedule_zero": "Your subscription starts {on}; there is nothing to pay then.",
    "schedule_trial": "Your subscription starts {then_on} with a trial; your first payment is due {on}[: {amount}].",
    "schedule_invoice": "Your subscription's first invoice will be issued {then_on} and is due {on}[: {amount}].",
    "schedule_invoice_undated": "Your subscription's first invoice will be issued {on}[: {amount}].",
    # besides
    "pending_update": "A change to your subscription is waiting for its payment and lapses {on}.",
    "extra_invoice": "An extra invoice for single items may come {on}[: {amount}].",
    "thresholds": "An invoice may come earlier if you use a lot.",
    "phase_change": "Your plan changes {on}; a payment may be due then.",
}
