from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ncf.evaluation.metrics import Mean
from ncf.monitoring.accuracy import Accuracy
from ncf.monitoring.config import ThresholdConfig
from ncf.monitoring.findings import Activity, Findings, Shift, measure
from ncf.monitoring.new_interactions import Newcomers
from ncf.monitoring.verdict import exceeded_thresholds
from ncf.serving.recommender import Recommender
from tests.ncf.monitoring.logs import KNOWN, SCORES, bundle_with, log_of

NOW = datetime(2030, 1, 10, tzinfo=UTC)


def figure(value: float, half: float = 0.01) -> Mean:
    return Mean(value, value - half, value + half)


def accuracy_of(ndcg: float, popular: float, at_training: float | None = 0.2) -> Accuracy:
    means = {"ndcg": ndcg, "popularity_ndcg": popular, "hr": ndcg, "popularity_hr": popular, "gain": ndcg - popular}
    figures = {name: figure(value) for name, value in means.items()}
    return Accuracy(users=100, at_training=at_training, **figures)


def activity_of(ratio: float) -> Activity:
    rates = {"per_day_before": 10.0, "per_day_after": 10 * ratio, "per_user_before": 1.0, "per_user_after": 1.0}
    return Activity(days_before=28, days_after=3, **rates)


def findings_of(**changes: Any) -> Findings:
    """A thousand new interactions on ten thousand known ones, with nothing odd about them."""
    values: dict[str, Any] = {
        **{"known": 10_000, "lost": 0, "new": 1000, "late": 0, "retyped": []},
        **{"last_time": NOW - timedelta(days=9), "newest_time": NOW - timedelta(hours=5)},
        "newcomers": Newcomers(users=5, items=2, user_share=0.1, item_share=0.01, either_share=0.11),
        "shift": Shift(psi=0.05, by_chance=0.01, before=[], after=[]),
        "activity": activity_of(1.2),
        "accuracy": accuracy_of(0.15, 0.1),
    }
    return Findings.model_validate(values | changes)


def test_nothing_odd_passes_nothing() -> None:
    assert exceeded_thresholds(findings_of(), ThresholdConfig(), NOW) == []


UNKNOWN = Newcomers(users=5, items=2, user_share=0.6, item_share=0.2, either_share=0.7)
SHIFTED = Shift(psi=0.3, by_chance=0.01, before=[], after=[])


@pytest.mark.parametrize(
    ("changes", "names", "words"),
    [
        ({"new": 2001}, ["growth"], "the log has grown: 2,001 new interactions on 10,000 (20.0%, more than 20.0%)"),
        ({"shift": SHIFTED}, ["psi"], "users turn to other items than before: PSI (0.300, more than 0.250)"),
        (
            {"newcomers": UNKNOWN},
            ["unknown_users", "unknown_items"],
            "unknown users in 1,000 new interactions (60.0%",
        ),
        ({"activity": activity_of(3.1)}, ["activity_factor"], "(3.10 times as many, more than 3.00)"),
        ({"activity": activity_of(0.3)}, ["activity_factor"], "(0.30 times as many, less than 0.33)"),
        ({"accuracy": accuracy_of(0.15, 0.17)}, ["below_popularity"], "NDCG@10 0.1500 against 0.1700"),
        ({"accuracy": accuracy_of(0.08, 0.02)}, ["accuracy_share"], "at most 0.0900: less than 0.5 of the 0.2000"),
    ],
)
def test_a_threshold_is_passed_in_words(changes: dict[str, Any], names: list[str], words: str) -> None:
    passed = exceeded_thresholds(findings_of(**changes), ThresholdConfig(), NOW)
    assert [one.name for one in passed] == names
    assert {one.kind for one in passed} == {"drift"}
    assert words in passed[0].words


