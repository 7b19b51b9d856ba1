"""A user's scores are the same bits alone, in any block, at any place of it, on one thread or two."""

import pytest
import torch

from ncf.config import GMFConfig, MLPConfig, ModelConfig, NeuMFConfig
from ncf.hardware import torch_threads
from ncf.models.build import build_model
from ncf.models.layers import padded, product
from tests.ncf.toy_data import scramble

USERS = 30
CONFIGS: list[ModelConfig] = [
    GMFConfig(embedding_dim=5),
    GMFConfig(embedding_dim=32),
    MLPConfig(layers=(6, 4, 3)),
    MLPConfig(layers=(64, 32, 16, 8)),
    NeuMFConfig(embedding_dim=8, layers=(32, 16, 5)),
    NeuMFConfig(embedding_dim=16, layers=(128, 64)),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("num_items", [18, 1_682, 3_706])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_however_the_users_are_cut(config: ModelConfig, num_items: int, threads: int) -> None:
    model = build_model(config, USERS, num_items, seed=0).eval()
    scramble(model, torch.Generator().manual_seed(0))
    with torch.inference_mode(), torch_threads(threads):
        whole = model.score_all(torch.arange(USERS))
        for size in (1, 2, 3, 5, 8, 13):
            for start in (0, 1, 7):
                users = torch.arange(start, start + size)
                assert torch.equal(model.score_all(users), whole[users]), (size, start)
        assert torch.equal(model.score_all(torch.tensor([9, 3, 9])), whole[[9, 3, 9]])


def test_the_product_is_the_product() -> None:
    rows, table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([[1.0, 10.0], [100.0, 1000.0]])
    assert product(rows, table).tolist() == [[201.0, 2010.0], [403.0, 4030.0], [605.0, 6050.0]]
    assert product(rows[:0], table).shape == (0, 2)


def test_padded_columns_are_zeros_after_the_others() -> None:
    table = torch.arange(1.0, 35.0).view(2, 17)
    wide = padded(table)
    assert wide.shape == (2, 32)
    assert torch.equal(wide[:, :17], table)
    assert not wide[:, 17:].any()
    assert torch.equal(padded(wide), wide)
