from dataclasses import replace

import pytest
import torch

from benchmarks.datasets import has_ml_1m, ml_1m_folder, paper_prefix
from ncf.data.config import DataConfig
from ncf.data.prepared import PreparedData
from ncf.data.split import concat_pairs
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker
from ncf.ingest.config import PaperSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings

TITLES = ml_1m_folder() / "ml-1m.items.tsv"


def test_scores_are_the_train_interactions_of_each_item_for_everyone(literal: PreparedData) -> None:
    scores = Popularity(literal).score_all(torch.tensor([2, 0]))
    assert scores.tolist() == [[3.0, 1.0, 1.0, 1.0, 0.0, 0.0]] * 2


def test_ranks_on_the_literal_data(literal: PreparedData) -> None:
    validation, test = (HoldoutRanker(literal, part).rank_all(Popularity(literal)) for part in ("validation", "test"))
    assert validation.full.tolist() == [2, 2]  # tied with item 3, before 4 and 5, which nobody has in train
    assert validation.sampled.tolist() == [1, 2]
    assert test.full.tolist() == [1, 3]  # user 1's item 4 has no interactions: behind 3, tied with 5
    assert test.sampled.tolist() == [1, 2]


@pytest.mark.skipif(not (has_ml_1m() and TITLES.is_file()), reason="needs the paper's MovieLens-1M, and its titles")
def test_popularity_on_the_papers_split() -> None:
    ratings = load_ratings(PaperSource(prefix=paper_prefix(), titles_path=str(TITLES)))
    data = prepare_ratings(ratings, DataConfig(), name="ml-1m")
    report = data.report
    assert (data.num_users, data.num_items, report.rows_read) == (6_040, 3_706, 1_000_209)
    assert data.test.candidates.shape == (6_040, 99)
    assert (data.test.candidates == -1).sum() == 156  # users who have their own test item among their candidates
    assert any(note.startswith("test: 156 users have their held-out item") for note in report.notes)
    assert len(data.validation) == 6_040
    assert all(data.titles) and len(set(data.titles)) == 3_706

    def popularity(data: PreparedData) -> tuple[float, float]:
        summary = HoldoutRanker(data, "test").rank_all(Popularity(data)).summary()
        return summary["sampled/hr_at_10"].value, summary["sampled/ndcg_at_10"].value

    assert popularity(data) == pytest.approx((0.4530, 0.2538), abs=0.00005)
    papers_train = replace(
        data, train=concat_pairs([data.train, data.validation.pairs])
    )  # the authors validate on the test
    assert popularity(papers_train) == pytest.approx((0.4531, 0.2541), abs=0.00005)
