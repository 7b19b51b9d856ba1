"""The automations on the Prefect server."""
