"""Samplers and pruners: ours by their settings, Optuna's to do the work."""

from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from ncf.data.splitmix import derived_seed
from tuning.config import PrunerConfig, SamplerConfig

SAMPLER_STREAM = 7


def make_pruner(config: PrunerConfig, max_epochs: int) -> BasePruner:
    """The pruner of the settings.

    Args:
        config: which.
        max_epochs: of a whole training.
    """
    match config.kind:
        case "median":
            return MedianPruner(n_startup_trials=config.startup_trials, n_warmup_steps=config.warmup_epochs + 1)
        case "hyperband":
            first = max(1, config.warmup_epochs)
            return HyperbandPruner(min_resource=first, max_resource=max(first, max_epochs))
        case "none":
            return NopPruner()


class NumberedSampler(BaseSampler):
    """A sampler whose draws for a trial depend on the seed, the trial's number and the study so far alone.

    Optuna's own samplers draw the same again in every process with the same seed: a second worker, or the same one
    started again, would repeat the first one's trials. Grids are queued, so that every point is run once whatever the
    number of workers (`tuning.recovery`); what is left to draw for them is nothing.
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
