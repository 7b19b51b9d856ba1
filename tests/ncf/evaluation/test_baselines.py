from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker

ML_1M = Path(__file__).parents[3] / ".." / "shared" / "data" / "ml-1m"
NUM_USERS, NUM_ITEMS = 6040, 3706


def test_scores_are_the_train_interactions_of_each_item_for_everyone(literal: PreparedData) -> None:
    scores = Popularity(literal).score_all(torch.tensor([2, 0]))
    assert scores.tolist() == [[3.0, 1.0, 1.0, 1.0, 0.0, 0.0]] * 2


def test_ranks_on_the_literal_data(literal: PreparedData) -> None:
    validation, test = (HoldoutRanker(literal, part).rank_all(Popularity(literal)) for part in ("validation", "test"))
    assert validation.full.tolist() == [2, 2]  # tied with item 3, before 4 and 5, which nobody has in train
    assert validation.sampled.tolist() == [1, 2]
    assert test.full.tolist() == [1, 3]  # user 1's item 4 has no interactions: behind 3, tied with 5
    assert test.sampled.tolist() == [1, 2]


def index_pairs(frame: pd.DataFrame) -> Pairs:
    return Pairs(*(frame[column].to_numpy(np.int64, copy=True) for column in ("user", "item")))


def paper_split() -> PreparedData:
    """MovieLens-1M as the paper's authors split it; validation is the newest of train, with the test's candidates."""
    columns = ["user", "item", "rating", "time"]
    train = pd.read_csv(ML_1M / "ml-1m.train.rating.gz", sep="\t", names=columns)
    test = pd.read_csv(ML_1M / "ml-1m.test.rating", sep="\t", names=columns)
    negatives = pd.read_csv(ML_1M / "ml-1m.test.negative.gz", sep="\t", header=None)
    named = [f"({user},{item})" for user, item in zip(test["user"], test["item"], strict=True)]
    assert negatives[0].tolist() == named
    candidates = negatives.drop(columns=0).to_numpy(np.int64)
    assert candidates.shape == (NUM_USERS, 99)
    return PreparedData(
        "ml-1m-paper",
        np.arange(NUM_USERS),
        np.arange(NUM_ITEMS),
        index_pairs(train),
        Holdout(index_pairs(train.drop_duplicates("user")), candidates),
        Holdout(index_pairs(test), candidates),
        np.full(NUM_ITEMS, "", dtype=object),
    )


@pytest.mark.skipif(not ML_1M.exists(), reason="the paper's split of MovieLens-1M is not beside the repository")
def test_popularity_on_the_papers_split() -> None:
    data = paper_split()
    summary = HoldoutRanker(data, "test").rank_all(Popularity(data)).summary()
    assert summary["sampled/hr_at_10"].value == pytest.approx(0.4531, abs=0.00005)
    assert summary["sampled/ndcg_at_10"].value == pytest.approx(0.2541, abs=0.00005)
