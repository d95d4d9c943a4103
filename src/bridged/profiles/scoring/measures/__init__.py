"""What others ask of a score: where it stands, how far it fell, how much the customer is worth beside others."""
