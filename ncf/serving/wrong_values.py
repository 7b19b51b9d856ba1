"""What the framework found wrong with a request, in our words."""

from collections.abc import Mapping
from typing import Any

from ncf.errors import ConfigError

JSON_OBJECT = "a JSON object, such as"


def wrong_value(error: Mapping[str, Any]) -> ConfigError:
    """The first thing that is wrong.

    Args:
        error: one of pydantic's, as FastAPI hands it on.
    """
    location = [str(part) for part in error["loc"]]
    name, got = ".".join(location), error.get("input")
    shown = got if isinstance(got, str | int | float | bool) else None
    match error["type"], location:
        case "missing", ["body"]:
            return ConfigError("the body is missing", allowed=f'{JSON_OBJECT} {{"item_ids": [1, 2]}}', do="see /docs")
        case "missing", _:
            return ConfigError(f"{name} is missing", do="see /docs")
        case "extra_forbidden", _:
            return ConfigError(
                f"{name} is not known", got=shown, allowed="what /docs shows", do="leave it out, or correct the name"
            )
        case "json_invalid", _:
            place = f"; it goes wrong at character {location[-1]}"
            return ConfigError(f"the body is no JSON{place}", do="see /docs")
        case _, ["body"]:
            return ConfigError(
                "the body is no JSON object",
                got=shown,
                allowed=f'{JSON_OBJECT} {{"item_ids": [1, 2]}}',
                do="send it with the header Content-Type: application/json",
            )
    return ConfigError(f"{name} is not allowed", got=shown, allowed=str(error["msg"]), do="see /docs")
