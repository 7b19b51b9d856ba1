"""The search space of each model: which settings, which ranges, and the reasons for them."""

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ncf.config import RECIPES, ModelName, Recipe, flatten
from ncf.errors import ConfigError
from tuning.ranges import Choices, FloatRange, IntRange, Range, Value, limits_of


class Searched(NamedTuple):
    """A setting that is searched.

    Attributes:
        name: dotted path inside the recipe.
        range: its values.
        because: reason for this range.
    """

    name: str
    range: Range
    because: str


NOT_SEARCHED = MappingProxyType(
    {
        "training.validate_by": "the scores of the trials could not be compared",
        "model.kind": "another kind is another model",
    }
)

_RECENCY = (
    Searched(
        "training.recency.half_life",
        Choices(choices=(None, 2.0, 4.0, 8.0, 16.0)),
        "off, or from a list of what comes next to one of lasting tastes",
    ),
    Searched(
        "training.recency.floor",
        FloatRange(low=0.005, high=0.2, log=True),
        "a hundred old interactions that weigh 0.05 each count as much together as the five newest",
    ),
)
_TRAINING = (
    Searched(
        "training.learning_rate",
        FloatRange(low=0.0005, high=0.03, log=True),
        "the default is 0.003; a tenth of it learns too slowly for max_epochs, and above this range Adam is unstable",
    ),
    Searched(
        "training.embedding_l2",
        FloatRange(low=0.00003, high=0.03, log=True),
        "the most important setting; the best value differs by orders of magnitude between logs and widths",
    ),
    Searched("training.num_negatives", IntRange(low=1, high=10), "3 to 6 are best in the paper; wide models need more"),
    Searched(
        "training.batch_size",
        IntRange(low=512, high=16384, log=True),
        "with smaller batches an epoch is slow, with larger ones it has few steps",
    ),
    Searched(
        "training.schedule",
        Choices(choices=("constant", "linear", "cosine")),
        "a rate that decreases to 0 often ends with a better score than a constant one",
    ),
    Searched(
        "training.max_epochs",
        IntRange(low=10, high=60, step=10),
        "how fast linear and cosine decrease the rate; with constant, early stopping decides",
    ),
    *_RECENCY,
)
_ALL_PAIRS = (
    Searched(
        "training.num_negatives",
        IntRange(low=2, high=40, log=True),
        "with negatives all this is only a weight and costs nothing; wide models need a large one",
    ),
    Searched(
        "training.batch_size",
        IntRange(low=2**15, high=2**20, log=True),
        "counts pairs here: with a thousand items, a step has about 30 to 1,000 users",
    ),
)
_EMBEDDING = Searched(
    "model.embedding_dim",
    IntRange(low=8, high=128, log=True),
    "8 to 64 in the paper; with strong L2, wider is better",
)
_TOWER = Searched(
    "model.layers",
    Choices(choices=((32, 16, 8), (64, 32, 16, 8), (128, 64, 32, 16), (256, 128, 64), (256, 128, 64, 32))),
    "the paper's towers for 8 and 16 factors, one smaller, and two wide ones",
)
_DROPOUT = Searched(
    "model.dropout",
    FloatRange(low=0.0, high=0.5),
    "0 in the paper; wide towers need some; above 0.5 too little is left",
)
_FINE_TUNING = (
    Searched("alpha", FloatRange(low=0.1, high=0.9), "0.5 in the paper; at 0 or 1, one of the parts would be ignored"),
    Searched(
        "training.learning_rate",
        FloatRange(low=0.00003, high=0.003, log=True),
        "the default is 0.0003; a high rate would destroy the pretrained weights",
    ),
    *(searched for searched in _TRAINING if searched.name != "training.learning_rate"),
)

SPACES: Mapping[ModelName, tuple[Searched, ...]] = MappingProxyType(
    {
        "gmf": (_EMBEDDING, *_TRAINING),
        "mlp": (_TOWER, _DROPOUT, *_TRAINING),
        "neumf": (_EMBEDDING, _TOWER, _DROPOUT, *_TRAINING),
        "neumf-pretrained": _FINE_TUNING,
    }
)


