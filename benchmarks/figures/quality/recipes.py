"""The first recipes and the ranges of the searches of the quality benchmark, each with its reason."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ncf.config import (
    RECIPES,
    FineTuning,
    GMFConfig,
    GMFRecipe,
    GMFTraining,
    MLPConfig,
    MLPRecipe,
    MLPTraining,
    ModelName,
    NeuMFConfig,
    NeuMFRecipe,
    NeuMFTraining,
    PretrainedRecipe,
    Recipe,
)
from tuning.ranges import Choices, FloatRange, IntRange, Range

Protocol: TypeAlias = Literal["sampled", "full"]
MODELS: tuple[ModelName, ...] = ("gmf", "mlp", "neumf", "neumf-pretrained")

# Every unobserved pair counts, by squares of the score, as in iALS: GMF's products are quick enough for it, and cross
# entropy with a learned head stayed .01 of NDCG@10 behind it
ALL_PAIRS: Mapping[str, Any] = MappingProxyType(
    {"negatives": "all", "schedule": "linear", "loss": "least-squares", "patience": 20}
)
# choices of a search, which begins with the first: 70 or 35 users a step of MovieLens-1M, 19 or 77 of MovieLens-100K
PAIRS_PER_STEP = MappingProxyType({"ml-1m": (2**18, 2**17), "ml-100k": (2**15, 2**17)})
TOWER_EPOCHS = MappingProxyType({"ml-1m": 12, "ml-100k": 20})  # of 400 to 1,100 steps, and of 50 to 110
WARMUP_EPOCHS: Mapping[ModelName, int] = MappingProxyType(  # before a trial may be pruned
    {"gmf": 20, "mlp": 2, "neumf": 2, "neumf-pretrained": 2}  # over all pairs a small rate begins slowly and ends well
)
# a tower learns little in the few steps that all pairs would leave it
DRAWN: Mapping[str, Any] = MappingProxyType({"negatives": "uniform", "batch_size": 2**13, "schedule": "linear"})
DROPOUT = FloatRange(low=0.0, high=0.4)
TOWER_SPACE: Mapping[str, Range] = MappingProxyType(
    {
        "model.dropout": DROPOUT,
        "training.learning_rate": FloatRange(low=0.003, high=0.02, log=True),
        "training.embedding_l2": FloatRange(low=0.0005, high=0.02, log=True),
        "training.num_negatives": IntRange(low=3, high=8),
    }
)

SPACES: Mapping[ModelName, Mapping[str, Range]] = MappingProxyType(
    {
        "gmf": {
            "training.learning_rate": FloatRange(low=0.01, high=0.05, log=True),
            "training.embedding_l2": FloatRange(low=0.002, high=0.02, log=True),
            "training.unobserved_weight": FloatRange(low=0.03, high=0.6, log=True),
        },
        "mlp": TOWER_SPACE,
        "neumf": TOWER_SPACE,
        "neumf-pretrained": {
            "alpha": FloatRange(low=0.8, high=0.98),  # scores of GMF are near 0 to 1, MLP's logits are not
            "training.learning_rate": FloatRange(low=0.00001, high=0.003, log=True),
            "training.embedding_l2": FloatRange(low=0.001, high=0.05, log=True),
            "training.num_negatives": IntRange(low=3, high=8),
        },
    }
)


# where every item competes, what nobody has weighs more than among 99 drawn candidates; GMF's scores are smaller then
BY_FULL_RANKING: Mapping[ModelName, Mapping[str, Range]] = MappingProxyType(
    {
        "gmf": {
            "training.learning_rate": FloatRange(low=0.005, high=0.05, log=True),
            "training.unobserved_weight": FloatRange(low=0.1, high=2.0, log=True),
        },
        "neumf-pretrained": {"alpha": FloatRange(low=0.9, high=0.999)},
    }
)


def space_of(log: str, model: ModelName, protocol: Protocol) -> dict[str, Range]:
    """The ranges of a search on a log."""
    steps = {"training.batch_size": Choices(choices=_pairs_per_step(log))} if model == "gmf" else {}
    return {**steps, **SPACES[model], **(BY_FULL_RANKING.get(model, {}) if protocol == "full" else {})}


def _pairs_per_step(log: str) -> tuple[int, ...]:
    return PAIRS_PER_STEP.get(log, PAIRS_PER_STEP["ml-100k"])


def tower(factors: int) -> tuple[int, int, int]:
    """The paper's tower: each layer half as wide as the one below, and `factors` at its end."""
    return 4 * factors, 2 * factors, factors


def first_recipe(log: str, model: ModelName, factors: int, protocol: Protocol, most_epochs: int) -> Recipe:
    """The first trial of a search; the other sizes of a model use the settings found."""
    shared = {"validate_by": protocol, "patience": 8}

    def epochs(number: int) -> int:
        return min(number, most_epochs)

    of_tower = epochs(TOWER_EPOCHS.get(log, TOWER_EPOCHS["ml-100k"]))

    match model:
        case "gmf":
            all_pairs = {**shared, **ALL_PAIRS, "batch_size": _pairs_per_step(log)[0]}
            training = GMFTraining(
                **all_pairs, learning_rate=0.02, embedding_l2=0.007, unobserved_weight=0.25, max_epochs=epochs(40)
            )
            return GMFRecipe(model=GMFConfig(embedding_dim=factors, head="ones"), training=training)
        case "mlp":
            of_mlp = MLPTraining(**DRAWN, **shared, learning_rate=0.008, embedding_l2=0.003, max_epochs=of_tower)
            return MLPRecipe(model=MLPConfig(layers=tower(factors), dropout=0.1), training=of_mlp)
        case "neumf":
            of_neumf = NeuMFTraining(**DRAWN, **shared, learning_rate=0.008, embedding_l2=0.004, max_epochs=of_tower)
            shape = NeuMFConfig(embedding_dim=factors, layers=tower(factors), dropout=0.1)
            return NeuMFRecipe(model=shape, training=of_neumf)
        case "neumf-pretrained":
            # an epoch that does not better the fused start is the last: the steps are small, later ones do not either
            careful = {**DRAWN, **shared, "patience": 1}
            fine = FineTuning(**careful, learning_rate=0.0003, embedding_l2=0.01, max_epochs=epochs(2))
            return PretrainedRecipe(alpha=0.95, training=fine)


def drawn_recipe(model: ModelName, factors: int, protocol: Protocol, number: int, most_epochs: int) -> Recipe:
    """The default settings of a model except its size, large batches and the number of drawn negatives."""
    shared = {"num_negatives": number, "validate_by": protocol, "batch_size": 2**14, "max_epochs": min(40, most_epochs)}
    values = with_factors(model, RECIPES[model](), factors).model_dump()
    return RECIPES[model].model_validate({**values, "training": {**values["training"], **shared}})


def with_factors(model: ModelName, recipe: Recipe, factors: int) -> Recipe:
    """The same settings for a model of another size; neumf-pretrained has the sizes of its GMF and MLP."""
    shapes: dict[str, dict[str, Any]] = {
        "gmf": {"embedding_dim": factors},
        "mlp": {"layers": tower(factors)},
        "neumf": {"embedding_dim": factors, "layers": tower(factors)},
    }
    if isinstance(recipe, PretrainedRecipe):
        return recipe
    values = recipe.model_dump()
    return type(recipe).model_validate({**values, "model": {**values["model"], **shapes[model]}})
