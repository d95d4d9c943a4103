"""What runs share: the one message of a business fact, and how often a customer is written to."""
