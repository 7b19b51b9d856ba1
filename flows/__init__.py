"""Prefect flows around ncf and tuning, tracked in MLflow. Each flow is a module: python -m flows.retrain."""
