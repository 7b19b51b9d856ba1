"""What a training minimises, against the paper's formulas written out: cross entropy and both kinds of L2."""

import pytest
import torch

from ncf.config import TrainingConfig
from ncf.data.prepared import PreparedData
from ncf.models.build import Model
from ncf.training.batches import TrainingBatches
from ncf.training.fit import fit
from tests.ncf.training.small_models import (
    BRIEF,
    GMF_KIND,
    MLP_KIND,
    NEUMF_KIND,
    Recorder,
    check_one_step,
    new_model,
    scrambled_model,
)


def first_epoch(data: PreparedData, config: TrainingConfig, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    batches = TrainingBatches(data, config.batch_size, config.num_negatives, seed)
    steps = [step for call in batches for step in call]
    return torch.cat([step.users for step in steps]), torch.cat([step.items for step in steps])


def plain_loss(model: Model, users: torch.Tensor, items: torch.Tensor, l2: float) -> torch.Tensor:
    """The paper's equation 7 as it stands, averaged, and the L2 of the samples' embeddings."""
    probability = torch.sigmoid(model(users, items).double())
    loss = -(torch.log(probability[:, 0]).sum() + torch.log(1 - probability[:, 1:]).sum()) / items.numel()
    for table in ("user_embedding.weight", "item_embedding.weight"):
        rows = users if table.startswith("user") else items
        for name, value in model.named_parameters():
            if name.endswith(table):
                loss = loss + l2 * value[rows].square().sum(dim=-1).mean()
    return loss


@pytest.mark.parametrize("kind", [GMF_KIND, MLP_KIND, NEUMF_KIND])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_the_loss_is_binary_cross_entropy_with_l2(kind: str, l2: float, board: PreparedData) -> None:
    still = TrainingConfig(optimizer="sgd", learning_rate=1e-12, batch_size=100, max_epochs=1, embedding_l2=l2)
    model, recorder = scrambled_model(kind, board), Recorder()
    expected = plain_loss(model, *first_epoch(board, still, seed=4), l2).item()
    fit(model, board, still, seed=4, callbacks=[recorder])
    assert recorder.last_loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", [GMF_KIND, MLP_KIND, NEUMF_KIND])
def test_one_step_of_sgd_follows_the_gradient(kind: str, board: PreparedData) -> None:
    whole = TrainingConfig(optimizer="sgd", learning_rate=0.25, batch_size=100_000, max_epochs=1, embedding_l2=0.1)
    model = scrambled_model(kind, board)
    check_one_step(model, plain_loss(model, *first_epoch(board, whole, seed=4), 0.1), board, whole)


def test_l2_keeps_embeddings_short(board: PreparedData) -> None:
    lengths = []
    for l2 in (0.0, 0.01, 0.1):
        config = BRIEF.model_copy(update={"embedding_l2": l2})
        recorder = Recorder()
        fit(new_model(GMF_KIND, board), board, config, seed=0, callbacks=[recorder])
        lengths.append(recorder.states[-1]["model.user_embedding.weight"].norm().item())
    assert lengths[0] > 1.1 * lengths[1] > 1.1**2 * lengths[2]


def keras_loss(model: Model, users: torch.Tensor, items: torch.Tensor, l2: float) -> torch.Tensor:
    """The authors' objective: mean cross entropy + l2 * sum(square(table)) of each embedding table, at every batch."""
    loss = plain_loss(model, users, items, 0.0)
    for name, value in model.named_parameters():
        if "embedding" in name:
            loss = loss + l2 * (value**2).sum()
    return loss


@pytest.mark.parametrize("kind", [GMF_KIND, MLP_KIND, NEUMF_KIND])
def test_l2_over_tables_is_that_of_the_papers_code(kind: str, board: PreparedData) -> None:
    whole = TrainingConfig(
        optimizer="sgd", learning_rate=0.25, batch_size=100_000, max_epochs=1, embedding_l2=0.01, l2_over="tables"
    )
    model = scrambled_model(kind, board)
    expected = keras_loss(model, *first_epoch(board, whole, seed=4), 0.01)
    assert check_one_step(model, expected, board, whole).last_loss == pytest.approx(expected.item(), rel=1e-4)
