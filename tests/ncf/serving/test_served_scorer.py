"""A bundle judged on newer data, as it would serve it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ncf.config import GMFConfig, ModelConfig
from ncf.data.prepared import PreparedData
from ncf.data.split import no_pairs
from ncf.evaluation.baselines import Popularity
from ncf.evaluation.ranking import HoldoutRanker, SplitName
from ncf.models.gmf import GMF
from ncf.serving.bundle import Bundle
from ncf.serving.fold_in import FoldIn
from ncf.serving.users import SOURCES, ServedScorer, refold_gain
from tests.ncf.serving.bundles import bundle_of, every_model, having, some_data, with_text_ids
from tests.ncf.toy_data import Rows, holdout, pair_rows, pairs, seen_by_user


def newer(user_ids: list[int], item_ids: list[int]) -> PreparedData:
    """Data with these ids in which every user has the first item in train, the second and third held out."""
    users = range(len(user_ids))
    return PreparedData(
        "newer",
        np.array(user_ids),
        np.array(item_ids),
        pairs([(user, 0) for user in users]),
        holdout([(user, 1) for user in users], [[3]] * len(user_ids)),
        holdout([(user, 2) for user in users], [[3]] * len(user_ids)),
        np.full(len(item_ids), "", dtype=object),
    )


@every_model
@pytest.mark.parametrize("part", ["validation", "test"])
def test_on_the_same_data_the_ranks_are_the_models_own(config: ModelConfig, part: SplitName) -> None:
    data = some_data()
    bundle = bundle_of(data, config)
    ranker = HoldoutRanker(data, part)
    own, served = ranker.rank_all(bundle.model), ranker.rank_all(ServedScorer(bundle, data))
    assert served.full.tolist() == own.full.tolist()
    assert served.sampled.tolist() == own.sampled.tolist()
    assert len(set(own.full.tolist())) > 3


def test_text_ids_are_matched() -> None:
    data = with_text_ids(some_data())
    bundle = bundle_of(data)
    users = torch.arange(data.num_users)
    assert torch.equal(ServedScorer(bundle, data).score_all(users), bundle.model.score_all(users))


def test_users_and_items_are_matched_by_id_not_by_index() -> None:
    bundle = bundle_of(some_data())  # users 3, 13, 23 ...; items 1, 8, 15 ...
    scorer = ServedScorer(bundle, newer([23, 3], [15, 1, 120, 8]))
    own = bundle.model.score_all(torch.tensor([2, 0]))
    torch.testing.assert_close(scorer.score_all(torch.tensor([0, 1])), own[:, [2, 0, 17, 1]])
    torch.testing.assert_close(scorer.score_all(torch.tensor([1, 1])), own[[1, 1]][:, [2, 0, 17, 1]])


def test_unknown_items_come_last_and_are_equal() -> None:
    old = some_data()
    data = newer([3, 13, 99], [500, *old.item_ids.tolist(), 501])
    scores = ServedScorer(bundle_of(old), data).score_all(torch.arange(3))
    known, unknown = scores[:, 1:-1], scores[:, [0, -1]]
    assert torch.equal(unknown[:, 0], unknown[:, 1])
    assert (unknown[:, 0] < known.amin(dim=1)).all()
    assert torch.isfinite(scores).all()


def test_an_unknown_held_out_item_has_the_last_rank() -> None:
    data = newer([3, 13, 99], [1, 8, 500, 15, 22])
    ranks = HoldoutRanker(data, "test").rank_all(ServedScorer(bundle_of(some_data()), data))
    assert ranks.full.tolist() == [3, 3, 3]  # against 15 and 22
    assert ranks.sampled.tolist() == [2, 2, 2]


def test_an_unknown_user_is_folded_in_from_the_train_items() -> None:
    bundle = bundle_of(some_data())
    scorer = ServedScorer(bundle, newer([99, 3], [15, 1, 120, 8]))
    scores = scorer.score_all(torch.tensor([0, 1]))
    assert torch.equal(scores[0], FoldIn(bundle).scores(torch.tensor([2]))[[2, 0, 17, 1]]), (
        "what is held out is unknown"
    )
    torch.testing.assert_close(scores[1], bundle.model.score_all(torch.tensor([0]))[0, [2, 0, 17, 1]])
    assert [SOURCES[source] for source in scorer.sources] == ["items", "model"]


def test_an_unknown_user_of_unknown_items_gets_the_bundles_popularity() -> None:
    old = some_data()
    scorer = ServedScorer(bundle_of(old), newer([99, 3], [500, 1, 120, 8]))
    scores = scorer.score_all(torch.tensor([0, 1]))
    counts = old.item_counts[[0, 17, 1]].tolist()
    assert scores[0].tolist() == [old.item_counts.min() - 1, *counts]
    assert [SOURCES[source] for source in scorer.sources] == ["popularity", "model"]


def test_a_user_who_met_more_items_is_folded_in_only_if_that_is_asked_for() -> None:
    old = some_data()
    bundle = bundle_of(old)
    met = [sorted(items) for items in seen_by_user(old)]
    new = min(set(range(18)) - set(met[1]))
    data = replace(old, train=pairs([(0, met[0][2]), (1, met[1][0]), (1, new)]))
    plain, refold, every = (ServedScorer(bundle, data, who) for who in ("new", "grown", "all"))
    assert [SOURCES[source] for source in plain.sources[:3]] == ["model", "model", "model"]
    assert [SOURCES[source] for source in refold.sources[:3]] == ["model", "items", "model"]
    assert [SOURCES[source] for source in every.sources[:3]] == ["items", "items", "model"]  # no item here
    first = torch.arange(2)
    assert torch.equal(plain.score_all(first), bundle.model.score_all(first))
    assert torch.equal(refold.score_all(first)[0], bundle.model.score_all(first)[0])
    assert torch.equal(refold.score_all(first)[1], FoldIn(bundle).scores(torch.tensor([met[1][0], new])))


def test_a_score_does_not_depend_on_who_else_is_asked_for() -> None:
    old = some_data()
    data = replace(old, user_ids=np.where(np.arange(25) % 3 == 1, old.user_ids + 1, old.user_ids))
    scorer = ServedScorer(bundle_of(old), data)
    assert sorted({SOURCES[source] for source in scorer.sources}) == ["items", "model"]
    whole = scorer.score_all(torch.arange(25))
    assert torch.equal(torch.cat([scorer.score_all(torch.tensor([user])) for user in range(25)]), whole)


def colour_blind(board: PreparedData, rows: Rows) -> Bundle:
    """A model that knows each item's colour and takes every user for one of the other; its log has these pairs."""
    model = GMF(board.num_users, board.num_items, 1, generator=torch.Generator().manual_seed(0))
    colours = torch.tensor([1.0, -1.0])
    with torch.no_grad():
        model.get_parameter("item_embedding.weight").copy_(colours[torch.arange(board.num_items) % 2][:, None])
        model.get_parameter("user_embedding.weight").copy_(-colours[torch.arange(board.num_users) % 2][:, None])
        model.get_parameter("head").fill_(2.0)
    return having(Bundle.of(model.eval(), GMFConfig(embedding_dim=1), board), rows)


