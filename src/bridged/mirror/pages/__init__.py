"""Pages and single objects of the mirror, as Stripe would give them."""
