"""What every flow needs of Prefect: progress, locks, retries, events, deployments."""
