"""Typed, frozen settings. Unknown keys are refused; each field states its unit and the reason for its default."""

import hashlib
import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ncf.errors import ConfigError


def _even_input(layers: tuple[int, ...]) -> tuple[int, ...]:
    if layers[0] % 2:
        raise ValueError(f"the first layer must be even (half user, half item embedding), got {layers[0]}")
    return layers


EmbeddingDim: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Layers: TypeAlias = Annotated[tuple[EmbeddingDim, ...], Field(min_length=2), AfterValidator(_even_input)]
Dropout: TypeAlias = Annotated[
    float, Field(ge=0.0, lt=1.0, description="fraction of hidden activations dropped in training; 0 as in the paper")
]
LearningRate: TypeAlias = Annotated[float, Field(gt=0.0, le=100.0, description="step size of the optimizer")]
EmbeddingL2: TypeAlias = Annotated[
    float, Field(ge=0.0, description="weight of the embeddings' squared length in the loss; see l2_over")
]


class Settings(BaseModel):
    """Base of all settings: immutable, and without unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], given: S | Mapping[str, Any]) -> S:
    """Return settings unchanged, or create them from names and values such as {"training": {"max_epochs": 5}}.

    Raises:
        ConfigError: a name is unknown, or a value is impossible.
    """
    if isinstance(given, kind):
        return given
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"{'.'.join(map(str, problem['loc'])) or kind.__name__} is refused",
            got=problem["input"],
            allowed=problem["msg"],
            do=f"see the fields of {kind.__module__}.{kind.__name__}",
        ) from error


class GMFConfig(Settings):
    """Shape of GMF (paper, eq. 8-9)."""

    kind: Literal["gmf"] = "gmf"
    embedding_dim: EmbeddingDim = Field(default=32, description="factors per user and item; the paper uses 8 to 64")
    head: Literal["learned", "ones"] = Field(
        default="learned",
        description="output vector h: learned; or fixed at ones, which makes GMF plain matrix factorization (paper, "
        "section 3.2), where a longer h can't offset the L2 of the embeddings",
    )


class MLPConfig(Settings):
    """Shape of MLP (paper, eq. 10)."""

    kind: Literal["mlp"] = "mlp"
    layers: Layers = Field(
        default=(64, 32, 16, 8),
        description="widths of the tower from its input down; a user and an item embedding, each of half the first "
        "width, are the input; the default is the paper's tower for 8 factors",
    )
    dropout: Dropout = 0.0


class NeuMFConfig(Settings):
    """Shape of NeuMF (paper, eq. 12): its two halves have embeddings of their own."""

    kind: Literal["neumf"] = "neumf"
    embedding_dim: EmbeddingDim = Field(default=32, description="factors of the GMF half")
    layers: Layers = Field(default=(64, 32, 16, 8), description="widths of the MLP half's tower, as in MLP")
    dropout: Dropout = 0.0


ModelConfig: TypeAlias = Annotated[GMFConfig | MLPConfig | NeuMFConfig, Field(discriminator="kind")]


class RecencyConfig(Settings):
    """How much more a user's newest interactions count in training."""

    half_life: float | None = Field(
        default=None,
        gt=0.0,
        description="interactions of the user, counted back from the newest one (place 0), after which the weight that "
        "fades has halved; 3 to 10 suit a list of what comes next; empty: all count alike, as in the paper",
    )
    floor: float = Field(
        default=0.02, ge=0.0, le=1.0, description="weight of the oldest interactions, where the newest one has 1"
    )

    def weights(self, newer: Any) -> Any:
        """Floor + (1 - floor) * 2^(-newer / half_life); 1 without a half-life.

        Args:
            newer: int64[N], array or tensor: how many newer interactions the user has.
        """
        return 1 - (1 - self.floor) * (1 - 2.0 ** (-newer / (self.half_life or math.inf)))


