"""Personal data taken out of what came in: events, deliveries, what they changed."""
