"""Newer interactions count more: the weights by hand, the losses written out, and users whose taste has changed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ncf.config import RecencyConfig, TrainingConfig
from ncf.data.history import History
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import no_pairs
from ncf.evaluation.baselines import EASE, IALS, ItemKNN, can_ials
from ncf.evaluation.ranking import Scorer
from ncf.training.all_pairs import AllPairsBatches
from ncf.training.batches import TrainingBatches
from ncf.training.fit import fit
from ncf.training.objective import LOSSES, all_pairs_loss, step_loss
from tests.ncf.toy_data import holdout, pairs
from tests.ncf.training.small_models import GMF_KIND, MLP_KIND, NEUMF_KIND, new_model, scrambled_model

STEEP = RecencyConfig(half_life=1, floor=0.2)  # 1, .6, .4, .3
FADING = RecencyConfig(half_life=2, floor=0.01)
ENOUGH: dict[str, Any] = {
    "uniform": {"negatives": "uniform", "num_negatives": 10, "learning_rate": 0.01, "max_epochs": 20},
    "all": {"negatives": "all", "num_negatives": 4, "learning_rate": 0.02, "max_epochs": 15},
}
USERS, ITEMS, CHANGED = 160, 40, 40


def changed_taste() -> PreparedData:
    """Most users have items of one half of the catalogue alone; the others, who are evaluated, change the half."""
    rng = np.random.default_rng(5)
    train, held_out = [], []
    for user in range(USERS):
        halves = rng.permutation(ITEMS // 2), rng.permutation(ITEMS // 2) + ITEMS // 2
        before, after = halves if user % 2 else halves[::-1]
        changes = user < CHANGED
        train += [(user, int(item)) for item in (*before[:12], *(after[:5] if changes else ()))]
        held_out += [(user, int(after[5]))] if changes else []
    seen = set(train)
    candidates = [[item for item in range(ITEMS) if (user, item) not in seen][:20] for user, _ in held_out]
    return PreparedData(
        "changed taste",
        np.arange(USERS),
        np.arange(ITEMS),
        train=pairs(train),
        validation=Holdout(no_pairs(), np.empty((0, 20), dtype=np.int64)),  # so that the last epoch is kept
        test=holdout(held_out, candidates),
        titles=np.full(ITEMS, "", dtype=object),
    )


def wanted(scorer: Scorer, data: PreparedData) -> float:
    """Share of the wanted half in the first five of the evaluated users' lists; of what is offered it is 15 of 23."""
    users = torch.arange(CHANGED)
    with torch.no_grad():
        scores = scorer.score_all(users).clone()
    of_them = data.train.users < CHANGED
    scores[data.train.users[of_them], data.train.items[of_them]] = -torch.inf
    upper = scores.topk(5).indices >= ITEMS // 2
    return float((upper == (users % 2 == 1)[:, None]).float().mean())


def test_weights_by_hand(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 5), (0, 1), (0, 3), (0, 2), (1, 0), (2, 4), (2, 1)]))
    assert data.recency_weights(STEEP).tolist() == pytest.approx([0.3, 0.4, 0.6, 1, 1, 0.6, 1])
    assert data.recency_weights(RecencyConfig(floor=0.3)).tolist() == [1] * 7, "without a half-life"
    assert replace(data, train=no_pairs()).recency_weights(STEEP).tolist() == []


def test_without_times_nothing_is_newer_and_a_warning_says_so(
    literal: PreparedData, caplog: pytest.LogCaptureFixture
) -> None:
    timeless = replace(literal, history=History.timeless(literal.item_counts))
    assert timeless.recency_weights(RecencyConfig()).tolist() == [1] * 6 and not caplog.text
    assert timeless.recency_weights(STEEP).tolist() == [1] * 6
    assert "recency has no effect: literal has no times" in caplog.text


@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares", "bpr"])
def test_a_positive_weighs_as_much_with_its_negatives(loss: Any, literal: PreparedData) -> None:
    config = TrainingConfig(loss=loss, num_negatives=2, batch_size=100, recency=STEEP)
    model = scrambled_model(GMF_KIND, literal)
    batches = TrainingBatches(literal, 100, 2, seed=4, recency=STEEP)
    [[step]] = list(batches)
    weight = {0: 0.75, 1: 1.25, 2: 1.25, 3: 1.25}  # .6 and 1, over their mean; everybody had item 0 first
    expected = [
        weight[int(items[0])] * LOSSES[loss](model(user[None], items[None]), labels[None])
        for user, items, labels in zip(step.users, step.items, step.labels, strict=True)
    ]
    assert step_loss(model, config, step).item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    assert [step.weights for call in TrainingBatches(literal, 100, 2, seed=4) for step in call] == [None]


