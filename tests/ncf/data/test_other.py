"""What is observed but in no split: it is neither learned, nor ranked, nor recommended, all the way down."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ncf.config import GMFConfig
from ncf.data.prepared import PreparedData
from ncf.data.split import Split
from ncf.data.storage import load_prepared, save_prepared
from ncf.evaluation.evaluate import group_table
from ncf.evaluation.ranking import HoldoutRanker, SplitName
from ncf.models.gmf import GMF
from ncf.prepare import prepare_split
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.recommender import Recommender
from ncf.serving.users import ServedScorer
from tests.ncf.serving.bundles import scrambled_model
from tests.ncf.toy_data import fixed_scores, literal_data, pair_rows, pairs

LABELS = np.array([0.5, 1.0, 0.25], dtype=np.float32)


def split() -> Split:
    """User 2 has nothing but other rows: none of them is in train."""
    return Split(
        np.array([10, 20, 30]),
        np.arange(100, 107),
        train=pairs([(0, 0), (0, 1), (1, 0)]),
        validation=pairs([(0, 2), (1, 1)]),
        test=pairs([(0, 3), (1, 2)]),
        other=pairs([(0, 4), (1, 5), (2, 0), (2, 6)]),
        labels=LABELS,
    )


def data() -> PreparedData:
    return prepare_split("other", split(), num_candidates=9)


def test_no_candidate_is_an_other_item() -> None:
    for holdout in (data().validation, data().test):
        unseen = [sorted(item for item in row if item >= 0) for row in holdout.candidates.tolist()]
        assert unseen == [[5, 6], [3, 4, 6]]


@pytest.mark.parametrize(("part", "ranks"), [("validation", [4, 5]), ("test", [3, 4])])
def test_other_items_do_not_compete_in_the_full_ranking(part: SplitName, ranks: list[int]) -> None:
    ascending = fixed_scores([[float(item) for item in range(7)]] * 3)
    # user 0: 2 against 3, 5, 6; 3 against 5, 6; user 1: 1 against 2, 3, 4, 6; 2 against 3, 4, 6
    assert HoldoutRanker(data(), part).rank_all(ascending).full.tolist() == ranks


def test_other_rows_are_seen_but_count_for_nothing() -> None:
    given = data()
    assert pair_rows(given.other) == [(0, 4), (1, 5), (2, 0), (2, 6)]
    assert len(given.everything) == 3 + 2 + 2 + 4
    assert given.item_counts.tolist() == [2, 1, 0, 0, 0, 0, 0]
    groups = group_table({"hr": np.array([1.0, 0.0])}, given, "test")
    activity = groups[groups["grouped_by"] == "user_activity"]
    assert activity[["from", "to"]].to_numpy().tolist() == [[1, 1], [2, 2]]  # of train alone


def test_other_rows_and_labels_come_back_from_disk(tmp_path: Path) -> None:
    save_prepared(data(), tmp_path / "data")
    loaded = load_prepared(tmp_path / "data")
    assert pair_rows(loaded.other) == pair_rows(data().other)
    assert loaded.labels is not None
    assert loaded.labels.tolist() == LABELS.tolist()


def test_they_are_part_of_the_fingerprint() -> None:
    fewer = replace(split(), other=pairs([(0, 4), (1, 5), (2, 0)]))
    unlabelled = replace(split(), labels=None)
    prints = {prepare_split("x", each, num_candidates=2).fingerprint for each in (split(), fewer, unlabelled)}
    assert len(prints) == 3


def bundle(given: PreparedData) -> Bundle:
    config = GMFConfig(embedding_dim=4)
    return Bundle.of(scrambled_model(config, given), config, given)


def test_other_items_are_not_recommended(tmp_path: Path) -> None:
    bundle(data()).save(tmp_path / "bundle")
    shown = Recommender.load(tmp_path / "bundle").recommend([10, 20], k=7)
    assert sorted(shown[shown["user_id"] == 10]["item_id"]) == [105, 106]
    assert sorted(shown[shown["user_id"] == 20]["item_id"]) == [103, 104, 106]


def test_a_user_without_a_train_row_is_folded_in_from_the_other_rows(tmp_path: Path) -> None:
    """The model has never seen this user: the embedding is as it was drawn."""
    served = bundle(data())
    served.save(tmp_path / "bundle")
    shown = Recommender.load(tmp_path / "bundle").recommend([30, 10, 99], k=7)
    found = shown[shown["user_id"] == 30]
    assert found["source"].unique().tolist() == ["items"]
    assert sorted(found["item_id"]) == [101, 102, 103, 104, 105]
    scores = FoldIn(served).scores(torch.tensor([0, 6]))
    assert dict(zip(found["item_id"] - 100, found["score"], strict=True)) == dict(enumerate(scores.tolist()[1:6], 1))
    assert found["score"].is_monotonic_decreasing
    assert shown[shown["user_id"] == 10]["source"].unique().tolist() == ["model"]
    assert shown[shown["user_id"] == 99]["item_id"].tolist()[:3] == [100, 101, 102]


def test_a_served_model_judges_such_a_user_by_popularity_since_it_is_judged_by_train_alone() -> None:
    served = bundle(data())
    scores = ServedScorer(served, data()).score_all(torch.arange(3))
    assert scores[2].tolist() == [2, 1, 0, 0, 0, 0, 0]
    assert isinstance(served.model, GMF)
    assert torch.equal(scores[:2], served.model.score_all(torch.arange(2)))


def test_without_other_rows_every_user_of_train_is_learned() -> None:
    assert bundle(literal_data()).learned.tolist() == [True, True, True]
