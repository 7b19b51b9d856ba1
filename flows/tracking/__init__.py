"""MLflow: where it is, what is kept in it, and how it is found again."""
