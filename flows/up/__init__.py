"""`python -m flows.up up | status | down | logs`: an MLflow server, a Prefect server and a worker on one machine."""
