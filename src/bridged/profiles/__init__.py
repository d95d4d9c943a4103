"""What is known of each customer, and what happened to them: profiles, moments, contact points."""
