"""A new model takes over what an older one knows of the users and items that are still there."""

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.models.build import carry_over
from ncf.training.fit import fit
from tests.ncf.toy_data import literal_data
from tests.ncf.training.small_models import GMF_KIND, KINDS, LEARN, NEUMF_KIND, new_model, state, validation_ndcg

OLD_USERS, OLD_ITEMS = np.array([30, 10, 40]), np.array([5, 0, 99, 1, 98, 97])  # 20, 2, 3 and 4 are new


@pytest.mark.parametrize("kind", [GMF_KIND, NEUMF_KIND])
def test_known_rows_are_taken_and_new_ones_stay_fresh(kind: str, literal: PreparedData) -> None:
    old, model, fresh = (new_model(kind, literal, seed=seed) for seed in (1, 2, 2))
    carry_over(model, old, OLD_USERS, OLD_ITEMS, literal)
    before, after, theirs = state(fresh), state(model), state(old)
    prefix = "" if kind == GMF_KIND else "gmf."
    users, items = f"{prefix}user_embedding.weight", f"{prefix}item_embedding.weight"
    assert torch.equal(after[users], torch.stack([theirs[users][1], before[users][1], theirs[users][0]]))
    expected = [theirs[items][1], theirs[items][3], *before[items][2:5], theirs[items][0]]
    assert torch.equal(after[items], torch.stack(expected))
    assert torch.equal(after[f"{prefix}head"], theirs[f"{prefix}head"])


def test_the_older_model_is_left_as_it_was(literal: PreparedData) -> None:
    old = new_model(NEUMF_KIND, literal, seed=1)
    before = state(old)
    carry_over(new_model(NEUMF_KIND, literal, seed=2), old, OLD_USERS, OLD_ITEMS, literal)
    assert all(torch.equal(value, before[name]) for name, value in old.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_same_data_it_starts_where_the_older_one_ended(kind: str, board: PreparedData) -> None:
    old = fit(new_model(kind, board), board, LEARN, seed=0)
    model = new_model(kind, board, seed=3)
    carry_over(model, old.model, board.user_ids, board.item_ids, board)
    assert validation_ndcg(model.eval(), board) == pytest.approx(old.best_validation, abs=1e-6)
    assert fit(model, board, LEARN, seed=3).best_validation >= old.best_validation - 1e-6


def test_text_ids_are_matched_as_well() -> None:
    data = literal_data(("a", "b", "c"), ("u", "v", "w", "x", "y", "z"))
    old, model = new_model(GMF_KIND, data, seed=1), new_model(GMF_KIND, data, seed=2)
    carry_over(model, old, np.array(["c", "b", "a"], dtype=object), data.item_ids, data)
    reversed_rows = state(old)["user_embedding.weight"].flip(0)
    assert torch.equal(state(model)["user_embedding.weight"], reversed_rows)


def test_a_model_of_another_kind_is_refused(literal: PreparedData) -> None:
    with pytest.raises(ModelError, match="another shape"):
        carry_over(new_model(GMF_KIND, literal), new_model(NEUMF_KIND, literal), OLD_USERS, OLD_ITEMS, literal)
