"""Simulators of Stripe and WhatsApp at the wire. They import nothing of ours, so that they can disagree with us."""
