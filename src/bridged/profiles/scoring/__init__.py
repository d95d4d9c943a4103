"""Lead scores: 0 to 100 for each customer, with the reasons that sum to it, and what follows from a change."""
