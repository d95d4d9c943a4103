"""What messages cost, as the channels bill them."""
