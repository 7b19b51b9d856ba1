"""Baseline jobs: search settings on validation, fit on train and validation, evaluate the test."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna

from benchmarks.ours.logs import prepared
from benchmarks.ours.quality import test_metrics
from ncf.data.prepared import PreparedData
from ncf.evaluation.baselines import EASE, IALS, ItemKNN, Popularity
from ncf.evaluation.metrics import Values
from ncf.evaluation.ranking import HoldoutRanker, Scorer

Job = dict[str, Any]
SPACES: Mapping[str, Callable[[optuna.Trial], dict[str, Any]]] = MappingProxyType(
    {
        "popularity": lambda trial: {},
        "item-knn": lambda trial: {
            "neighbours": trial.suggest_int("neighbours", 5, 1000, log=True),
            "shrinkage": trial.suggest_float("shrinkage", 0.0, 200.0),
        },
        "ease": lambda trial: {"l2": trial.suggest_float("l2", 10.0, 5000.0, log=True)},
        "ials": lambda trial: {
            "factors": trial.suggest_categorical("factors", [32, 64, 128, 192, 256]),
            "regularization": trial.suggest_float("regularization", 0.1, 300.0, log=True),
            "alpha": trial.suggest_float("alpha", 0.3, 40.0, log=True),
            "iterations": trial.suggest_int("iterations", 5, 30),
        },
    }
)


def search_baseline(job: Job) -> dict[str, Any]:
    """Search a baseline's settings; an interrupted search resumes. job: log, kind, protocol, trials, seed, folder."""
    data = prepared(job["log"])
    ranker = HoldoutRanker(data, "validation")
    suggest = SPACES[job["kind"]]

    def objective(trial: optuna.Trial) -> float:
        return float(_ndcg(ranker, fitted(job["kind"], suggest(trial), data, job["seed"]), job["protocol"]).mean())

    folder = Path(job["folder"]) / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{job['kind']}-{job['protocol']}-{data.fingerprint[:16]}-{job['seed']}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / name}.db",
        study_name=name,
        sampler=optuna.samplers.TPESampler(seed=job["seed"]),
        direction="maximize",
        load_if_exists=True,
    )
    trials = job["trials"] if job["kind"] != "popularity" else 1
    done = len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    study.optimize(objective, n_trials=max(0, trials - done))
    return {"values": study.best_params, "score": study.best_value}


def final_baseline(job: Job) -> dict[str, Any]:
    """job: log, kind, values, seed."""
    data = prepared(job["log"])
    scorer = fitted(job["kind"], job["values"], data.refitted(), job["seed"])
    return dict(test_metrics(HoldoutRanker(data, "test").rank_all(scorer)))


def fitted(kind: str, values: Mapping[str, Any], data: PreparedData, seed: int) -> Scorer:
    """A baseline with its settings."""
    match kind:
        case "popularity":
            return Popularity(data)
        case "item-knn":
            return ItemKNN(data, **values)
        case "ease":
            return EASE(data, **values)
        case _:
            return IALS(data, **values, seed=seed)


def _ndcg(ranker: HoldoutRanker, scorer: Scorer, protocol: str) -> Values:
    return ranker.rank_all(scorer).values()[f"{protocol}/ndcg_at_10"]
