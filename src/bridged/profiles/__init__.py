"""Profiles: what is known of each customer, judged from the mirror's rows."""
