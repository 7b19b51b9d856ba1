"""Ids of a request, JSON values or text of a query string, converted to the type of the model's ids."""

import re
from typing import Any
from uuid import UUID

from ncf.data.ids import IdKind
from ncf.errors import ConfigError

ALLOWED: dict[IdKind, str] = {
    "int": "a 64-bit integer",
    "str": "a string",
    "uuid": "the text of a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
}
WHOLE = re.compile(r"-?[0-9]{1,19}")
SHOWN = 100  # characters of a wrong value


def id_from_text(text: str, kind: IdKind, name: str) -> Any:
    """An id from a query string, where everything is text.

    Raises:
        ConfigError: its type is not that of the model's ids.
    """
    return id_from_json(int(text) if kind == "int" and WHOLE.fullmatch(text) else text, kind, name)


def id_from_json(value: Any, kind: IdKind, name: str) -> Any:
    """An id from a JSON document.

    Raises:
        ConfigError: its type is not that of the model's ids.
    """
    try:
        if kind == "int" and type(value) is int and -(2**63) <= value < 2**63:
            return value
        if kind == "str" and isinstance(value, str):
            value.encode()  # half a surrogate pair can't be encoded
            return value
        if kind == "uuid" and isinstance(value, str):
            return UUID(value)
    except ValueError:
        pass
    got = value[:SHOWN] if isinstance(value, str) else value
    raise ConfigError(f"{name} is of the wrong type", got=got, allowed=ALLOWED[kind])
