"""The settings of a retraining, for the Prefect form, `prefect deployment run -p`, and the command line."""

from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator

from flows.prepare.settings import DataSettings
from ncf.config import GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe, RecencyConfig, Settings, TrainingConfig
from ncf.evaluation.config import EASE_L2, NEIGHBOURS, SHRINKAGE, PromotionConfig
from ncf.hardware import HardwareConfig

Recipe = TypeVar("Recipe", GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe)

NOT_LEARNED = frozenset(
    {"engine", "force", "hardware", "keep_versions", "promotion", "refold", "settings", "source", "top_k"}
)  # these change neither models nor metrics


class ItemKNNSettings(Settings):
    """The baseline item-kNN: cosine similarity of items over their users."""

    enabled: bool = Field(default=True, description="measure this baseline, in a second or two")
    neighbours: int = Field(
        default=NEIGHBOURS,
        ge=1,
        le=10_000,
        description="nearest items per item; fewer make the similarity matrix smaller",
    )
    shrinkage: float = Field(
        default=SHRINKAGE,
        ge=0.0,
        le=1e6,
        description="added to the cosine's denominator, in users; lowers the similarity of items with few common "
        "users; 0 is the plain cosine",
    )


class EASESettings(Settings):
    """The baseline EASE: a weight from each item to each other, in closed form."""

    enabled: bool = Field(default=True, description="measure this baseline if the catalogue is small enough for it")
    l2: float = Field(default=EASE_L2, gt=0.0, le=1e9, description="weight of the squared length of the items' weights")
    max_items: int = Field(
        default=10_000,
        ge=1,
        description="largest catalogue that is measured; 10,000 items take 2.4 GB (24 bytes for each pair of items), "
        "and the time grows with the cube",
    )


class IALSSettings(Settings):
    """The baseline iALS: matrix factorization over all unobserved pairs; needs the extra als."""

    enabled: bool = Field(default=True, description="measure this baseline if the extra als is installed")
    factors: int = Field(default=64, ge=1, le=4096, description="factors per user and item")
    regularization: float = Field(
        default=10.0,
        ge=0.0,
        le=1e6,
        description="L2 weight of the factors; large, since the loss is summed over all pairs, not averaged",
    )
    alpha: float = Field(
        default=1.0, gt=0.0, le=1e6, description="weight of an observed pair; an unobserved pair has 1"
    )
    iterations: int = Field(
        default=15,
        ge=1,
        le=10_000,
        description="passes over users and items; 15 is the default of implicit",
    )


class BaselineSettings(Settings):
    """The baselines beside popularity, which is always measured."""

    item_knn: ItemKNNSettings = ItemKNNSettings()
    ease: EASESettings = EASESettings()
    ials: IALSSettings = IALSSettings()
    recency: RecencyConfig = Field(
        default=RecencyConfig(), description="of all baselines but popularity, as training.recency is of a model"
    )


class ModelSettings(DataSettings):
    """A data set, and how each of the four models is built and trained on it."""

    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of initial values, shuffling, negatives and dropout")
    gmf: GMFRecipe = GMFRecipe()
    mlp: MLPRecipe = MLPRecipe()
    neumf: NeuMFRecipe = NeuMFRecipe()
    neumf_pretrained: PretrainedRecipe = PretrainedRecipe()
    hardware: HardwareConfig = HardwareConfig()

    @field_validator("gmf", "mlp", "neumf", "neumf_pretrained", mode="after")
    @classmethod
    def _uses_labels(cls, recipe: Recipe, info: ValidationInfo) -> Recipe:
        data = info.data.get("data")  # None if it was refused itself
        if data is not None and data.feedback.kind == "explicit" and not recipe.training.takes_labels:
            raise ValueError(
                f"the loss {recipe.training.loss} ignores the labels of explicit feedback; for {info.field_name} "
                "choose bce, mse or least-squares, or use implicit feedback"
            )
        return recipe

    def trainings(self) -> list[TrainingConfig]:
        """The training settings of each model."""
        return [recipe.training for recipe in (self.gmf, self.mlp, self.neumf, self.neumf_pretrained)]


class RetrainSettings(ModelSettings):
    """Train GMF, MLP and NeuMF on a data set, compare them with the champion, register and promote the best."""

    settings: Literal["preset", "tuned", "defaults"] = Field(
        default="preset",
        description="where settings that are not given come from. preset: the settings for ml-100k and ml-1m that come "
        "with ncf, and the defaults for other data; tuned: each model's newest finished tuning of this data set, and "
        "the preset for models without one; defaults: the defaults shown here",
    )
    force: bool = Field(default=False, description="train even if nothing has changed since the last retraining")
    warm_start: bool = Field(
        default=False,
        description="start the champion's kind of model from the champion's weights, if it has the same shape; "
        "cheaper on a log that has grown",
    )
    refit: bool = Field(
        default=True,
        description="train the new champion again on train, validation and test together before it serves: one "
        "training more; the figures stay those of its twin, which has not seen the holdouts",
    )
    refold: Literal["measured", "always", "never"] = Field(
        default="measured",
        description="whether users who have more items than the champion has learned of are folded in from all their "
        "items. measured: if that is better on the validation holdout",
    )
    top_k: int = Field(default=10, ge=1, le=1000, description="recommendations per user in the file")
    baselines: BaselineSettings = BaselineSettings()
    promotion: PromotionConfig = PromotionConfig()
    keep_versions: int = Field(
        default=10,
        ge=1,
        le=100_000,
        description="number of the newest registered versions, and of the newest retrainings, whose models keep their "
        "weights; the champion, the one before it, those that promotion.anchor_days needs, and versions with an alias "
        "always keep theirs; 10 is a week and a half of nightly retrainings",
    )

    def params(self) -> dict[str, Any]:
        """The parameters of the MLflow run: source, promotion, and all that decides what is learned."""
        promotion = self.promotion.model_dump(mode="json")
        return {"source": self.log_source.model_dump(mode="json"), "promotion": promotion, **self.learned()}

    def learned(self) -> dict[str, Any]:
        """The settings that decide what is learned, as JSON values."""
        values = self.model_dump(mode="json", exclude=set(NOT_LEARNED))
        for name, baseline in values["baselines"].items():
            if not baseline.get("enabled", True):  # then its other settings have no effect
                values["baselines"][name] = {"enabled": False}
        return values
