"""Blocks of users with all items: who is in them, what the pairs weigh, and how processes share them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ncf.config import RecencyConfig
from ncf.data.prepared import PreparedData
from ncf.errors import DataError
from ncf.training import all_pairs
from ncf.training.all_pairs import AllPairsBatches, Block
from tests.ncf.toy_data import pair_rows, pairs

USER_WITH_ALL = [(2, item) for item in range(6)]


def blocks_of(data: PreparedData, batch_size: int, epoch: int = 0, seed: int = 0, **process: Any) -> list[Block]:
    batches = AllPairsBatches(data, batch_size, 4, None, RecencyConfig(), seed, **process)
    batches.epoch = epoch
    calls = list(batches)
    assert len(calls) == len(batches)
    assert all(call[-1].last for call in calls)
    return [block for call in calls for block in call]


def steps_of(blocks: list[Block]) -> list[list[Block]]:
    steps: list[list[Block]] = [[]]
    for block in blocks:
        steps[-1].append(block)
        if block.last:
            steps.append([])
    assert steps.pop() == []
    return steps


def users_in(blocks: list[Block]) -> list[int]:
    return torch.cat([block.users for block in blocks]).tolist()


def observed_in(blocks: list[Block]) -> list[tuple[int, int, float]]:
    return [
        (user, item, label)
        for block in blocks
        for user, item, label in zip(
            block.users[block.rows].tolist(), block.items.tolist(), block.labels.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("batch_size", [2, 100, 1000, 10**6])
def test_an_epoch_has_every_user_and_every_train_pair_once(batch_size: int, board: PreparedData) -> None:
    blocks = blocks_of(board, batch_size)
    assert sorted(users_in(blocks)) == list(range(100))
    assert users_in(blocks) != list(range(100))
    assert sorted(observed_in(blocks)) == [(*pair, 1.0) for pair in sorted(pair_rows(board.train))]


def test_the_observed_pairs_keep_their_labels(literal: PreparedData) -> None:
    labels = np.array([0.5, 1.0, 0.25, 0.75, 0.0, 0.125], dtype=np.float32)
    found = observed_in(blocks_of(replace(literal, labels=labels), 12))
    expected = [(*pair, label) for pair, label in zip(pair_rows(literal.train), labels.tolist(), strict=True)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("batch_size", "expected"), [(2, [1] * 100), (100, [2] * 50), (1279, [31, 31, 31, 7])])
def test_a_step_has_batch_size_pairs_at_most_but_one_user_at_least(
    batch_size: int, expected: list[int], board: PreparedData
) -> None:
    steps = steps_of(blocks_of(board, batch_size))
    assert [len(users_in(step)) for step in steps] == expected


def test_pairs_weigh_what_drawn_negatives_would_weigh_on_average(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 0), (1, 0), (1, 4), *USER_WITH_ALL]))
    [block] = blocks_of(data, 100)
    weights = dict(zip(block.users.tolist(), block.unobserved.tolist(), strict=True))
    assert weights == {0: pytest.approx(4 * 1 / 5), 1: pytest.approx(4 * 2 / 4), 2: 0.0}
    assert dict(zip(block.users.tolist(), block.totals.tolist(), strict=True)) == {0: 5.0, 1: 10.0, 2: 6.0}
    assert (block.counted, block.weight, block.samples) == (21.0, 1.0, 18)


def test_pairs_weigh_what_the_setting_says(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 0), (1, 0), (1, 4), *USER_WITH_ALL]))
    [[block]] = AllPairsBatches(data, 100, 4, 0.5, RecencyConfig(), 0)
    weights = dict(zip(block.users.tolist(), block.unobserved.tolist(), strict=True))
    assert weights == {0: 0.5, 1: 0.5, 2: 0.0}
    assert dict(zip(block.users.tolist(), block.totals.tolist(), strict=True)) == {0: 3.5, 1: 4.0, 2: 6.0}


def test_a_user_without_train_pairs_is_left_out(literal: PreparedData) -> None:
    batches = AllPairsBatches(replace(literal, train=pairs([(0, 0), (2, 3)])), 6, 4, None, RecencyConfig(), 0)
    assert sorted(users_in([block for call in batches for block in call])) == [0, 2]
    assert batches.num_samples == 2 * 6


def test_everyone_has_everything_is_an_error(literal: PreparedData) -> None:
    with pytest.raises(DataError, match=r"every user has every item.*: 6; allowed: .*; what to do: use a log"):
        AllPairsBatches(replace(literal, train=pairs(USER_WITH_ALL)), 20, 4, None, RecencyConfig(), 0)


def test_the_order_follows_from_seed_and_epoch_alone(board: PreparedData) -> None:
    torch.manual_seed(1)
    first = users_in(blocks_of(board, 100, epoch=3, seed=8))
    torch.manual_seed(2)
    assert first == users_in(blocks_of(board, 100, epoch=3, seed=8))
    assert first != users_in(blocks_of(board, 100, epoch=3, seed=9))
    assert first != users_in(blocks_of(board, 100, epoch=4, seed=8))


def test_a_large_step_comes_in_blocks_that_weigh_1_together(
    board: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "PAIRS_PER_BLOCK", 300)  # 7 users of 40 items
    steps = steps_of(blocks_of(board, 1000))  # 25 users
    assert [[len(block.users) for block in step] for step in steps] == [[7, 7, 7, 4]] * 4
    for step in steps:
        assert sum(block.weight for block in step) == pytest.approx(1)
        total = sum(block.counted for block in step)
        assert [block.weight for block in step] == pytest.approx([block.counted / total for block in step])


@pytest.mark.parametrize("world_size", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [20, 100, 900, 10_000])
def test_processes_together_see_what_one_alone_would(
    world_size: int, batch_size: int, board: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_pairs, "PAIRS_PER_BLOCK", 300)
    alone = steps_of(blocks_of(board, batch_size, seed=3))
    shares = [
        steps_of(blocks_of(board, batch_size, seed=3, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert all(len(steps) == len(alone) for steps in shares)
    for whole, *parts in zip(alone, *shares, strict=True):
        assert len({len(part) for part in parts}) == 1  # nobody waits for a block that another does not make
        counting = [block for part in parts for block in part if block.counted]
        assert all(len(block.users) >= 1 for part in parts for block in part)
        assert all(block.weight == 0 for part in parts for block in part if not block.counted)
        assert sorted(users_in(counting)) == sorted(users_in(whole))
        assert sorted(observed_in(counting)) == sorted(observed_in(whole))
        assert sum(block.weight for block in counting) == pytest.approx(world_size)
        assert sum(block.counted for block in counting) == pytest.approx(sum(block.counted for block in whole))


def test_an_epoch_counts_all_its_weights(board: PreparedData) -> None:
    batches = AllPairsBatches(board, 100, 4, None, RecencyConfig(), 0)
    assert batches.counted == pytest.approx(5 * len(board.train))
    assert sum(block.counted for call in batches for block in call) == pytest.approx(batches.counted)
    assert sum(block.samples for call in batches for block in call) == batches.num_samples == 100 * 40
