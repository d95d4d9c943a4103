"""What is known of customers beyond Stripe's objects."""
