import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from ncf.data.prepared import PreparedData
from ncf.errors import DataError
from ncf.training.batches import Step, TrainingBatches
from tests.ncf.toy_data import pair_rows, pairs


def epoch(data: PreparedData, number: int = 0, seed: int = 0, batch_size: int = 20, negatives: int = 4) -> Tensor:
    """One epoch as rows (user, positive, negatives...)."""
    batches = TrainingBatches(data, batch_size, negatives, seed)
    batches.epoch = number
    calls = list(batches)
    assert len(calls) == len(batches)
    for step in (steps := [step for call in calls for step in call]):
        assert step.items.shape == step.labels.shape == (len(step.users), 1 + negatives)
        assert step.users.dtype == step.items.dtype == torch.int64
        assert step.labels.tolist() == [[1.0] + [0.0] * negatives] * len(step.users)
        assert (step.counted, step.weight) == (len(step.users), 1.0)
    return as_rows(steps)


def as_rows(steps: list[Step]) -> Tensor:
    return torch.cat([torch.cat([step.users[:, None], step.items], dim=1) for step in steps])


@pytest.mark.parametrize("batch_size", [2, 20, 64, 10_000])
def test_an_epoch_has_every_positive_exactly_once(batch_size: int, board: PreparedData) -> None:
    rows = epoch(board, batch_size=batch_size)
    assert sorted(map(tuple, rows[:, :2].tolist())) == sorted(pair_rows(board.train))


def test_column_0_is_the_positive_and_the_others_are_not_in_train(board: PreparedData) -> None:
    train = set(pair_rows(board.train))
    for user, positive, *negatives in epoch(board).tolist():
        assert (user, positive) in train
        assert all((user, item) not in train for item in negatives)


def test_every_item_outside_train_can_be_a_negative_the_held_out_ones_too(literal: PreparedData) -> None:
    drawn: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for number in range(20):
        for user, _positive, *negatives in epoch(literal, number).tolist():
            drawn[user] |= set(negatives)
    assert drawn == {0: {2, 3, 4, 5}, 1: {1, 3, 4, 5}, 2: {1, 2, 4, 5}}


def test_two_epochs_differ_in_order_and_in_negatives(board: PreparedData) -> None:
    first, second = epoch(board, 0), epoch(board, 1)
    assert first[:, :2].tolist() != second[:, :2].tolist()
    by_pair = [{(user, item): negatives for user, item, *negatives in rows.tolist()} for rows in (first, second)]
    changed = sum(by_pair[0][pair] != by_pair[1][pair] for pair in by_pair[0])
    assert changed > 0.9 * len(board.train)


def test_the_order_is_shuffled(board: PreparedData) -> None:
    assert epoch(board)[:, :2].tolist() != [list(pair) for pair in pair_rows(board.train)]


def test_content_follows_from_seed_and_epoch_alone(board: PreparedData) -> None:
    torch.manual_seed(1)
    first = epoch(board, number=3, seed=8)
    torch.manual_seed(2)
    assert torch.equal(first, epoch(board, number=3, seed=8))
    assert not torch.equal(first, epoch(board, number=3, seed=9))
    assert not torch.equal(first, epoch(board, number=4, seed=8))


def test_the_same_batches_can_be_iterated_again(board: PreparedData) -> None:
    batches = TrainingBatches(board, 100, 4, seed=0)
    first, again = (as_rows([step for call in batches for step in call]) for _ in range(2))
    assert torch.equal(first, again)


def test_a_user_who_has_every_item_is_left_out(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 0), (0, 1), *((1, item) for item in range(6)), (2, 3)]))
    batches = TrainingBatches(data, 20, 4, seed=0)
    assert sorted(map(tuple, epoch(data)[:, :2].tolist())) == [(0, 0), (0, 1), (2, 3)]
    assert batches.num_samples == 3 * (1 + 4)


def test_a_user_who_misses_one_item_has_it_as_every_negative(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 0), *((1, item) for item in range(5))]))
    rows = epoch(data)
    assert (rows[rows[:, 0] == 1][:, 2:] == 5).all()


def test_everyone_has_everything_is_an_error(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(user, item) for user in range(3) for item in range(6)]))
    with pytest.raises(DataError, match=r"every user has every item.*: 6; allowed: .*; what to do: use a log"):
        TrainingBatches(data, 20, 4, seed=0)


def test_the_number_of_samples_counts_positives_and_negatives(board: PreparedData) -> None:
    assert TrainingBatches(board, 20, 3, seed=0).num_samples == len(board.train) * 4