def test_processes_have_the_weights_of_their_rows(literal: PreparedData) -> None:
    [[whole]] = list(TrainingBatches(literal, 100, 2, seed=4, recency=STEEP))
    parts = [list(TrainingBatches(literal, 100, 2, 4, recency=STEEP, rank=rank, world_size=2)) for rank in (0, 1)]
    shared = torch.cat([step.weights for [[step]] in parts if step.weights is not None])
    assert whole.weights is not None and torch.equal(shared, whole.weights)


@pytest.mark.parametrize("unobserved", [None, 0.1])
@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("loss", ["bce", "mse", "least-squares"])
def test_all_pairs_are_a_weighted_mean(loss: Any, l2: float, unobserved: float | None, literal: PreparedData) -> None:
    config = TrainingConfig(
        loss=loss, negatives="all", num_negatives=3, unobserved_weight=unobserved, embedding_l2=l2, recency=STEEP
    )
    model = scrambled_model(GMF_KIND, literal)
    [[block]] = AllPairsBatches(literal, 100, 3, unobserved, STEEP, 0)
    logits = model.score_all(torch.arange(3)).double()
    labels = torch.zeros(3, 6, dtype=torch.float64)
    # everybody has two items, of the weights .6 and 1; the other four together have three times as much
    weights = torch.full((3, 6), 3 * 1.6 / 4 if unobserved is None else unobserved, dtype=torch.float64)
    for user, (first, second) in enumerate([(0, 1), (0, 2), (0, 3)]):
        labels[user, [first, second]] = 1
        weights[user, first], weights[user, second] = 0.6, 1
    each = torch.stack(
        [LOSSES[loss](logits[u : u + 1, i : i + 1], labels[u : u + 1, i : i + 1]) for u in range(3) for i in range(6)]
    )
    length = {name: value.square().sum(dim=1) for name, value in model.named_parameters() if "embedding" in name}
    lengths = length["user_embedding.weight"][:, None] + length["item_embedding.weight"][None]
    expected = (weights * (each.reshape(3, 6) + l2 * lengths)).sum() / weights.sum()
    assert all_pairs_loss(model, config, block).item() == pytest.approx(expected.item(), rel=1e-5)
    assert block.counted == pytest.approx(float(weights.sum()))


@pytest.mark.parametrize(
    ("kind", "negatives"),
    [(GMF_KIND, "uniform"), (NEUMF_KIND, "uniform"), (GMF_KIND, "all"), (MLP_KIND, "all"), (NEUMF_KIND, "all")],
)
def test_a_model_follows_a_changed_taste(kind: str, negatives: str) -> None:
    data = changed_taste()
    learn = TrainingConfig(batch_size=1024, embedding_l2=0.01, **ENOUGH[negatives])
    found = {}
    for recency in (RecencyConfig(), FADING):
        config = learn.model_copy(update={"recency": recency})
        found[recency.half_life] = wanted(
            fit(new_model(kind, data), data, config, seed=0, epochs=config.max_epochs).model, data
        )
    assert found[2.0] > found[None] + 0.3, found


@pytest.mark.parametrize("name", ["item-knn", "ease", "ials"])
def test_a_baseline_follows_a_changed_taste(name: str) -> None:
    if name == "ials" and not can_ials():
        pytest.skip("the extra als is not installed")
    data = changed_taste()

    def fitted(recency: RecencyConfig) -> Scorer:
        match name:
            case "item-knn":
                return ItemKNN(data, recency=recency)
            case "ease":
                return EASE(data, l2=10.0, recency=recency)
            case _:
                return IALS(data, factors=4, regularization=0.1, alpha=10.0, iterations=15, seed=0, recency=recency)

    assert wanted(fitted(FADING), data) > wanted(fitted(RecencyConfig()), data) + 0.3


def test_a_floor_of_one_is_no_recency(literal: PreparedData) -> None:
    flat = RecencyConfig(half_life=3, floor=1)
    for data in (literal, replace(literal, labels=np.linspace(0.1, 1, 6).astype(np.float32))):
        knn, plain = ItemKNN(data, recency=flat), ItemKNN(data)
        assert torch.equal(knn.score_all(torch.arange(3)), plain.score_all(torch.arange(3)))
