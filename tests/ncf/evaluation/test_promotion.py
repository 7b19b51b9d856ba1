from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import bootstrap

from ncf.errors import ConfigError
from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import CandidateMetrics
from ncf.evaluation.metrics import Values
from ncf.evaluation.promotion import Decision, decide, gain_over

USERS = 400
POPULARITY = np.tile([0.1, 0.2, 0.3, 0.2], 100)  # mean 0.2
GOOD = np.tile([0.4, 0.2, 0.5, 0.5], 100)  # mean 0.4
BETTER = np.tile([0.5, 0.4, 0.4, 0.5], 100)  # mean 0.45; over GOOD: +.1, +.2, -.1, 0
POOR = np.tile([0.1, 0.2, 0.3, 0.1], 100)  # mean 0.175


def decided(challenger: Values, champion: Values | None, **config: Any) -> Decision:
    judged = None if champion is None else CandidateMetrics(champion)
    return decide(CandidateMetrics(challenger), POPULARITY, judged, PromotionConfig.model_validate(config))


def assert_tells(decision: Decision, *words: str) -> None:
    assert [word for word in words if word not in decision.reason] == []


def test_the_first_champion_must_surely_beat_popularity() -> None:
    decision = decided(GOOD, None)
    assert decision.promote
    assert_tells(decision, "there was none", "popularity", "0.4000", "0.2000", "+0.2000")
    assert decision.figures == {"challenger": pytest.approx(0.4), "popularity": pytest.approx(0.2), "users": USERS}


LUCKY = np.concatenate([POPULARITY[:-4] + np.tile([0.1, -0.1], 198), POPULARITY[-4:] + 0.1])  # better by 0.001


def test_a_first_champion_that_may_be_lucky_is_asked_for_by_name() -> None:
    kept_back = decided(LUCKY, None)
    assert not kept_back.promote
    assert_tells(kept_back, "kept back: better than popularity on average, but not surely: NDCG@10 0.2010 against 0.2")
    assert_tells(kept_back, "95 % interval -0.0", "promotion.first to average")
    promoted = decided(LUCKY, None, first="average")
    assert promoted.promote
    assert_tells(promoted, "there was none, and it beats popularity: NDCG@10 0.2010 against 0.2000")
    assert not decided(POOR, None, first="average").promote
    assert decided(LUCKY, np.zeros(USERS)).promote, "a later champion need only be better on average than popularity"


def test_a_holdout_of_few_users_is_said_to_tell_little() -> None:
    few = [values[:19] for values in (GOOD, POPULARITY)]
    assert_tells(
        decide(CandidateMetrics(few[0]), few[1], None), "; only 19 users decided, and fewer than 200 (promotion"
    )
    assert "users decided" not in decided(GOOD, None).reason
    assert "users decided" not in decided(GOOD, None, minimum_users=400).reason
    assert_tells(decided(GOOD, None, minimum_users=401), "; only 400 users decided, and fewer than 401")


NOT_ABOVE_POPULARITY = [(POOR, "0.1750", "-0.0250"), (POPULARITY, "0.2000", "0.0000")]


@pytest.mark.parametrize("champion", [None, POOR, GOOD, np.zeros(USERS)])
@pytest.mark.parametrize(("challenger", "mean", "difference"), NOT_ABOVE_POPULARITY)
def test_a_challenger_not_above_popularity_is_never_promoted(
    challenger: Values, mean: str, difference: str, champion: Values | None
) -> None:
    decision = decided(challenger, champion)
    assert not decision.promote
    assert_tells(decision, "kept back: not better than popularity", mean, "0.2000", difference)


def test_a_surely_better_challenger_is_promoted() -> None:
    decision = decided(BETTER, GOOD)
    assert decision.promote
    assert_tells(decision, "better than the champion by 0.0500: NDCG@10 0.4500 against 0.4000, 95 % interval +0.0")
    assert decision.figures["gain"] == pytest.approx(0.05)
    assert 0 < decision.figures["low"] < 0.05 < decision.figures["high"]


def test_a_gain_that_may_be_chance_is_not_enough() -> None:
    decision = decided(np.concatenate([BETTER[:20], GOOD[20:]]), GOOD)
    assert not decision.promote
    assert_tells(decision, "kept back: better than the champion by 0.0025, but that may be chance: 95 % interval -0.0")


def test_a_worse_or_equal_challenger_is_not_promoted() -> None:
    assert_tells(decided(GOOD, BETTER), "kept back: worse than the champion by 0.0500", "95 % interval -0.0")
    assert_tells(decided(GOOD, GOOD.copy()), "kept back: no better than the champion: difference +0.0000")
    assert not decided(GOOD, BETTER).promote and not decided(GOOD, GOOD.copy()).promote


def test_a_gain_below_the_minimum_is_not_enough() -> None:
    assert decided(BETTER, GOOD, minimum_gain=0.02).promote
    decision = decided(BETTER, GOOD, minimum_gain=0.045)
    assert not decision.promote
    assert_tells(decision, "but not surely by more than the minimum gain 0.0450")


