"""Prefect flows around ncf and tuning, tracked in MLflow. Each flow is a module: python -m flows.retrain."""

import os

# What [tool.prefect] in pyproject.toml says, wherever a command runs; Prefect reads its settings when it is imported.
PREFECT_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ncf",
}
for _name, _value in {**PREFECT_SETTINGS, "DO_NOT_TRACK": "1"}.items():
    os.environ.setdefault(_name, _value)
