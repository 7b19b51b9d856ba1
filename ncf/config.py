"""Typed, frozen settings. Unknown keys are refused; every field says its unit and why its default."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ncf.errors import ConfigError

Layers: TypeAlias = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=2)]


class Settings(BaseModel):
    """Base of all settings: immutable, and closed to unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], given: S | Mapping[str, Any]) -> S:
    """Settings as they are, or made from names and values, such as {"training": {"max_epochs": 5}}.

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
    embedding_dim: int = Field(
        default=32, ge=1, le=4096, description="factors per user and item; within the paper's 8 to 64"
    )
    head: Literal["learned", "ones"] = Field(
        default="learned",
        description="the output vector h: learned, or all ones for good, which makes GMF plain matrix factorisation "
        "(paper, section 3.2), whose embeddings can't evade their L2 by a longer h",
    )


class MLPConfig(Settings):
    """Shape of MLP (paper, eq. 10)."""

    kind: Literal["mlp"] = "mlp"
    layers: Layers = Field(
        default=(64, 32, 16, 8),
        description="widths of the tower from its input down; the input is a user and an item embedding of half "
        "the first width each; the paper's tower for 8 factors",
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share of hidden activations dropped in training; 0 as in the paper"
    )

    @model_validator(mode="after")
    def _input_splits_in_two(self) -> Self:
        require_even_input(self.layers)
        return self


class NeuMFConfig(Settings):
    """Shape of NeuMF (paper, eq. 12): its two halves have embeddings of their own."""

    kind: Literal["neumf"] = "neumf"
    embedding_dim: int = Field(default=32, ge=1, le=4096, description="factors of the GMF half; as GMF alone")
    layers: Layers = Field(default=(64, 32, 16, 8), description="tower of the MLP half, as in MLP alone")
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share of hidden activations dropped in training; 0 as in the paper"
    )

    @model_validator(mode="after")
    def _input_splits_in_two(self) -> Self:
        require_even_input(self.layers)
        return self


ModelConfig: TypeAlias = Annotated[GMFConfig | MLPConfig | NeuMFConfig, Field(discriminator="kind")]


def require_even_input(layers: tuple[int, ...]) -> None:
    """Raise ValueError unless the tower's input can be half user and half item."""
    if layers[0] % 2:
        raise ValueError(f"the first layer must be even (half user, half item embedding), got {layers[0]}")


L2_MEANING = "weight of the embeddings' squared length, as l2_over counts it"


class TrainingConfig(Settings):
    """How a model is trained; every model has defaults of its own below."""

    loss: Literal["bce", "mse", "least-squares", "bpr"] = Field(
        default="bce",
        description="bce: the paper's cross entropy; mse: squared error of the probability; least-squares: squared "
        "error of the score itself, with negatives: all the objective of iALS; bpr: each positive against its own "
        "negatives, for implicit feedback alone",
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam", description="adam, as in the paper; adamw decays all weights; sgd is plain (all fused)"
    )
    learning_rate: float = Field(default=0.003, gt=0.0, le=100.0, description="step size of the optimizer")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="learning rate over the epochs; linear and cosine fall to 0 at max_epochs"
    )
    weight_decay: float = Field(
        default=0.0, ge=0.0, le=1.0, description="adamw: share of every weight lost per step, times the learning rate"
    )
    gradient_clip: float | None = Field(
        default=None, gt=0.0, description="largest norm of a step's gradient; empty does not clip"
    )
    batch_size: int = Field(
        default=2048, ge=2, le=2**24, description="samples (positives and negatives together) per optimizer step"
    )
    num_negatives: int = Field(
        default=4, ge=1, le=100, description="negatives drawn anew each epoch per positive; the paper's best are 3 to 6"
    )
    negatives: Literal["uniform", "popularity", "all"] = Field(
        default="uniform",
        description="uniform: drawn evenly from the items that the user has not in train, as in the paper; popularity: "
        "drawn from them by how often an item is in train; all: none is drawn, every unobserved pair counts, and a "
        "step has batch_size / number of items users, at least one",
    )
    negatives_beta: float = Field(
        default=0.75,
        ge=0.0,
        le=10.0,
        description="popularity: an item's chance is its count in train to this power; 0 is uniform; 0.75 as word2vec "
        "has it",
    )
    unobserved_weight: float | None = Field(
        default=None,
        ge=0.0,
        description="all: weight of an unobserved pair against 1 of an observed one, as in iALS; empty: a user's "
        "unobserved pairs weigh together num_negatives times as much as the observed, as drawn ones would",
    )
    embedding_l2: float = Field(default=0.0, ge=0.0, description=L2_MEANING)
    l2_over: Literal["samples", "tables"] = Field(
        default="samples",
        description="samples: the embeddings in a batch, averaged over its samples, so that rare users and items are "
        "held back less; tables: all embeddings at every step, as the authors' code has it",
    )
    validate_by: Literal["full", "sampled"] = Field(
        default="full",
        description="protocol of the validation after each epoch, whose NDCG@10 picks the best one; sampled ranks the "
        "candidates alone, which takes a sixth of the time and says less",
    )
    max_epochs: int = Field(default=60, ge=0, le=100_000, description="passes over the positives at most")
    patience: int = Field(
        default=5, ge=1, description="epochs without a better validation NDCG@10 before training stops"
    )

    @model_validator(mode="after")
    def _negatives_fit(self) -> Self:
        if self.negatives == "all" and self.loss == "bpr":
            raise ValueError(
                "bpr needs drawn negatives (uniform or popularity); all goes with bce, mse and least-squares"
            )
        if self.negatives != "all" and self.unobserved_weight is not None:
            raise ValueError(f"unobserved_weight is for negatives: all, not {self.negatives}")
        return self

    @property
    def takes_labels(self) -> bool:
        """Whether the loss can tell labels apart, as explicit feedback needs it; bpr knows only observed or not."""
        return self.loss != "bpr"


class GMFTraining(TrainingConfig):
    """Training of GMF."""

    embedding_l2: float = Field(default=0.001, ge=0.0, description=L2_MEANING)


class MLPTraining(TrainingConfig):
    """Training of MLP."""

    embedding_l2: float = Field(default=0.0003, ge=0.0, description=L2_MEANING)


class NeuMFTraining(TrainingConfig):
    """Training of NeuMF from scratch."""

    embedding_l2: float = Field(default=0.001, ge=0.0, description=L2_MEANING)


class FineTuning(TrainingConfig):
    """Training of NeuMF after pretraining: short and careful (docs/decisions/pretraining.md)."""

    learning_rate: float = Field(default=0.0003, gt=0.0, le=100.0, description="step size of the optimizer")
    embedding_l2: float = Field(default=0.001, ge=0.0, description=L2_MEANING)


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
    """NeuMF that starts from the trained GMF and MLP: its shape is theirs."""

    alpha: float = Field(
        default=0.5, ge=0.0, le=1.0, description="share of GMF against MLP at the start (paper, eq. 13); 0.5 as there"
    )
    training: FineTuning = FineTuning()


Recipe: TypeAlias = GMFRecipe | MLPRecipe | NeuMFRecipe | PretrainedRecipe
ModelName: TypeAlias = Literal["gmf", "mlp", "neumf", "neumf-pretrained"]
RECIPES: Mapping[ModelName, type[Recipe]] = MappingProxyType(
    {"gmf": GMFRecipe, "mlp": MLPRecipe, "neumf": NeuMFRecipe, "neumf-pretrained": PretrainedRecipe}
)
