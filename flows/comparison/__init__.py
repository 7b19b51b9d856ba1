"""A retraining's models side by side: the values, as pictures and as one interactive page."""
