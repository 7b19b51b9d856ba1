"""Which items a user has not seen, and negatives drawn from them."""
