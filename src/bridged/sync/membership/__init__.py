"""Who is inside the customer filter, and bringing the mirror there: those who enter, those who leave."""
