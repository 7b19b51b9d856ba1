"""compose.yaml as Docker reads it: merged, with the variables of a .env file put in."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.e2e.processes import REPOSITORY

VARIABLES = {  # a .env file
    "PREFECT_API_AUTH_STRING": "ncf:a-long-password",
    "MLFLOW_TRACKING_USERNAME": "ncf",
    "MLFLOW_TRACKING_PASSWORD": "a-long-password",
    "NCF_DATABASE_PASSWORD": "secret",
    "NCF_SECRET_KEY": "key",
}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<text>[^}]*))?\}")


def read_compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file's content; KeyError names a variable that must be set and is not."""

    def value(found: re.Match[str]) -> str:
        given = variables.get(found["name"], "")
        if given:
            return given
        if found["how"] == "-":
            return str(found["text"])
        raise KeyError(found["name"])

    text = (REPOSITORY / "compose.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, text))
    return {name: part for name, part in content.items() if not name.startswith("x-")}