def space_of(
    model: ModelName, overrides: Mapping[str, Range | None] | None = None, *, all_pairs: bool = False
) -> dict[str, Range]:
    """The model's default search space, with changes.

    Args:
        model: name of the model.
        overrides: by dotted name: another range, the range of a setting that is not searched by default, or None to
            leave a setting out. For a setting that takes fractions, a range of whole numbers has all numbers between.
        all_pairs: whether every unobserved pair is a negative, which needs other ranges.

    Raises:
        ConfigError: `overrides` leaves out a setting that is not in the default space, or nothing is left to search.
    """
    space = {searched.name: searched.range for searched in (*SPACES[model], *(_ALL_PAIRS if all_pairs else ()))}
    for name, given in (overrides or {}).items():
        if given is not None:
            space[name] = _continuous(given) if _takes_fractions(RECIPES[model], name.split(".")) else given
        elif space.pop(name, None) is None:
            raise _unknown(name, list(space), f"{name} is not searched by default for {model}")
    _refuse_nothing(model, space)
    return space


def check_space(model: ModelName, recipe: Recipe, space: Mapping[str, Range]) -> None:
    """Check that the recipe with the initial settings can take every value of the search space.

    A value that is only valid together with certain values of other settings passes; such a trial may fail, with the
    reason.

    Raises:
        ConfigError: nothing is searched, a name is not a setting of the recipe or can't be searched, or an end of a
            range, or a choice, is outside the limits of the setting.
    """
    _refuse_nothing(model, space)
    known = flatten(recipe.model_dump())
    for name, range_ in space.items():
        if name not in known:
            raise _unknown(name, known, f"{model} has no setting {name}")
        if name in NOT_SEARCHED:
            raise ConfigError(f"{name} can't be searched: {NOT_SEARCHED[name]}", do="set it in the recipe instead")
        for value in limits_of(range_):
            problem = _refusal(recipe, name, value, space)
            if problem:
                raise ConfigError(
                    f"the range of {name} has an invalid value",
                    got=_plain(value),
                    allowed=problem,
                    do=f"change the range of {name}",
                )


def with_values(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """The recipe with other values for some settings, by their dotted names; all settings are checked together.

    Raises:
        ConfigError: a value is invalid, alone or together with the others.
    """
    try:
        return _built(recipe, values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            "these settings can't be combined", got={n: _plain(v) for n, v in values.items()}, allowed=problem["msg"]
        ) from error


def values_of(recipe: Recipe, space: Mapping[str, Range]) -> dict[str, Value]:
    """The recipe's values of the searched settings."""
    flat = flatten(recipe.model_dump())
    return {name: flat[name] for name in space}


def _built(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """Raises ValidationError."""
    nested = recipe.model_dump()
    for name, value in values.items():
        *path, last = name.split(".")
        group = nested
        for key in path:
            group = group[key]
        group[last] = value
    return type(recipe).model_validate(nested)


def _refusal(recipe: Recipe, name: str, value: Value, space: Mapping[str, Range]) -> str:
    """Why the recipe can't take a value with any values of the other searched settings; empty if it can."""
    first = ""
    for others in _companions(name, space):
        try:
            _built(recipe, {name: value, **others})
        except ValidationError as error:
            problem = error.errors()[0]
            first = first or problem["msg"]
            if ".".join(map(str, (*problem["loc"], ""))).startswith(f"{name}."):
                return first  # the setting's own limit, which other values don't change
        else:
            return ""
    return first


def _companions(name: str, space: Mapping[str, Range]) -> Iterator[dict[str, Value]]:
    """No other values, then each limit of each other setting, then each pair of these."""
    yield {}
    others = [(other, value) for other, range_ in space.items() if other != name for value in limits_of(range_)]
    yield from ({other: value} for other, value in others)
    yield from (dict(pair) for pair in itertools.combinations(others, 2))


def _takes_fractions(settings: type[BaseModel], path: Sequence[str]) -> bool:
    """Whether the setting at a path is a float, or an optional float."""
    field = settings.model_fields.get(path[0])
    kind = field.annotation if field is not None else None
    if len(path) > 1:
        return isinstance(kind, type) and issubclass(kind, BaseModel) and _takes_fractions(kind, path[1:])
    return kind is float or kind == float | None


def _continuous(range_: Range) -> Range:
    if isinstance(range_, IntRange) and range_.step == 1:
        return FloatRange(low=range_.low, high=range_.high, log=range_.log)
    return range_


def _refuse_nothing(model: ModelName, space: Mapping[str, Range]) -> None:
    if not space:
        raise ConfigError(
            f"no setting of {model} is searched", got=dict(space), allowed="at least one setting with a range"
        )


def _unknown(name: str, known: Sequence[str] | Mapping[str, Any], what: str) -> ConfigError:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return ConfigError(
        what, allowed=", ".join(known), do=f"the nearest name is {near[0]}" if near else "correct the name"
    )


def _plain(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value
