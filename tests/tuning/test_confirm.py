"""The winner beside the base settings: known answers, then real trainings."""

from pathlib import Path

import numpy as np
import pytest

from ncf.errors import ModelError
from ncf.evaluation.comparison import paired_difference
from tests.tuning.small_studies import GMF, gmf_problem, gmf_recipe, pretrained_problem
from tuning.confirm import Confirmed, compare_with_base, confirm_one, confirmation_seeds


def one(seed: int, *values: float) -> Confirmed:
    return Confirmed(seed, np.array(values), float(np.mean(values)), 5, 3, 1.0)


def test_the_gain_is_the_mean_over_seeds_paired_over_users() -> None:
    # users' means over seeds: winner 0.4, 0.6, 0.8; base 0.3, 0.4, 0.5; differences 0.1, 0.2, 0.3
    found = compare_with_base(
        [one(1, 0.2, 0.6, 1.0), one(2, 0.6, 0.6, 0.6)], [one(2, 0.3, 0.4, 0.5), one(1, 0.3, 0.4, 0.5)]
    )
    assert found.winner.value == pytest.approx(0.6)
    assert found.base.value == pytest.approx(0.4)
    assert found.gain.value == pytest.approx(0.2)
    assert found.gain == paired_difference(np.array([0.4, 0.6, 0.8]), np.array([0.3, 0.4, 0.5]))
    assert found.believed
    assert found.seeds == (1, 2)
    assert found.winner_scores == pytest.approx((0.6, 0.6))
    assert found.base_scores == pytest.approx((0.4, 0.4))


def test_a_winner_by_chance_is_not_believed() -> None:
    assert not compare_with_base([one(1, 0.2, 0.3)], [one(1, 0.3, 0.4)]).believed
    same = [one(1, 0.2, 0.3)]
    assert not compare_with_base(same, same).believed


@pytest.mark.parametrize(
    ("winner", "base"),
    [([], []), ([one(1, 0.5)], [one(2, 0.5)]), ([one(1, 0.5)], [one(1, 0.5, 0.5)]), ([one(1, 0.5)], [])],
)
def test_what_is_not_of_the_same_seeds_and_users_is_refused(winner: list[Confirmed], base: list[Confirmed]) -> None:
    with pytest.raises(ModelError, match="can't be compared"):
        compare_with_base(winner, base)


def test_seeds_are_not_that_of_the_search() -> None:
    assert confirmation_seeds(gmf_problem(seed=5)) == (6, 7, 8)
    assert confirmation_seeds(gmf_problem(seed=2**31 - 1), 2) == (0, 1)


def test_one_training_gives_a_value_for_each_user_and_comes_out_the_same_again() -> None:
    problem = gmf_problem()
    first, again, other = (confirm_one(problem, GMF, seed) for seed in (1, 1, 2))
    assert first.values.shape == (len(problem.data.validation),)
    assert first.score == pytest.approx(first.values.mean())
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_a_much_better_recipe_is_believed() -> None:
    problem = gmf_problem(recipe=gmf_recipe(max_epochs=0))  # never trained
    better = gmf_recipe(max_epochs=6)
    found = compare_with_base(
        *([confirm_one(problem, recipe, seed) for seed in (1, 2)] for recipe in (better, problem.recipe))
    )
    assert found.believed
    assert found.gain.low > 0


def test_the_parts_of_neumf_have_the_seed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCF_CACHE_DIR", str(tmp_path))
    problem = pretrained_problem()
    confirm_one(problem, problem.recipe, 1)
    confirm_one(problem, problem.recipe.model_copy(update={"alpha": 0.2}), 1)
    assert len(list((tmp_path / "parts").glob("[!.]*"))) == 2
    confirm_one(problem, problem.recipe, 2)
    assert len(list((tmp_path / "parts").glob("[!.]*"))) == 4
