"""JSON values: flat names for nested ones, and a key by which equal ones are known again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def content_key(*parts: object) -> str:
    """A short hash of JSON values: equal values give equal keys in any process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names, as searched settings and MLflow's parameters have them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
