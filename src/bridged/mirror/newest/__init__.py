"""What a customer had last: their newest objects, and what they spent."""