def test_what_folding_in_again_gains_is_measured_on_new_validation_items(board: PreparedData) -> None:
    """By the vectors the held-out item of the first users comes after all 20 of the other colour, folded in before."""
    validation = pair_rows(board.validation.pairs)
    gain, users = refold_gain(colour_blind(board, pair_rows(board.train)), board, 100)
    assert users == len(validation) == 40
    assert 0.6 < gain <= 1, "of two items of their colour it is one, and was below the tenth"
    gain, users = refold_gain(colour_blind(board, pair_rows(board.train) + validation[:30]), board, 100)
    assert users == 10, "of the others the model has learned of the item"
    assert 0.6 < gain <= 1
    assert refold_gain(colour_blind(board, pair_rows(board.train) + validation), board, 100) == (0.0, 0)


def test_only_users_and_items_that_the_model_knows_are_measured(board: PreparedData) -> None:
    bundle = colour_blind(board, pair_rows(board.train))
    renamed = replace(board, user_ids=np.where(np.arange(100) < 25, 1000, 0) + board.user_ids)
    assert refold_gain(bundle, renamed, 100)[1] == 15
    held_out = board.validation.pairs.items
    unknown = replace(board, item_ids=np.where(np.arange(40) == held_out[0], 1000, board.item_ids))
    assert refold_gain(bundle, unknown, 100)[1] == int((held_out != held_out[0]).sum())
    nobody = replace(bundle, learned=np.zeros(100, dtype=bool))
    assert refold_gain(nobody, board, 100) == (0.0, 0)


def test_strangers_without_a_train_item_are_ranked_as_by_popularity() -> None:
    old = some_data()
    strangers = replace(old, user_ids=old.user_ids + 1, train=no_pairs())
    ranker = HoldoutRanker(strangers, "test")
    served = ranker.rank_all(ServedScorer(bundle_of(old), strangers))
    popularity = ranker.rank_all(Popularity(old))
    assert served.full.tolist() == popularity.full.tolist()
    assert served.sampled.tolist() == popularity.sampled.tolist()