class TrainingConfig(Settings):
    """How a model is trained; every model has defaults of its own below."""

    loss: Literal["bce", "mse", "least-squares", "bpr"] = Field(
        default="bce",
        description="bce: binary cross entropy, as in the paper; mse: squared error of the probability; least-squares: "
        "squared error of the score itself (with negatives all, the objective of iALS); bpr: each positive is ranked "
        "against its own negatives, for implicit feedback only",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam", description="adam, as in the paper; adamw: Adam with weight_decay; sgd: without momentum"
    )
    learning_rate: LearningRate = 0.003
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant",
        description="learning rate over the epochs; linear and cosine decrease it to 0 at max_epochs",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="adamw: fraction of every weight that is removed per step, times the learning rate",
    )
    gradient_clip: float | None = Field(
        default=None, gt=0.0, description="largest norm of the gradient of a step; empty: no clipping"
    )
    batch_size: int = Field(
        default=2048, ge=2, le=2**24, description="samples (positives and negatives together) per optimizer step"
    )
    num_negatives: int = Field(
        default=4,
        ge=1,
        le=100,
        description="negatives per positive, drawn again each epoch; 3 to 6 are best in the paper",
    )
    negatives: Literal["uniform", "popularity", "all"] = Field(
        default="uniform",
        description="uniform: drawn uniformly from the items that the user does not have in train, as in the paper; "
        "popularity: drawn from the same items, often those that are often in train; all: every unobserved pair is "
        "a negative and nothing is drawn; a step then has batch_size / number of items users, at least one",
    )
    negatives_beta: float = Field(
        default=0.75,
        ge=0.0,
        le=10.0,
        description="popularity: an item is drawn with a probability proportional to its count in train to this power; "
        "0 is uniform; 0.75 as in word2vec",
    )
    unobserved_weight: float | None = Field(
        default=None,
        ge=0.0,
        description="all: weight of an unobserved pair, where an observed one has 1, as in iALS; empty: all unobserved "
        "pairs of a user together have num_negatives times the weight of the observed ones, as if they were drawn",
    )
    recency: RecencyConfig = RecencyConfig()
    embedding_l2: EmbeddingL2 = 0.0
    l2_over: Literal["samples", "tables"] = Field(
        default="samples",
        description="samples: L2 of the embeddings in the batch, averaged over its samples, so that rare users and "
        "items are penalized less; tables: L2 of all embeddings at every step, as in the authors' code",
    )
    validate_by: Literal["full", "sampled"] = Field(
        default="full",
        description="protocol of the validation after each epoch; its NDCG@10 selects the best epoch; full ranks all "
        "items; sampled ranks the candidates only, which takes a sixth of the time and is less reliable",
    )
    max_epochs: int = Field(default=60, ge=0, le=100_000, description="maximum number of passes over the positives")
    patience: int = Field(
        default=5, ge=1, description="epochs without a better validation NDCG@10 after which the training stops"
    )

    @model_validator(mode="after")
    def _negatives_fit(self) -> Self:
        if self.negatives == "all" and self.loss == "bpr":
            raise ValueError(
                "bpr needs drawn negatives (uniform or popularity); negatives all works with bce, mse and least-squares"
            )
        if self.negatives != "all" and self.unobserved_weight is not None:
            raise ValueError(f"unobserved_weight is only for negatives all, got {self.negatives}")
        return self

    @property
    def takes_labels(self) -> bool:
        """Whether the loss uses labels, as explicit feedback needs; bpr only knows observed from unobserved."""
        return self.loss != "bpr"


class GMFTraining(TrainingConfig):
    """Training of GMF."""

    embedding_l2: EmbeddingL2 = 0.001


class MLPTraining(TrainingConfig):
    """Training of MLP."""

    embedding_l2: EmbeddingL2 = 0.0003


class NeuMFTraining(TrainingConfig):
    """Training of NeuMF from scratch."""

    embedding_l2: EmbeddingL2 = 0.001


class FineTuning(TrainingConfig):
    """Training of NeuMF after pretraining, with a small learning rate (docs/decisions/pretraining.md)."""

    learning_rate: LearningRate = 0.0003
    embedding_l2: EmbeddingL2 = 0.001


class GMFRecipe(Settings):
    """GMF: shape and training."""

    model: GMFConfig = GMFConfig()
    training: GMFTraining = GMFTraining()


class MLPRecipe(Settings):
    """MLP: shape and training."""

    model: MLPConfig = MLPConfig()
    training: MLPTraining = MLPTraining()


class NeuMFRecipe(Settings):
    """NeuMF from scratch: shape and training."""

    model: NeuMFConfig = NeuMFConfig()
    training: NeuMFTraining = NeuMFTraining()


class PretrainedRecipe(Settings):
    """NeuMF that starts from the trained GMF and MLP, and has their shapes."""

    alpha: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="weight of GMF at the start, MLP has the rest (paper, eq. 13); 0.5 as in the paper",
    )
    training: FineTuning = FineTuning()


Recipe: TypeAlias = GMFRecipe | MLPRecipe | NeuMFRecipe | PretrainedRecipe
ModelName: TypeAlias = Literal["gmf", "mlp", "neumf", "neumf-pretrained"]
RECIPES: Mapping[ModelName, type[Recipe]] = MappingProxyType(
    {"gmf": GMFRecipe, "mlp": MLPRecipe, "neumf": NeuMFRecipe, "neumf-pretrained": PretrainedRecipe}
)


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
