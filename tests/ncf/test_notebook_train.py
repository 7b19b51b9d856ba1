from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncf.config import GMFConfig, GMFRecipe, GMFTraining, ModelName, NeuMFConfig
from ncf.data.prepared import PreparedData
from ncf.errors import ConfigError
from ncf.models.neumf import NeuMF
from ncf.notebook import TrainedModel, train
from ncf.serving.bundle import Bundle
from ncf.serving.recommender import Recommender
from tests.ncf.toy_data import BOARD_EVALUATED

QUICK = {"batch_size": 256, "learning_rate": 0.02, "max_epochs": 8}
SMALL: dict[ModelName, dict[str, Any]] = {
    "gmf": {"model": {"embedding_dim": 8}, "training": QUICK},
    "mlp": {"model": {"layers": [16, 8]}, "training": QUICK},
}


@pytest.fixture(scope="module")
def gmf(board: PreparedData) -> TrainedModel:
    return train(board, "gmf", SMALL["gmf"])


def test_names_and_values_are_the_settings_and_the_rest_is_by_default(gmf: TrainedModel) -> None:
    assert gmf.settings == GMFRecipe(
        model=GMFConfig(embedding_dim=8), training=GMFTraining(batch_size=256, learning_rate=0.02, max_epochs=8)
    )
    assert gmf.bundle.config == GMFConfig(embedding_dim=8)
    assert gmf.bundle.about["settings"]["training"]["max_epochs"] == 8


def test_the_curves_have_a_row_an_epoch_and_their_best_is_the_training_s(gmf: TrainedModel) -> None:
    curves = gmf.curves
    assert curves.index.tolist() == list(range(1, gmf.training.epochs + 1))
    assert curves.index.name == "epoch"
    assert not curves.isna().any(axis=None)
    metrics = {f"validation/{protocol}/{metric}_at_10" for protocol in ("full", "sampled") for metric in ("hr", "ndcg")}
    assert set(curves) == {"train/loss"} | metrics
    ndcg = curves["validation/full/ndcg_at_10"]
    assert ndcg.idxmax() == gmf.training.best_epoch
    assert ndcg.max() == pytest.approx(gmf.training.best_validation)


def test_what_was_seen_is_not_recommended(gmf: TrainedModel, board: PreparedData) -> None:
    frame = Recommender(gmf.bundle).recommend(list(range(BOARD_EVALUATED)), k=3)
    assert len(frame) == 3 * BOARD_EVALUATED
    assert ((frame["item_id"] - frame["user_id"]) % 2 == 1).all()  # these users have all items of their own colour


def test_the_same_seed_gives_the_same_model(gmf: TrainedModel, board: PreparedData) -> None:
    again = train(board, "gmf", SMALL["gmf"], hardware={"accelerator": "cpu", "threads": 1})
    users = torch.arange(5)
    assert torch.equal(gmf.score_all(users), again.score_all(users))


def test_no_epoch_gives_an_empty_table(board: PreparedData) -> None:
    trained = train(board, "gmf", {"training": {"max_epochs": 0}})
    assert trained.training.best_epoch == 0
    assert trained.curves.empty
    assert list(trained.curves) == ["train/loss"]


def test_neumf_goes_on_from_its_halves(gmf: TrainedModel, board: PreparedData) -> None:
    mlp = train(board, "mlp", SMALL["mlp"])
    before = [part.score_all(torch.arange(4)).numpy() for part in (gmf, mlp)]
    joined = train(board, "neumf-pretrained", {"alpha": 0.25, "training": {"max_epochs": 0}}, pretrained=(gmf, mlp))
    assert isinstance(joined.model, NeuMF)
    assert joined.bundle.config == NeuMFConfig(embedding_dim=8, layers=(16, 8))
    expected = 0.25 * before[0] + 0.75 * before[1]
    np.testing.assert_allclose(joined.score_all(torch.arange(4)), expected, rtol=1e-5, atol=1e-6)
    for part, scores in zip((gmf, mlp), before, strict=True):
        np.testing.assert_array_equal(part.score_all(torch.arange(4)), scores)


def test_a_saved_model_answers_as_the_trained_one(gmf: TrainedModel, tmp_path: Path) -> None:
    gmf.bundle.save(str(tmp_path / "model"))
    loaded = Bundle.load(str(tmp_path / "model"))
    assert loaded.about == gmf.bundle.about
    expected = Recommender(gmf.bundle).recommend([0, 1], 5)
    assert Recommender.load(str(tmp_path / "model")).recommend([0, 1], 5).equals(expected)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("gfm", {}, "there is no such model: 'gfm'; allowed: gmf, mlp, neumf, neumf-pretrained"),
        ("gmf", {"training": {"epochs": 5}}, r"training\.epochs is refused: 5; .*; what to do: see the fields of"),
        ("gmf", {"training": {"max_epochs": -1}}, r"training\.max_epochs is refused: -1; allowed: .*greater than"),
        ("neumf-pretrained", {}, "needs a trained GMF and a trained MLP"),
    ],
)
def test_what_is_impossible_is_refused(board: PreparedData, name: Any, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        train(board, name, settings)


def test_halves_in_the_wrong_order_or_place_are_refused(gmf: TrainedModel, board: PreparedData) -> None:
    with pytest.raises(ConfigError, match=r"a trained GMF and a trained MLP: \['gmf', 'gmf'\]"):
        train(board, "neumf-pretrained", pretrained=(gmf, gmf))
    with pytest.raises(ConfigError, match="only for neumf-pretrained: 'gmf'"):
        train(board, "gmf", pretrained=(gmf, gmf))
