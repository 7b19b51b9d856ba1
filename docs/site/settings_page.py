"""The reference page of all settings, generated from the pydantic models that the commands read."""

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.site.commands import COMMANDS, Command
from ncf.config import Settings

SENTENCE_END = re.compile(r"\. (?=[A-Z])")  # not that of an abbreviation, such as "eq. 8"
TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "true or false", "Path": "path"}
BOUNDS = ((Ge, "ge", "at least"), (Gt, "gt", "more than"), (Le, "le", "at most"), (Lt, "lt", "less than"))
HEAD = """# Settings

All settings of all commands. This page is generated from the models that read the settings (`ncf/config.py`,
`flows/retrain/settings.py` and others) when the site is built. A setting inside a group is written with a dot: with
hyphens on the command line (`--gmf.training.learning-rate 0.01`), with its name in a deployment and in Python
(`{"gmf": {"training": {"learning_rate": 0.01}}}`). A setting without a default is required. *empty* means `null`, or
`None` on the command line; *see group* means the defaults of the linked group.

Models' settings that you leave out come from [`--settings`](../training.md#where-settings-come-from).
"""


def page() -> str:
    """Return the page as Markdown: the commands first, then each group of settings once."""
    groups: list[type[Settings]] = []
    for command in COMMANDS:
        _collect(command.settings, groups)
    models = [command.settings for command in COMMANDS]
    parts = [HEAD, "## Commands\n", *(_command(command) for command in COMMANDS), "## Groups\n"]
    return "\n".join([*parts, *(_group(group) for group in groups if group not in models)])


def _command(command: Command) -> str:
    return f"### {command.name}\n\n`{command.line}`\n\n{_doc(command.settings)}\n\n{_table(command.settings)}\n"


def _group(group: type[Settings]) -> str:
    return f"### {group.__name__}\n\n{_doc(group)}\n\n{_table(group)}\n"


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[Settings]) -> str:
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join(["| setting | values | default | meaning |", "| --- | --- | --- | --- |", *rows])


def _row(name: str, field: FieldInfo) -> str:
    inner = _models(field.annotation)
    meaning = field.description or (SENTENCE_END.split(_doc(inner[0]), maxsplit=1)[0].rstrip(".") if inner else "")
    cells = [f"`{name}`", _values(field), _default(field), meaning]
    if inner and isinstance(field.default, BaseModel):
        changed = _changed(field.default)
        cells[2] = f"see group{', except ' + ', '.join(changed) if changed else ''}"
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _changed(given: BaseModel) -> list[str]:
    """The values of a default group that differ from the group's own defaults."""
    plain = {name: field.get_default(call_default_factory=True) for name, field in type(given).model_fields.items()}
    return [f"`{name}` {value!r}" for name, value in given if value != plain[name]]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    if field.default_factory is not None:
        return "depends on the machine" if not _models(field.annotation) else "see group"
    return "empty" if field.default in (None, (), "", {}) else f"`{_text(field.default)}`"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(_text(part) for part in value)
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _values(field: FieldInfo) -> str:
    words = [*_kinds(field.annotation), *_bounds(field.metadata)]
    return ", ".join(dict.fromkeys(words))


def _kinds(annotation: Any) -> Iterator[str]:
    """The types and choices of a value, in words and links."""
    origin = get_origin(annotation)
    if origin is Annotated:
        kind, *metadata = get_args(annotation)
        yield from _kinds(kind)
        yield from _bounds(metadata)
    elif origin is Literal:
        yield from (f"`{value}`" for value in get_args(annotation))
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin in (tuple, list):
        yield "list"
        yield from _kinds(get_args(annotation)[0])
    elif origin is dict:
        yield "mapping"
    elif isinstance(annotation, type) and issubclass(annotation, Settings):
        yield f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    elif annotation is not type(None):
        yield TYPES.get(annotation.__name__, annotation.__name__)


def _bounds(metadata: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    for limit in metadata:
        if isinstance(limit, FieldInfo):
            yield from _bounds(limit.metadata)
        for kind, attribute, words in BOUNDS:
            if isinstance(limit, kind):
                yield f"{words} {_text(getattr(limit, attribute))}"
        if isinstance(limit, MinLen) and limit.min_length > 1:
            yield f"length at least {limit.min_length}"
        if isinstance(limit, MaxLen):
            yield f"length at most {limit.max_length:,}"


def _models(annotation: Any) -> list[type[Settings]]:
    """The groups of settings in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _collect(model: type[Settings], found: list[type[Settings]]) -> None:
    """Add the groups of a model, and theirs in turn, each once, in the order of their first use."""
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            if inner not in found:
                found.append(inner)
                _collect(inner, found)


def names_in(model: type[Settings], before: str = "") -> set[str]:
    """The dotted names of a model's settings and of their groups, such as gmf.training.learning_rate."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(before + name)
        for inner in _models(field.annotation):
            found |= names_in(inner, f"{before}{name}.")
    return found
