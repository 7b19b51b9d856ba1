"""The figures: each is a function that runs jobs on both sides and returns rows of the table."""
