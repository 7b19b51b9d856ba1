"""Optuna studies over the settings of ncf. Knows ncf and Optuna, neither Prefect nor MLflow."""
