"""Passwords as a user gives them."""

from flows.up.passwords import MLFLOW_PASSWORD, MLFLOW_USER, PREFECT

PASSWORDS = {PREFECT: "ncf:s3cr%t:/p@ss-word", MLFLOW_USER: "ann", MLFLOW_PASSWORD: "long enough 'quoted'"}
