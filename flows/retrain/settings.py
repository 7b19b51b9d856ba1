"""The settings of the flows: one model for the Prefect form, `prefect deployment run -p`, and the command line."""

from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator

from flows.prepare.settings import DataSettings
from ncf.config import GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe, Settings, TrainingConfig
from ncf.evaluation.baselines import NEIGHBOURS, SHRINKAGE
from ncf.evaluation.promotion import PromotionConfig
from ncf.hardware import HardwareConfig

Recipe = TypeVar("Recipe", GMFRecipe, MLPRecipe, NeuMFRecipe, PretrainedRecipe)

NOT_LEARNED = frozenset(
    {"force", "hardware", "keep_versions", "promotion", "settings", "source", "top_k"}
)  # changing these gives the same models and figures


class ItemKNNSettings(Settings):
    """The baseline item-kNN: cosine similarity of items over their users."""

    enabled: bool = Field(default=True, description="measure it beside the models; costs a second or two")
    neighbours: int = Field(
        default=NEIGHBOURS,
        ge=1,
        le=10_000,
        description="nearest items kept per item; few keep the matrix of similarities small",
    )
    shrinkage: float = Field(
        default=SHRINKAGE,
        ge=0.0,
        le=1e6,
        description="added to the cosine's denominator, in users: items that few users share are alike by chance; "
        "0 is the plain cosine",
    )


class IALSSettings(Settings):
    """The baseline iALS: matrix factorisation over all unobserved pairs; needs the extra als."""

    enabled: bool = Field(default=True, description="measure it beside the models, if the extra als is installed")
    factors: int = Field(
        default=64, ge=1, le=4096, description="factors per user and item; twice GMF's, for it is quick"
    )
    regularization: float = Field(
        default=10.0,
        ge=0.0,
        le=1e6,
        description="weight of the factors' squared length; large, since it is summed over all pairs, not averaged",
    )
    alpha: float = Field(
        default=1.0, gt=0.0, le=1e6, description="weight of an observed pair against 1 of an unobserved one"
    )
    iterations: int = Field(
        default=15, ge=1, le=10_000, description="passes over users and items; 15 is implicit's own default"
    )


class BaselineSettings(Settings):
    """What the models are set beside, after popularity, which always is."""

    item_knn: ItemKNNSettings = ItemKNNSettings()
    ials: IALSSettings = IALSSettings()


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
    def _takes_the_labels(cls, recipe: Recipe, info: ValidationInfo) -> Recipe:
        data = info.data.get("data")  # None if it was refused itself
        if data is not None and data.feedback.kind == "explicit" and not recipe.training.takes_labels:
            raise ValueError(
                f"the loss {recipe.training.loss} takes no notice of the labels of explicit feedback; for "
                f"{info.field_name} choose bce, mse or least-squares, or implicit feedback"
            )
        return recipe

    def trainings(self) -> list[TrainingConfig]:
        """How each of the models is trained."""
        return [recipe.training for recipe in (self.gmf, self.mlp, self.neumf, self.neumf_pretrained)]


class RetrainSettings(ModelSettings):
    """Train GMF, MLP and NeuMF on a data set, compare them with the champion, register and promote the best."""

    settings: Literal["preset", "tuned", "defaults"] = Field(
        default="preset",
        description="what is not given here: preset: what ncf brings along for ml-100k and ml-1m, and the defaults for "
        "other data; tuned: each model's newest finished tuning of this data set, where there is one, else as preset; "
        "defaults: the defaults that are shown here",
    )
    force: bool = Field(default=False, description="train even if nothing has changed since the last retraining")
    warm_start: bool = Field(
        default=False,
        description="start the model that the champion is, if of the same shape, from the champion's weights; "
        "cheaper on a log that has grown",
    )
    top_k: int = Field(default=10, ge=1, le=1000, description="recommendations per user in the file")
    baselines: BaselineSettings = BaselineSettings()
    promotion: PromotionConfig = PromotionConfig()
    keep_versions: int = Field(
        default=10,
        ge=1,
        le=100_000,
        description="newest registered versions that keep their weights; older ones lose them, except the champion, "
        "the champion before it, and any with an alias; as many of the newest retrainings keep those of the models "
        "that did not win; 10 is a week and a half of nightly retrainings",
    )

    def shown(self) -> dict[str, Any]:
        """What a run says of itself: what is learned, from which source, and how it is promoted."""
        promotion = self.promotion.model_dump(mode="json")
        return {"source": self.log_source.model_dump(mode="json"), "promotion": promotion, **self.learned()}

    def learned(self) -> dict[str, Any]:
        """The settings that decide what the models and baselines become, as JSON values."""
        values = self.model_dump(mode="json", exclude=set(NOT_LEARNED))
        for name, baseline in values["baselines"].items():
            if not baseline["enabled"]:  # then its other settings decide nothing
                values["baselines"][name] = {"enabled": False}
        return values
