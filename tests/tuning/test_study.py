"""A study is made once, found again, and refused where it is about something else."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from ncf.errors import NCFError
from tests.ncf.toy_data import checkerboard
from tests.tuning.small_studies import QUICK, RATE, SPACE, gmf_problem, sqlite
from tuning.database import StudyError
from tuning.problem import Problem
from tuning.ranges import FloatRange
from tuning.study import IDENTITY, StudyHandle, open_study


def opened(folder: Path, problem: Problem | None = None, name: str = "board") -> StudyHandle:
    return open_study(sqlite(folder), name, problem or gmf_problem(), config=QUICK)


def test_a_study_is_made_once_and_found_again(tmp_path: Path) -> None:
    first, again = opened(tmp_path), opened(tmp_path)
    assert first.study.user_attrs[IDENTITY] == gmf_problem().identity()
    assert [study.study_name for study in again.database.storage.get_all_studies()] == ["board"]


def test_two_studies_share_a_database(tmp_path: Path) -> None:
    opened(tmp_path), opened(tmp_path, gmf_problem(seed=1), "other")
    assert len(opened(tmp_path).database.storage.get_all_studies()) == 2


def test_a_study_of_other_data_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    opened(tmp_path)
    other = checkerboard()
    other.train.items[[0, 1]] = other.train.items[[1, 0]]
    theirs, ours = checkerboard().fingerprint, other.fingerprint
    with pytest.raises(StudyError, match=f"another search: data '{theirs}' there, '{ours}' here; what to do"):
        opened(tmp_path, Problem("gmf", gmf_problem().recipe, SPACE, other))


def test_a_study_of_another_space_is_refused_with_the_difference(tmp_path: Path) -> None:
    opened(tmp_path)
    wide = {**SPACE, RATE: FloatRange(low=0.001, high=0.5, log=True)}
    with pytest.raises(StudyError, match=r"space.training.learning_rate.high 0\.05 there, 0\.5 here"):
        opened(tmp_path, gmf_problem(wide))
    with pytest.raises(StudyError, match=r"space.training.learning_rate.high 0\.05 there, None here"):
        opened(tmp_path, gmf_problem({"training.schedule": SPACE["training.schedule"]}))


def test_a_study_of_another_seed_or_second_objective_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(StudyError, match="seed 0 there, 1 here"):
        opened(tmp_path, gmf_problem(seed=1))
    with pytest.raises(StudyError, match="second None there, 'size' here"):
        opened(tmp_path, gmf_problem(second="size"))


def test_a_study_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    foreign = optuna.create_study(storage=sqlite(tmp_path), study_name="board")
    foreign.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(StudyError, match="was not created by ncf; what to do: choose another name"):
        opened(tmp_path)


def test_a_study_whose_maker_was_killed_before_it_said_what_it_is_about_is_taken(tmp_path: Path) -> None:
    optuna.create_study(storage=sqlite(tmp_path), study_name="board", direction="maximize")
    assert opened(tmp_path).study.user_attrs[IDENTITY] == gmf_problem().identity()


def test_a_refused_study_is_left_as_it_was(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(NCFError):
        opened(tmp_path, replace(gmf_problem(), seed=1))
    assert opened(tmp_path).study.user_attrs[IDENTITY] == gmf_problem().identity()