@pytest.mark.parametrize(("batch_size", "negatives", "expected"), [(256, 4, 51), (10, 4, 2), (5, 4, 1), (2, 4, 1)])
def test_a_step_has_batch_size_samples_at_most_but_one_positive_at_least(
    batch_size: int, negatives: int, expected: int, board: PreparedData
) -> None:
    assert TrainingBatches(board, batch_size, negatives, seed=0).positives_per_step == expected


@pytest.mark.parametrize("world_size", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [20, 64, 10_000])
def test_processes_together_see_what_one_alone_would(world_size: int, batch_size: int, board: PreparedData) -> None:
    alone = [step for call in TrainingBatches(board, batch_size, 4, seed=3) for step in call]
    shares = [
        [
            step
            for call in TrainingBatches(board, batch_size, 4, seed=3, rank=rank, world_size=world_size)
            for step in call
        ]
        for rank in range(world_size)
    ]
    assert all(len(steps) == len(alone) for steps in shares)  # nobody waits for a step that another does not make
    for whole, parts in zip(alone, zip(*shares, strict=True), strict=True):
        counted = [part._replace(users=part.users[: part.counted], items=part.items[: part.counted]) for part in parts]
        assert torch.equal(as_rows([whole]), as_rows(counted))
        assert all(len(part.users) >= 1 for part in parts)
        assert [part.weight for part in parts] == [part.counted * world_size / len(whole.users) for part in parts]


def test_processes_draw_different_negatives(board: PreparedData) -> None:
    first, second = (
        next(iter(TrainingBatches(board, 64, 4, seed=3, rank=rank, world_size=2)))[0].items[:, 1:] for rank in (0, 1)
    )
    assert first.tolist() != second.tolist()


def test_by_popularity_negatives_follow_the_train_counts(literal: PreparedData) -> None:
    """User 0 has not seen items 1 to 4, which are in train 1, 4, 9 and 0 times; beta 0.5 makes it 1, 2, 3 and 1."""
    fans = [(user, 1 + place) for place, count in enumerate((1, 4, 9)) for user in range(1, 1 + count)]
    data = replace(literal, user_ids=np.arange(10), train=pairs(sorted([(0, 0), (0, 5), *fans])))
    drawn: list[int] = []
    for number in range(250):
        batches = TrainingBatches(data, 64, 8, seed=1, beta=0.5)
        batches.epoch = number
        rows = as_rows([step for call in batches for step in call])
        drawn += rows[rows[:, 0] == 0][:, 2:].flatten().tolist()
    counts = Counter(drawn)
    assert sorted(counts) == [1, 2, 3, 4]
    assert chisquare([counts[item] for item in (1, 2, 3, 4)], np.array([1, 2, 3, 1]) / 7 * 4000).pvalue > 0.001


def test_by_popularity_a_user_who_has_every_item_is_left_out(literal: PreparedData) -> None:
    data = replace(literal, train=pairs([(0, 0), (0, 1), *((1, item) for item in range(6)), (2, 3)]))
    batches = TrainingBatches(data, 20, 4, seed=0, beta=0.75)
    assert sorted(map(tuple, as_rows([s for call in batches for s in call])[:, :2].tolist())) == [
        (0, 0),
        (0, 1),
        (2, 3),
    ]


def test_by_popularity_processes_together_see_what_one_alone_would(board: PreparedData) -> None:
    alone, *shares = (
        [
            step
            for call in TrainingBatches(board, 64, 4, seed=3, beta=0.75, rank=rank, world_size=world_size)
            for step in call
        ]
        for rank, world_size in ((0, 1), (0, 2), (1, 2))
    )
    for whole, *parts in zip(alone, *shares, strict=True):
        counted = [part._replace(users=part.users[: part.counted], items=part.items[: part.counted]) for part in parts]
        assert torch.equal(as_rows([whole]), as_rows(counted))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("negatives", [1, 4, 19])
def test_compiled_code_draws_the_same(negatives: int, threads: int, board: PreparedData, literal: PreparedData) -> None:
    for data in (board, literal):
        for number in range(3):
            theirs = TrainingBatches(data, 60, negatives, 4)
            ours = TrainingBatches(data, 60, negatives, 4, native_threads=threads)
            theirs.epoch = ours.epoch = number
            for mine, other in zip(ours, theirs, strict=True):
                assert torch.equal(as_rows(mine), as_rows(other))
