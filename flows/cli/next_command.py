"""The commands that are proposed to a user: as they are typed in the present folder, for the data that ran."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

import flows
from flows.tracking.links import mlflow_url
from flows.tracking.locations import files_folder, sqlite_file
from ncf.config import RECIPES, Recipe, Settings, flatten
from ncf.ingest.config import MOVIELENS, MovieLensSource, SourceConfig, SparkSource

PORT = 5000  # of make mlflow, and of MLflow's own server


def command_line(task: str, *options: str) -> str:
    """What starts a task in the present folder: make in a checkout, the command `ncf` elsewhere.

    Args:
        task: a command of ncf, with its subcommand if it has any, such as "registry log".
        options: words of its command line.
    """
    words = shlex.join(options)
    if not _in_checkout():
        return f"ncf {task} {words}".rstrip()
    target = task.removeprefix("registry ") if task == "registry rollback" else task
    is_plain = not set(words) & set("\"'$`\\")  # make passes no quotes on
    if " " in target or not is_plain:
        return f".venv/bin/python -m flows.{task} {words}".rstrip()
    return f'make {target} ARGS="{words}"' if words else f"make {target}"


def _in_checkout() -> bool:
    package = Path("flows")
    return Path("Makefile").is_file() and package.is_dir() and package.samefile(Path(flows.__file__).parent)


def command(task: str, settings: Settings, changes: Mapping[str, JsonValue]) -> str:
    """The command line of a task for the same data and settings as given, with some changes.

    Args:
        task: a command of ncf.
        settings: as the user gave them.
        changes: values by dotted name.
    """
    values = {**_given_options(settings), **changes}
    return command_line(task, *(word for name, value in values.items() for word in _option(name, value)))


def start_servers() -> str:
    """What starts a Prefect server that stays."""
    return "make up" if _in_checkout() else "prefect server start"


def retrain_command(dataset: str) -> str:
    """What trains a data set of which only the name is known: of other data than MovieLens the log is to be added."""
    found = command_line("retrain", "--dataset", dataset)
    return found if dataset in MOVIELENS else f"{found} with the options of its log (--source...)"


def look_at(uri: str, page: str) -> str:
    """Where a page of MLflow is seen: its address on a server, or what serves the store of this folder."""
    there, database = mlflow_url(uri, page), sqlite_file(uri)
    if there:
        return there
    server = ["mlflow", "server", "--backend-store-uri", uri]
    server += [] if database is None else ["--artifacts-destination", str(files_folder(database))]
    shown = "make mlflow" if _in_checkout() else shlex.join(server)
    return f"{shown}, then {mlflow_url(f'http://127.0.0.1:{PORT}', page)}"


def given_values(recipe: Recipe) -> dict[str, Any]:
    """The settings of a recipe that the user gave, by dotted name.

    A form of Prefect sends every value: if all are given, those that equal the defaults count as not given.
    """
    given = flatten(recipe.model_dump(exclude_unset=True))
    defaults = flatten(type(recipe)().model_dump())
    if given.keys() != defaults.keys():
        return given
    return {name: value for name, value in given.items() if value != defaults[name]}


def _given_options(settings: Settings) -> dict[str, JsonValue]:
    """What differs from the defaults, by dotted name; of the models, what the user gave explicitly."""
    recipes = {name.replace("-", "_") for name in RECIPES} & set(type(settings).model_fields)
    given = settings.model_dump(mode="json", exclude_defaults=True, exclude={*recipes, "source", "force"})
    values = _dotted(settings, given) | _source_options(getattr(settings, "source", None))
    for name in sorted(recipes):
        values |= {f"{name}.{key}": value for key, value in given_values(getattr(settings, name)).items()}
    return values


def _dotted(settings: Settings, given: Mapping[str, JsonValue], prefix: str = "") -> dict[str, JsonValue]:
    """Values by dotted name; a mapping that is one setting, such as `where`, stays whole: its keys may have dots."""
    values: dict[str, JsonValue] = {}
    for name, value in given.items():
        inner = getattr(settings, name)
        if isinstance(inner, Settings) and isinstance(value, dict):
            values |= _dotted(inner, value, f"{prefix}{name}.")
        else:
            values[prefix + name] = value
    return values


def _source_options(source: SourceConfig | None) -> dict[str, JsonValue]:
    if source is None:
        return {}
    given = source.model_dump(mode="json", exclude_defaults=True)
    if isinstance(source, MovieLensSource):
        given["name"] = source.name  # which may be the default
    if isinstance(source, SparkSource):
        given["kind"] = source.kind  # else table means a database
    values = _dotted(source, given, "source.")
    has_positions = any(isinstance(value, int) and not isinstance(value, bool) for value in values.values())
    return {"source": given} if has_positions else values  # as an option of its own, 2 would be a column named "2"


def _listed(values: Sequence[JsonValue]) -> str:
    """A list as an option takes it: 16,8 or weekly,10d where that is the same list again, else JSON."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    words = all(isinstance(value, str) and re.fullmatch(r"[0-9]*[A-Za-z][\w-]*", value) for value in values)
    return ",".join(map(str, values)) if values and (numbers or words) else json.dumps(values)


def _option(name: str, value: JsonValue) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    if isinstance(value, list | tuple):
        text = _listed(value)
    else:
        text = json.dumps(value) if isinstance(value, dict) else str(value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
