"""Open a study: its database and its problem are made once, and found again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from filelock import FileLock

from ncf.content import flatten
from tuning.config import PrunerConfig, SamplerConfig, StorageConfig
from tuning.database import Database, open_database
from tuning.errors import StudyError
from tuning.problem import Problem
from tuning.samplers import NumberedSampler, make_pruner

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
        config: heartbeats and patience.
    """

    name: str
    problem: Problem
    sampler: SamplerConfig
    pruner: PrunerConfig
    study: optuna.Study
    database: Database
    config: StorageConfig

    @property
    def place(self) -> str:
        """Where the database is, in words; neither user nor password."""
        return self.database.place


def open_study(
    url: str,
    name: str,
    problem: Problem,
    sampler: SamplerConfig | None = None,
    pruner: PrunerConfig | None = None,
    config: StorageConfig | None = None,
) -> StudyHandle:
    """Open a study, or make it.

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
    sampler, pruner, config = sampler or SamplerConfig(), pruner or PrunerConfig(), config or StorageConfig()
    database = open_database(url, config)
    with database.told(), FileLock(database.lock):
        study = optuna.create_study(
            storage=database.storage,
            sampler=NumberedSampler(sampler, problem.seed),
            pruner=make_pruner(pruner, problem.recipe.training.max_epochs),
            study_name=name,
            directions=["maximize"] if problem.second is None else ["maximize", "minimize"],
            load_if_exists=True,
        )
        _claim(study, problem, database.place)
    return StudyHandle(name, problem, sampler, pruner, study, database, config)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What two identities differ in, as words; JSON values."""
    flat_there, flat_here = flatten(there), flatten(here)
    return [
        f"{name} {flat_there.get(name)!r} there, {flat_here.get(name)!r} here"
        for name in sorted(flat_there.keys() | flat_here.keys())
        if flat_there.get(name) != flat_here.get(name)
    ]


def _claim(study: optuna.Study, problem: Problem, place: str) -> None:
    """Note what a new study is about, and refuse one that is about something else."""
    found, wanted = study.user_attrs.get(IDENTITY), problem.identity()
    if found is None and study.get_trials(deepcopy=False):
        raise StudyError(f"the study {study.study_name} in {place} is not one of ncf's", do="choose another name")
    if found is None:
        study.set_user_attr(IDENTITY, wanted)
    elif different := differences(found, wanted):
        raise StudyError(
            f"the study {study.study_name} in {place} is of another search: {', '.join(different)}",
            do="go on with its own data and settings, or choose another name for the study",
        )
