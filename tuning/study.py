"""Open a study: its database and its problem are made once, and found again."""

from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import RDBStorage

from tuning.config import PrunerConfig, SamplerConfig, StorageConfig
from tuning.problem import Problem


@dataclass(frozen=True)
class StudyHandle:
    """An open study.

    Attributes:
        name: of the study in its database.
        place: where the database is, in words; neither user nor password.
        problem: what is searched.
        sampler, pruner: how.
        study: Optuna's.
        storage: the database.
        config: heartbeats and patience.
        lock: a file of this machine, held while a worker decides on its next trial.
    """

    name: str
    place: str
    problem: Problem
    sampler: SamplerConfig
    pruner: PrunerConfig
    study: optuna.Study
    storage: RDBStorage
    config: StorageConfig
    lock: Path


def open_study(
    url: str,
    name: str,
    problem: Problem,
    sampler: SamplerConfig | None = None,
    pruner: PrunerConfig | None = None,
    config: StorageConfig | None = None,
) -> StudyHandle:
    """Open a study, or make it, with the problem's own settings queued as its first trial.

    Args:
        url: SQLAlchemy URL of the database, with its password if it has one (`config.url` is not looked at). SQLite
            files and their folders are made.
        name: of the study.
        problem: what is searched.
        sampler: how settings are chosen; may change from one opening to the next, as `pruner` may.
        pruner: what is given up early; without effect where there is a second objective.
        config: heartbeats and patience.

    Raises:
        StudyError: the database can't be reached, is locked, is no database, is of another Optuna version or has other
            tables; or the study is of other data, another space, or other settings, and the differences are named.
        ConfigError: the URL can't be read, or its driver is not installed.
    """
    raise NotImplementedError
