"""JSON values: a key for equal ones, dotted names for nested ones, and what two of them differ in."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def content_key(*parts: object) -> str:
    """A short hash of JSON values; equal values have equal keys in any process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names, as used for searched settings and MLflow's parameters."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The values in which two nested mappings differ, in words: "seed 1 there, 2 here"."""
    flat_there, flat_here = flatten(there), flatten(here)
    return [
        f"{name} {flat_there.get(name)!r} there, {flat_here.get(name)!r} here"
        for name in sorted(flat_there.keys() | flat_here.keys())
        if flat_there.get(name) != flat_here.get(name)
    ]
