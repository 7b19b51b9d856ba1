"""Studies: opened or created, with the sampler and the pruner of the settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from filelock import FileLock
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from ncf.config import differences
from ncf.splitmix import derived_seed
from tuning.config import PrunerConfig, SamplerConfig, StorageConfig
from tuning.database import Database, StudyError, open_database
from tuning.problem import Problem

SAMPLER_STREAM = 7


def make_pruner(config: PrunerConfig, max_epochs: int) -> BasePruner:
    """Create the pruner; `max_epochs` is that of a complete training."""
    match config.kind:
        case "median":
            return MedianPruner(n_startup_trials=config.startup_trials, n_warmup_steps=config.warmup_epochs + 1)
        case "hyperband":
            first = max(1, config.warmup_epochs)
            return HyperbandPruner(min_resource=first, max_resource=max(first, max_epochs))
        case "none":
            return NopPruner()


class NumberedSampler(BaseSampler):
    """A sampler whose draws for a trial depend only on the seed, the trial's number and the study so far.

    Optuna's samplers draw the same numbers in every process with the same seed: a second worker, or a restarted one,
    would repeat the trials of the first. The points of a grid are queued (`tuning.recovery`), so that any number of
    workers run each of them once; nothing is drawn for them.
    """

    def __init__(self, config: SamplerConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.inner = self._make(0)

    def _make(self, number: int) -> BaseSampler:
        seed = derived_seed(self.seed, SAMPLER_STREAM, number) % 2**32
        match self.config.kind:
            case "tpe":
                return TPESampler(seed=seed, n_startup_trials=self.config.startup_trials)
            case "gp":
                return GPSampler(seed=seed, n_startup_trials=self.config.startup_trials)
            case "random" | "grid":
                return RandomSampler(seed=seed)

    @override
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.inner = self._make(trial.number)
        self.inner.before_trial(study, trial)

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(study, trial, search_space)

    @override
    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    @override
    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.inner.after_trial(study, trial, state, values)


IDENTITY = "ncf.identity"


@dataclass(frozen=True)
class StudyHandle:
    """An open study.

    Attributes:
        name: of the study in its database.
        problem: what is searched.
        sampler, pruner: how.
        study: Optuna's.
        database: where it is kept.
        config: heartbeats and timeouts.
    """

    name: str
    problem: Problem
    sampler: SamplerConfig
    pruner: PrunerConfig
    study: optuna.Study
    database: Database
    config: StorageConfig


def open_study(
    url: str,
    name: str,
    problem: Problem,
    sampler: SamplerConfig | None = None,
    pruner: PrunerConfig | None = None,
    config: StorageConfig | None = None,
) -> StudyHandle:
    """Open a study, or create it.

    Args:
        url: SQLAlchemy URL of the database, with its password if it has one (`config.url` is ignored). SQLite files
            and their folders are created.
        name: of the study.
        problem: what is searched.
        sampler: how settings are chosen; like `pruner`, it may differ from the last time.
        pruner: which trials are stopped early; no effect with a second objective.
        config: heartbeats and timeouts.

    Raises:
        StudyError: the database can't be reached, is locked, is not a database, has another Optuna version or other
            tables; or the study has other data, another space or other settings, which the message names.
        ConfigError: the URL can't be read, or its driver is not installed.
    """
    sampler, pruner, config = sampler or SamplerConfig(), pruner or PrunerConfig(), config or StorageConfig()
    database = open_database(url, config)
    with database.translated_errors(), FileLock(database.lock):
        study = optuna.create_study(
            storage=database.storage,
            sampler=NumberedSampler(sampler, problem.seed),
            pruner=make_pruner(pruner, problem.recipe.training.max_epochs),
            study_name=name,
            directions=["maximize"] if problem.second is None else ["maximize", "minimize"],
            load_if_exists=True,
        )
        _claim(study, problem, database.location)
    return StudyHandle(name, problem, sampler, pruner, study, database, config)


def _claim(study: optuna.Study, problem: Problem, location: str) -> None:
    """Record the identity of a new study, and refuse a study with another identity."""
    found, wanted = study.user_attrs.get(IDENTITY), problem.identity()
    if found is None and study.get_trials(deepcopy=False):
        raise StudyError(f"the study {study.study_name} in {location} was not created by ncf", do="choose another name")
    if found is None:
        study.set_user_attr(IDENTITY, wanted)
    elif different := differences(found, wanted):
        raise StudyError(
            f"the study {study.study_name} in {location} is another search: {', '.join(different)}",
            do="use the study's own data and settings, or choose another name for the study",
        )
