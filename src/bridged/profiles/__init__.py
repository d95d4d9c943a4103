"""What is understood of each customer from the mirror: profiles, how they changed, and what happened."""
