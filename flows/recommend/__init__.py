"""The champion's recommendations for many users, into a file or a table."""
