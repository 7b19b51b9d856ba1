"""Ways to divide a log into train, validation and test."""
