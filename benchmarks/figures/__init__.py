"""The figures of the speed benchmark: each is a function that asks both sides and returns rows of the table."""
