"""What people and machines see over HTTP."""
