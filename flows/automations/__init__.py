"""What happens by itself on the Prefect server."""
