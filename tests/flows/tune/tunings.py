"""Tunings of a few trials, and tunings written by hand."""

from typing import Any

from flows.tracking.tuned_settings import Gain, Tuned, Tuning
from flows.tune.settings import TuneSettings
from tests.flows.conftest import quick

SPACE: dict[str, Any] = {
    "gmf.training.learning_rate": {"low": 0.005, "high": 0.02, "log": True},
    "gmf.training.num_negatives": {"low": 2, "high": 6},
    **{f"gmf.{name}": None for name in ("model.embedding_dim", "training.embedding_l2", "training.batch_size")},
    **{f"gmf.{name}": None for name in ("training.schedule", "training.max_epochs")},
}


def short_tuning(**changes: Any) -> TuneSettings:
    """The same data and models as the short retraining, and four trials."""
    shared = quick().model_dump(include={"data", "gmf", "mlp", "neumf", "neumf_pretrained"}, exclude_unset=True)
    values = {
        "model": "gmf",
        "start": "defaults",
        "space": SPACE,
        "budget": {"trials": 4},
        "confirm_seeds": 2,
        "sampler": {"kind": "random"},
    }
    return TuneSettings.model_validate(shared | values | changes)


def grid_search(**choices: list[Any]) -> dict[str, Any]:
    """Every combination of some training settings of GMF, and nothing else."""
    off = dict.fromkeys(SPACE)
    space = off | {f"gmf.training.{name}": {"choices": values} for name, values in choices.items()}
    return {"space": space, "sampler": {"kind": "grid"}, "budget": {"trials": 20}, "confirm_seeds": 1}


GMF: dict[str, Any] = {"model": {"embedding_dim": 8}, "training": {"learning_rate": 0.02, "num_negatives": 6}}


def tuned(model: str, recipe: dict[str, Any], parts: dict[str, Any] | None = None) -> Tuned:
    return Tuned(
        model=model,
        dataset="ml-100k",
        recipe=recipe,
        winner=recipe,
        base={},
        searched=["training.learning_rate"],
        parts=parts,
        believed=True,
        gain=Gain(mean=0.01, low=0.0, high=0.02),
        winner_mean=0.1,
        base_mean=0.09,
        score=0.11,
        base_score=0.1,
        trial=3,
        trials={"complete": 5},
        seed=0,
        confirm_seeds=[1, 2, 3],
        study="a study",
        storage="sqlite",
        fingerprint="f",
        ncf_version="0.1.0",
        commit=None,
        date="2026-11-24T00:00:00+00:00",
    )


def tuning(model: str, recipe: dict[str, Any], parts: dict[str, Any] | None = None) -> Tuning:
    return Tuning(f"run of {model}", tuned(model, recipe, parts))
