"""What the database says about itself, for the doctor."""