def test_confidence_is_what_is_said() -> None:
    narrow, wide = (gain_over(BETTER, GOOD, PromotionConfig(confidence=share)) for share in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert "80 % interval" in decided(BETTER, GOOD, confidence=0.8).reason


def test_the_interval_of_many_users_is_scipys_bootstrap(rng: np.random.Generator) -> None:
    ndcg = [1 / np.log2(1 + rng.integers(1, 11, size=943)) * (rng.random(943) < 0.3) for _ in range(2)]
    found = gain_over(ndcg[0], ndcg[1], PromotionConfig(seed_widening=1))
    expected = bootstrap(
        (ndcg[0] - ndcg[1],), np.mean, n_resamples=20_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    assert found.value == pytest.approx((ndcg[0] - ndcg[1]).mean())
    assert (found.low, found.high) == pytest.approx(expected, abs=0.03 * (expected.high - expected.low))


def test_widening_multiplies_the_distances_from_the_mean(rng: np.random.Generator) -> None:
    ours, theirs = rng.exponential(size=80), rng.random(80)
    plain, widened = (gain_over(ours, theirs, PromotionConfig(seed_widening=by)) for by in (1.0, 1.5))
    assert widened.value == plain.value
    assert widened.value - widened.low == pytest.approx(1.5 * (plain.value - plain.low))
    assert widened.high - widened.value == pytest.approx(1.5 * (plain.high - plain.value))


def test_one_user_proves_nothing() -> None:
    decision = decide(CandidateMetrics(np.array([1.0])), np.array([0.1]), CandidateMetrics(np.array([0.0])))
    assert not decision.promote
    assert_tells(decision, "may be chance", "-inf to +inf")
    assert all(np.isfinite(value) for value in decision.figures.values())


def guarded(challenger: CandidateMetrics, champion: CandidateMetrics | None = None, **guards: Any) -> Decision:
    config = PromotionConfig.model_validate({"guards": guards})
    interactions = np.tile([3, 40, 3, 40], 100)
    return decide(challenger, POPULARITY, champion, config, interactions=interactions)


def test_guards_are_off_by_default() -> None:
    challenger = CandidateMetrics(BETTER, np.zeros(USERS), coverage=0.0, seconds=1e9, size_mb=1e9)
    assert guarded(challenger, CandidateMetrics(GOOD, np.ones(USERS), coverage=1.0)).promote


COLD_HITS = np.tile([0.0, 1.0, 1.0, 1.0], 100)  # half of the users with 3 interactions


@pytest.mark.parametrize(
    ("guards", "limit", "words", "figure"),
    [
        (
            {"minimum_coverage": 0.5},
            {"minimum_coverage": 0.4},
            ["20.0%", "less than 0.5 of the champion's 50.0%"],
            "coverage",
        ),
        ({"maximum_cold_loss": 0.4}, {"maximum_cold_loss": 0.5}, ["200 users with at most 10", "0.5000"], "cold_loss"),
        ({"maximum_seconds": 1.9}, {"maximum_seconds": 2.0}, ["2.00 s, more than 1.9"], "seconds"),
        ({"maximum_size_mb": 29.0}, {"maximum_size_mb": 30.0}, ["30.0 MB, more than 29"], "size_mb"),
    ],
)
def test_a_guard_keeps_a_better_challenger_back(
    guards: dict[str, float], limit: dict[str, float], words: list[str], figure: str
) -> None:
    challenger = CandidateMetrics(BETTER, COLD_HITS, coverage=0.2, seconds=2.0, size_mb=30.0)
    champion = CandidateMetrics(GOOD, np.ones(USERS), coverage=0.5)
    kept_back = guarded(challenger, champion, **guards)
    assert not kept_back.promote
    assert_tells(kept_back, "kept back: better than the champion by 0.0500", "but", *words)
    assert figure in kept_back.figures
    assert guarded(challenger, champion, **limit).promote, "the limit itself is allowed"


def test_users_with_few_interactions_are_as_many_as_the_setting_says() -> None:
    champion = CandidateMetrics(GOOD, np.ones(USERS))
    assert guarded(CandidateMetrics(BETTER, COLD_HITS), champion, maximum_cold_loss=0.1, cold_interactions=2).promote, (
        "there are none"
    )
    decision = guarded(CandidateMetrics(BETTER, COLD_HITS), champion, maximum_cold_loss=0.1, cold_interactions=40)
    assert decision.figures["cold_loss"] == pytest.approx(0.25)


def test_a_first_champion_must_not_be_too_slow_either() -> None:
    decision = guarded(CandidateMetrics(BETTER, seconds=2.0), None, maximum_seconds=1.0, minimum_coverage=1.0)
    assert not decision.promote
    assert_tells(decision, "2.00 s")


def test_a_guard_without_its_measurement_is_an_error() -> None:
    with pytest.raises(ConfigError, match="maximum_size_mb is on"):
        guarded(CandidateMetrics(BETTER), CandidateMetrics(GOOD), maximum_size_mb=1.0)


@pytest.mark.parametrize(
    "wrong",
    [{"confidence": 1.0}, {"confidence": 0.5}, {"margin": -0.1}, {"seed_widening": 0.9}, {"minimum_gain": -0.1}],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PromotionConfig.model_validate(wrong)
