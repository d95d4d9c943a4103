"""The texts in English."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "renewal": "Hello {{name}}, your subscription to {{plan}} renews on {{period_end}}. We will then charge "
    "{{next_amount}} to your saved payment method. You do not need to do anything.",
    "renewal_plain": "Hello {{name}}, your subscription with {{business}} renews on {{period_end}}. It will be "
    "charged to your saved payment method. You do not need to do anything.",
    "invoice_soon": "Hello {{name}}, invoice {{number}} over {{amount}} is due on {{due_date}}. You can see and pay "
    "it here: {{link}} Thank you.",
    "invoice_today": "Hello {{name}}, invoice {{number}} over {{amount}} is due today, {{due_date}}. You can see and "
    "pay it here: {{link}} Thank you.",
    "invoice_overdue": "Hello {{name}}, invoice {{number}} over {{amount}} was due on {{due_date}} and is still open. "
    "You can see and pay it here: {{link}} If you have just paid, please ignore this message.",
    "subscribed": "Hello {{name}}, your subscription to {{plan}} is active. The next payment of {{next_amount}} is on "
    "{{next_date}}. Thank you.",
    "subscribed_plain": "Hello {{name}}, your subscription with {{business}} is active. Thank you for your order.",
    "paid": "Hello {{name}}, we have received your payment of {{amount}} to {{business}}. Thank you.",
    "trial_ending": "Hello {{name}}, your trial of {{plan}} ends on {{trial_end}}. From then on it costs "
    "{{next_amount}}, charged to your saved payment method, unless you cancel before.",
    "trial_ending_plain": "Hello {{name}}, your trial with {{business}} ends on {{trial_end}}. It then becomes a paid "
    "subscription, unless you cancel before.",
    "action": "Hello {{name}}, your bank asks you to confirm your payment of {{amount}}. Please do so here: {{link}} "
    "Without it the payment cannot go through.",
    "action_plain": "Hello {{name}}, your bank asks you to confirm your payment of {{amount}} to {{business}}. Please "
    "open your account to confirm it.",
    "failed_retry": "Hello {{name}}, your payment of {{amount}} did not go through. We will try again on "
    "{{next_attempt}}. To pay now or with another card: {{link}} Thank you.",
    "failed_card": "Hello {{name}}, your payment of {{amount}} was declined, and this card cannot be used again. "
    "Please pay with another one here: {{link}} Thank you.",
    "failed": "Hello {{name}}, your payment of {{amount}} did not go through and is still open. You can pay it here: "
    "{{link}} Thank you.",
    "failed_plain": "Hello {{name}}, your payment of {{amount}} to {{business}} did not go through and is still open. "
    "Please check your payment method in your account.",
    "failed_last": "Hello {{name}}, your payment of {{amount}} is still open. This is our last reminder before your "
    "subscription may end. You can pay it here: {{link}} Thank you.",
    "card": "Hello {{name}}, the card saved for your subscription with {{business}} expires in {{card_month}}. Please "
    "add a new one in your account before your next payment.",
    "risk": "A customer of high value needs attention: {{name}}. Please look at the payments and get in touch.",
    "lead": "Hello {{name}}, you were about to order from {{business}}. Is there a question we can answer for you?",
    "check_in": "Hello {{name}}, you have been with {{business}} for a week now. How do you like it so far? We are "
    "glad to help.",
    "second": "Hello {{name}}, thank you for your order from {{business}}. There is more that may suit you: would you "
    "like to hear about it?",
    "back_30": "Hello {{name}}, we would be glad to have you back at {{business}}. Tell us what was missing, and we "
    "will see what we can do.",
    "back_90": "Hello {{name}}, a lot has changed at {{business}} since you left. Would you like to have another look?",
    "year": "Hello {{name}}, you have been with {{business}} for a year. Thank you for your trust, and here is to the "
    "next one.",
    "save": "Hello {{name}}, your subscription with {{business}} ends on {{cancel_at}}. If you have changed your "
    "mind, or if something was missing, just reply to this message.",
    "refund": "Hello {{name}}, {{business}} has sent you a refund of {{amount}}. It can take some days until your "
    "bank shows it.",
}
