"""The second question of the gate: a challenger on newer data than the champion's."""

from typing import Any

import numpy as np
import pytest

from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import CandidateMetrics
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import ANCHOR_MARGINS, Anchor, Decision, decide, effective_margin

USERS = 10_000
CHAMPION = np.tile([0.0, 0.4], USERS // 2)  # mean 0.2; 2 % of it is 0.004


def worse_by(loss: float, spread: float = 0.02) -> Values:
    """A model whose mean is lower, with differences of 0.02, of which half are up and half are down."""
    return CHAMPION - loss + np.tile([spread, spread, -spread, -spread], USERS // 4)


def decided(challenger: Values, champion: Values = CHAMPION, anchor: Anchor | None = None, **config: Any) -> Decision:
    models = CandidateMetrics(challenger), np.full(len(champion), -1.0), CandidateMetrics(champion)
    return decide(*models, PromotionConfig.model_validate(config), newer=True, anchor=anchor)


def test_newer_data_win_a_tie() -> None:
    decision = decided(worse_by(0.003))
    assert decision.promote
    assert "on newer data and not worse than the champion: NDCG@10 0.1970 against 0.2000" in decision.reason
    assert "difference -0.0030" in decision.reason and "within the margin 0.0040" in decision.reason
    assert decision.figures["margin"] == pytest.approx(0.004)
    same_data = decide(CandidateMetrics(worse_by(0.0)), np.zeros(USERS), CandidateMetrics(CHAMPION))
    assert not same_data.promote, "on the same data there is no reason to change"


def test_newer_data_do_not_excuse_a_loss_beyond_the_margin() -> None:
    decision = decided(worse_by(0.005))
    assert not decision.promote
    assert "kept back: on newer data, but worse than the champion by 0.0050, which is not within the margin 0.0040" in (
        decision.reason
    )


def test_the_margin_is_a_setting() -> None:
    assert decided(worse_by(0.005), margin=0.006).promote
    assert not decided(worse_by(0.003), margin=0.002).promote
    assert not decided(worse_by(0.003), newer_data="surely better").promote
    assert decided(worse_by(-0.005), newer_data="surely better").promote
    assert decided(CHAMPION / 100 - 0.0015, CHAMPION / 100).promote, "the least margin by default is 0.002"
    assert not decided(CHAMPION / 100 - 0.0025, CHAMPION / 100).promote


def test_a_challenger_that_is_surely_better_is_said_to_be() -> None:
    decision = decided(worse_by(-0.005))
    assert decision.promote
    assert "on newer data and better than the champion by 0.0050" in decision.reason and "margin" not in decision.reason


def test_the_margin_is_never_less_than_the_holdout_can_tell(rng: np.random.Generator) -> None:
    ours, theirs = rng.choice([0.0, 0.5], (2, 400))
    margin, by_users = effective_margin(ours, theirs, PromotionConfig())
    assert by_users
    assert margin == pytest.approx(1.75 * 1.5 * (ours - theirs).std() / 20, rel=0.02)
    assert "the least that 400 users can tell" in decided(ours, theirs).reason
    assert "can tell" not in decided(worse_by(0.0)).reason


def test_one_user_can_tell_nothing_so_newer_data_win() -> None:
    decision = decided(np.array([0.1]), np.array([0.9]))
    assert decision.promote
    assert "within any margin" in decision.reason and "; only 1 user decided" in decision.reason
    assert all(np.isfinite(value) for value in decision.figures.values())


def test_the_losses_of_many_nights_are_limited_together() -> None:
    best = Anchor(7, CHAMPION + 0.003)
    margin = effective_margin(worse_by(0.0), CHAMPION + 0.003, PromotionConfig())[0]
    allowed = ANCHOR_MARGINS * margin
    decision = decided(worse_by(0.001), anchor=best)
    assert decision.promote
    used = 0.004 / allowed
    assert f"; uses {used:.0%} of the loss allowed against version 7, the best champion of the last 30 days" in (
        decision.reason
    )
    assert decision.figures["loss_used"] == pytest.approx(used) and decision.figures["anchor"] == 7
    kept_back = decided(worse_by(0.0035), anchor=best)
    assert not kept_back.promote, "the champion alone would have let it pass"
    assert f"worse than version 7, the best champion of the last 30 days, by 0.0065, and {allowed:.4f} is allowed" in (
        kept_back.reason
    )
    assert decided(worse_by(-0.01), anchor=best).figures["anchor_low"] > 0
    assert decided(worse_by(-0.01), anchor=best).figures["loss_used"] == 0


def test_an_anchor_that_can_not_be_read_is_told_and_does_not_stop_anything() -> None:
    decision = decided(worse_by(0.001), anchor=Anchor(7, None))
    assert decision.promote
    assert "version 7, the best champion of the last 30 days, can't be read" in decision.reason


def test_the_anchor_limits_newer_data_alone() -> None:
    models = CandidateMetrics(worse_by(-0.01)), np.zeros(USERS), CandidateMetrics(CHAMPION)
    decision = decide(*models, anchor=Anchor(7, CHAMPION + 0.2))
    assert decision.promote, "it is surely better than the champion on the same data"
    assert decision.figures["anchor_low"] < 0, "so it does not become the anchor"