@pytest.mark.parametrize(
    "changes",
    [
        {"accuracy": accuracy_of(0.15, 0.155)},  # worse than popularity, but perhaps by chance
        {"accuracy": accuracy_of(0.095, 0.02)},  # less than half of the test's, but perhaps by chance
        {"accuracy": accuracy_of(0.02, 0.01, at_training=None)},
        {"accuracy": None, "activity": None, "shift": None},
        {"new": 2000},
    ],
)
def test_what_may_be_chance_or_was_not_measured_passes_nothing(changes: dict[str, Any]) -> None:
    assert exceeded_thresholds(findings_of(**changes), ThresholdConfig(), NOW) == []


def test_of_too_few_new_interactions_nothing_is_said() -> None:
    odd = findings_of(new=499, newcomers=UNKNOWN, shift=SHIFTED, activity=activity_of(9), accuracy=accuracy_of(0, 1))
    assert exceeded_thresholds(odd, ThresholdConfig(), NOW) == []
    assert len(exceeded_thresholds(odd, ThresholdConfig(min_interactions=499), NOW)) == 6


def test_an_empty_threshold_is_not_looked_at() -> None:
    odd = findings_of(
        new=9000, lost=500, newcomers=UNKNOWN, shift=SHIFTED, activity=activity_of(9), accuracy=accuracy_of(0, 1)
    )
    off = dict.fromkeys(
        ("growth", "psi", "unknown_users", "unknown_items", "activity_factor", "accuracy_share", "lost")
    )
    assert exceeded_thresholds(odd, ThresholdConfig.model_validate({**off, "below_popularity": False}), NOW) == []


def test_faults_are_told_of_few_interactions_too_and_come_first() -> None:
    thresholds = ThresholdConfig(silence_hours=4)
    damaged = findings_of(new=0, lost=150, retyped=["user_id: int, now str"])
    passed = exceeded_thresholds(damaged, thresholds, NOW)
    assert [(one.name, one.kind) for one in passed] == [
        (name, "fault") for name in ("retyped", "lost", "silence_hours")
    ]
    assert "user_id: int, now str" in passed[0].words
    assert "has lost 150 of the 10,000 interactions that the champion knows (1.5%, more than 1.0%)" in passed[1].words
    assert "no interaction has arrived for 5 hours, more than 4" in passed[2].words
    assert [one.kind for one in exceeded_thresholds(findings_of(lost=150, shift=SHIFTED), ThresholdConfig(), NOW)] == [
        "fault",
        "drift",
    ]
    assert exceeded_thresholds(findings_of(newest_time=None), thresholds, NOW) == []


def test_everything_is_measured_of_one_log() -> None:
    recommender = Recommender(bundle_with(SCORES))
    new = [(10, 5, 112), (20, 3, 112), (40, 9, 111), (30, 4, 105)]
    found = measure(log_of(new, KNOWN[1:]), recommender, window=28)
    assert (found.known, found.lost, found.new, found.late) == (10, 1, 4, 1)
    assert found.last_time == datetime(1970, 4, 20, tzinfo=UTC)
    assert found.newest_time == datetime(1970, 4, 23, tzinfo=UTC)
    assert found.accuracy is not None
    assert found.accuracy.users == 2
    assert found.activity == Activity(
        days_before=9, days_after=2, per_day_before=1, per_day_after=0.5, per_user_before=1, per_user_after=1
    )
    figures = found.figures()
    assert figures["growth"] == 0.4
    assert figures["unknown_user_share"] == 0.25
    assert {"popularity_psi", "per_day", "ndcg_at_10", "ndcg_at_10_gain", "popularity_hr_at_10_ci95"} <= figures.keys()
    assert Findings.model_validate_json(found.model_dump_json()) == found


def test_nothing_new_is_a_quiet_answer() -> None:
    found = measure(log_of([]), Recommender(bundle_with(SCORES)), window=28)
    assert (found.new, found.lost, found.shift, found.activity, found.accuracy) == (0, 0, None, None, None)
    assert exceeded_thresholds(found, ThresholdConfig(min_interactions=1), NOW) == []
    assert found.figures() == {
        **{"known_interactions": 10, "new_interactions": 0, "late_interactions": 0, "lost_share": 0, "growth": 0},
        **{"new_users": 0, "new_items": 0},
    }
