"""What waits for a person, counted over all connections of a workspace."""
