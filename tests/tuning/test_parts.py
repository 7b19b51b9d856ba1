"""Trained parts: from the cache where they are, trained once where they are not, damaged ones again."""

import multiprocessing
from pathlib import Path

import pytest
import torch

from ncf.config import GMFRecipe, MLPRecipe
from ncf.models.neumf import NeuMF
from ncf.training.fit import fit
from tests.ncf.toy_data import checkerboard
from tests.ncf.training.small_models import same_weights
from tests.tuning.small_studies import GMF, MLP, QUICK, Notes, gmf_recipe, pretrained_problem, sqlite
from tuning.config import BudgetConfig
from tuning.parts import ABOUT, WEIGHTS, initial_model, part_key, trained_part, trained_parts
from tuning.problem import Problem
from tuning.ranges import FloatRange
from tuning.study import open_study
from tuning.work import run_trials


@pytest.mark.parametrize("recipe", [GMF, MLP])
def test_the_second_time_the_weights_come_from_the_cache(tmp_path: Path, recipe: GMFRecipe | MLPRecipe) -> None:
    first, again = (trained_part(recipe, checkerboard(), 3, folder=tmp_path) for _ in range(2))
    assert (first.trained, again.trained) == (True, False)
    assert same_weights(first.model, again.model)
    assert (again.best_validation, again.epochs, again.best_epoch) == (
        first.best_validation,
        first.epochs,
        first.best_epoch,
    )
    assert not again.model.training


def test_a_part_is_what_fit_makes(tmp_path: Path) -> None:
    data = checkerboard()
    part = trained_part(GMF, data, 3, folder=tmp_path)
    problem = Problem("gmf", GMF, {"training.learning_rate": FloatRange(low=0.01, high=0.1)}, data)
    alone = fit(initial_model(problem, GMF, 3, None), data, GMF.training, seed=3)
    assert same_weights(part.model, alone.model)


def test_other_settings_seeds_and_data_are_other_parts() -> None:
    data, other = checkerboard(), checkerboard()
    other.train.items[[0, 1]] = other.train.items[[1, 0]]
    keys = {
        part_key(GMF, data, 3),
        part_key(gmf_recipe(learning_rate=0.01), data, 3),
        part_key(MLP, data, 3),
        part_key(GMF, data, 4),
        part_key(GMF, other, 3),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("name", [WEIGHTS, ABOUT])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_part_is_trained_again(tmp_path: Path, name: str, damage: str) -> None:
    first = trained_part(GMF, checkerboard(), 3, folder=tmp_path)
    [file] = tmp_path.glob(f"*/{name}")
    whole = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "changed":
            file.write_bytes(whole[:-9] + b"123456789")
        case "gone":
            file.unlink()
    again = trained_part(GMF, checkerboard(), 3, folder=tmp_path)
    assert again.trained
    assert same_weights(first.model, again.model)
    assert not trained_part(GMF, checkerboard(), 3, folder=tmp_path).trained


def _trained(folder: Path) -> bool:
    torch.set_num_threads(1)
    return trained_part(GMF, checkerboard(), 3, folder=folder).trained


@pytest.mark.slow
def test_of_two_processes_one_trains_and_the_other_waits(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert sorted(pool.map(_trained, [tmp_path] * 2)) == [False, True]


def test_neumf_of_parts_starts_from_both_and_trains_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCF_CACHE_DIR", str(tmp_path / "cache"))
    problem = pretrained_problem()
    notes = Notes()
    run_trials(open_study(sqlite(tmp_path), "board", problem, config=QUICK), BudgetConfig(trials=2), notes)
    assert [outcome.state for outcome in notes.outcomes] == ["complete"] * 2
    kept = sorted(path.name for path in (tmp_path / "cache" / "parts").glob("[!.]*"))
    assert kept == sorted(part_key(part, problem.data, problem.seed) for part in (GMF, MLP))

    parts = trained_parts(problem, problem.seed)
    assert parts is not None
    users, items = torch.arange(5), torch.arange(10).reshape(5, 2)
    fused = initial_model(problem, problem.recipe.model_copy(update={"alpha": 0.25}), 0, parts)
    assert isinstance(fused, NeuMF)
    wanted = 0.25 * parts[0](users, items) + 0.75 * parts[1](users, items)
    assert torch.allclose(fused(users, items), wanted, atol=1e-6)
