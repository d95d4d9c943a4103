"""The mirror of a Stripe account: its kinds, its rows and the rule that keeps it true."""
