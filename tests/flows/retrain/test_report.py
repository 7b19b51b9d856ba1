"""What a retraining proposes to try next fits the data and the settings that ran."""

from typing import Any

import numpy as np
import pytest
from prefect.logging import disable_run_logger

from flows.retrain.flow import with_holdout_note
from flows.retrain.promote import caveats
from flows.retrain.report import Report, next_runs
from flows.retrain.resolve_settings import resolve_settings
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracker import ModelRun, Tracker
from tests.ncf.toy_data import checkerboard


def proposals(**given: Any) -> dict[str, str]:
    settings = RetrainSettings.model_validate(given)
    return next_runs(settings, resolve_settings(settings).settings)


def test_a_wider_gmf_is_wider_than_the_presets() -> None:
    ran = resolve_settings(RetrainSettings()).settings.gmf.model.embedding_dim
    assert ran != RetrainSettings().gmf.model.embedding_dim, "the preset of ml-100k has a width of its own"
    assert proposals() == {
        "Try another seed": 'make retrain ARGS="--seed 1"',
        "Try a wider GMF": f'make retrain ARGS="--gmf.model.embedding-dim {2 * ran}"',
    }


def test_another_seed_is_another_than_the_one_that_ran() -> None:
    assert proposals(seed=1)["Try another seed"] == 'make retrain ARGS="--seed 2"'


def test_a_width_at_the_limit_is_not_doubled() -> None:
    assert list(proposals(gmf={"model": {"embedding_dim": 4096}})) == ["Try another seed"]


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {"dataset": "shop", "fingerprint": "f", "run_id": "r", "rows": [], "winner": "gmf"}
    values |= {"version": 2, "promoted": True, "reason": "there was none", "champion": 2}
    return Report.model_validate(values | {"recommendations": None, "sample": []} | changes)


def test_the_verdict_says_in_one_sentence_what_speaks_against_it() -> None:
    assert report().verdict() == "Version 2 (gmf) is the new champion: there was none."
    caveats = "the baseline ials is surely better: NDCG@10 0.2 against 0.1"
    told = report(caveats=caveats).verdict()
    assert told == f"Version 2 (gmf) is the new champion: there was none; but {caveats}."
    kept_back = report(promoted=False, champion=None, reason="kept back: worse", caveats=caveats).verdict()
    assert kept_back == f"No champion: version 2 (gmf) is kept back: worse; and {caveats}."


def test_a_model_below_popularity_by_the_sampled_protocol_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"popularity": (0.1, 0.4), "ials": (0.3, 0.4), "gmf": (0.2, 0.3)}  # full, sampled
    sampled = "test/sampled/ndcg_at_10"
    popularity, ials, gmf = (ModelRun(name, name, {sampled: each}) for name, (_, each) in values.items())
    full = {name: np.tile(value + np.array([0.01, -0.01]), 50) for name, (value, _) in values.items()}
    monkeypatch.setattr("flows.retrain.promote.promotion_values", lambda _, run: full[run.name])
    tracker = Tracker.__new__(Tracker)
    told = caveats(tracker, gmf, [popularity, ials])
    assert told.startswith("the baseline ials is surely better: NDCG@10 0.3000 against 0.2000 (difference +0.1000")
    assert told.endswith("; by the protocol 1 + 99 it is below popularity: NDCG@10 0.3000 against 0.4000")
    assert caveats(tracker, ials, [popularity]) == "", "as good as popularity is not below"


def test_a_small_holdout_is_told_before_the_training() -> None:
    about = checkerboard().report
    with disable_run_logger():
        noted = with_holdout_note(about.model_copy(update={"validation": 15, "test": 19}), RetrainSettings())
        silent = with_holdout_note(about.model_copy(update={"validation": 200, "test": 200}), RetrainSettings())
    assert noted.notes[-1].startswith("few users: the validation holdout has 15 and the test holdout has 19, and fewer")
    assert "| note | few users: the validation" in noted.markdown()
    assert silent.notes == about.notes
