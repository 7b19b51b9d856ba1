"""A user known by items alone, on a pattern that is known: even users have the even items, odd users the odd ones."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig, RecencyConfig, TrainingConfig
from ncf.models.gmf import GMF
from ncf.serving import fold_in as module
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn, training_of
from ncf.training.fit import fit
from tests.ncf.serving.bundles import bundle_of, every_model, some_data
from tests.ncf.toy_data import BOARD_EVALUATED, BOARD_ITEMS, checkerboard
from tests.ncf.training.small_models import GMF_KIND, KINDS, LEARN, MLP_KIND, new_model

LAYERS = (16, 16, 8)
SHAPES: dict[str, ModelConfig] = {GMF_KIND: GMFConfig(embedding_dim=8), MLP_KIND: MLPConfig(layers=LAYERS)}
L2 = LEARN.model_copy(update={"embedding_l2": 0.001})


@cache
def learned(kind: str, config: TrainingConfig = L2) -> Bundle:
    board = checkerboard()
    model = fit(new_model(kind, board), board, config, seed=0).model
    shape = SHAPES.get(kind, NeuMFConfig(embedding_dim=8, layers=LAYERS))
    return Bundle.of(model, shape, board, settings={"training": config.model_dump(mode="json")})


def train_items(user: int) -> torch.Tensor:
    train = checkerboard().train
    return torch.as_tensor(train.items[train.users == user])


def best_unseen(scores: torch.Tensor, items: torch.Tensor, k: int = 2) -> set[int]:
    scores = scores.clone()
    scores[items] = -torch.inf
    return set(scores.topk(k).indices.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_known_users_by_their_train_items_get_what_they_get_by_their_own_vector(kind: str) -> None:
    bundle = learned(kind)
    fold = FoldIn(bundle)
    same, held_out = [], []
    for user in range(BOARD_EVALUATED):
        items = train_items(user)
        folded = best_unseen(fold.scores(items), items)
        with torch.inference_mode():
            own = best_unseen(bundle.model.score_all(torch.tensor([user]))[0], items)
        colour = set(range(user % 2, BOARD_ITEMS, 2))
        same.append(len(folded & own) / 2)
        held_out.append(len(folded & (colour - set(items.tolist()))) / 2)
    assert np.mean(same) > 0.85, "of 22 unseen items the same two"
    assert np.mean(held_out) > 0.85, "the two that were held out; one of 11 by chance"


@pytest.mark.parametrize("kind", KINDS)
def test_five_items_are_enough_to_tell_the_colour(kind: str) -> None:
    fold = FoldIn(learned(kind))
    for first in (0, 1):
        items = torch.arange(first, 10, 2)
        assert all(item % 2 == first for item in best_unseen(fold.scores(items), items, 10))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "mse"},
        {"loss": "bpr"},
        {"negatives": "popularity"},
        {"negatives": "all"},
        {"negatives": "all", "unobserved_weight": 0.5},
        {"negatives": "all", "unobserved_weight": 0.5, "loss": "least-squares"},
        {"l2_over": "tables", "embedding_l2": 1e-5},
    ],
    ids=str,
)
def test_every_way_of_training_can_be_folded_into(changes: dict[str, Any]) -> None:
    fold = FoldIn(learned(GMF_KIND, L2.model_copy(update=changes)))
    for user in (0, 1):
        items = train_items(user)
        assert best_unseen(fold.scores(items), items) == set(range(user, BOARD_ITEMS, 2)) - set(items.tolist())


def test_the_vector_minimises_the_users_own_share_of_the_training_loss() -> None:
    bundle = learned(GMF_KIND)
    items = train_items(BOARD_EVALUATED + 1)
    model = FoldIn(bundle).fitted(items)
    assert isinstance(model, GMF)
    found = model.user_embedding.weight[0].detach().double()
    # by hand: a logistic regression on h * q, with all other items as negatives, solved by Newton's method
    weights = bundle.model.state_dict()
    features = (weights["item_embedding.weight"] * weights["head"]).double()
    labels = torch.zeros(BOARD_ITEMS, dtype=torch.float64)
    labels[items] = 1
    share = torch.where(labels == 1, 1 / len(items), 4 / (BOARD_ITEMS - len(items))).double() / 5
    vector = torch.zeros(8, dtype=torch.float64)
    for _ in range(50):
        probability = torch.sigmoid(features @ vector + weights["bias"].double())
        gradient = features.T @ (share * (probability - labels)) + 2 * L2.embedding_l2 * vector
        curvature = features.T @ (features * (share * probability * (1 - probability))[:, None])
        vector -= torch.linalg.solve(curvature + 2 * L2.embedding_l2 * torch.eye(8, dtype=torch.float64), gradient)

    def loss(at: torch.Tensor) -> float:
        logits = features @ at + weights["bias"].double()
        samples = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return float(share @ samples + L2.embedding_l2 * at.square().sum())

    start_loss = loss(weights["user_embedding.weight"].double().mean(dim=0))
    assert loss(found) - loss(vector) < 0.02 * (start_loss - loss(vector)), "nearly all the way, in ten steps"


def test_an_item_that_nobody_has_in_train_is_a_negative_as_one_that_one_user_has() -> None:
    counts = np.array([0, 1, *[5] * (BOARD_ITEMS - 2)])
    bundle = learned(GMF_KIND, L2.model_copy(update={"negatives": "popularity"}))
    scores = [
        FoldIn(replace(bundle, item_counts=np.maximum(counts, least))).scores(torch.tensor([4, 6])) for least in (0, 1)
    ]
    assert torch.equal(*scores)


@every_model
def test_the_same_items_give_the_same_bits_in_any_order(config: ModelConfig) -> None:
    fold = FoldIn(bundle_of(some_data(), config))
    items = torch.tensor([3, 1, 7, 4])
    first = fold.scores(items)
    fold.scores(torch.tensor([2]))
    torch.manual_seed(5)
    for again in (items, items.flip(0), torch.cat([items, items])):
        assert torch.equal(fold.scores(again), first)


def test_with_recency_the_last_item_is_the_newest() -> None:
    config = L2.model_copy(update={"recency": RecencyConfig(half_life=0.5, floor=0.01)})
    bundle = learned(GMF_KIND, config)
    timeless, fold = FoldIn(bundle), FoldIn(replace(bundle, history=replace(bundle.history, last_time=1)))
    even, odd = torch.tensor([2, 6, 10]), torch.tensor([3, 7, 11])
    for older, newer in ((even, odd), (odd, even)):
        best = best_unseen(fold.scores(torch.cat([older, newer])), torch.cat([older, newer]))
        assert {item % 2 for item in best} == {int(newer[0]) % 2}
    again = torch.cat([odd, even, odd])  # the newest place of each counts
    assert torch.equal(fold.scores(again), fold.scores(torch.cat([even, odd])))
    assert torch.equal(timeless.scores(torch.cat([odd, even])), timeless.scores(torch.cat([even, odd])))


@every_model
def test_the_model_itself_is_untouched_and_can_still_be_trained(config: ModelConfig) -> None:
    bundle = bundle_of(some_data(), config)
    before = {name: value.clone() for name, value in bundle.model.state_dict().items()}
    folded = FoldIn(bundle).fitted(torch.tensor([3, 1]))
    assert all(torch.equal(value, before[name]) for name, value in bundle.model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in bundle.model.parameters())
    own, its = dict(bundle.model.named_parameters()), dict(folded.named_parameters())
    for name in own:
        shared = own[name].data_ptr() == its[name].data_ptr()
        assert shared is ("user_embedding" not in name), "the items' tables are not copied"


def test_a_large_catalogue_is_fitted_on_a_part_that_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OTHERS", 15)
    bundle = learned(GMF_KIND)
    items = train_items(0)
    first, again = (FoldIn(bundle).scores(items) for _ in range(2))
    assert torch.equal(first, again)
    assert best_unseen(first, items) == set(range(0, BOARD_ITEMS, 2)) - set(items.tolist())
    monkeypatch.setattr(module, "MOST_OTHERS", BOARD_ITEMS)
    assert not torch.equal(FoldIn(bundle).scores(items), first)


def test_all_items_and_a_model_without_learned_users_are_no_error() -> None:
    bundle = bundle_of(some_data())
    assert torch.isfinite(FoldIn(bundle).scores(torch.arange(18))).all()
    nobody = replace(bundle, learned=np.zeros(25, dtype=bool), item_counts=np.zeros(18, dtype=np.int64))
    assert torch.isfinite(FoldIn(nobody).scores(torch.tensor([2]))).all()


def test_the_training_is_read_from_the_facts_or_is_the_default() -> None:
    assert training_of({"settings": {"training": {"loss": "mse", "later": 1}}}).loss == "mse"
    for about in ({}, {"settings": None}, {"settings": {"alpha": 0.5}}):
        assert training_of(about) == TrainingConfig()
