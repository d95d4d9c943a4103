"""What a score is judged against: the profiles, and how their figures are distributed."""
