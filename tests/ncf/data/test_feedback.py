from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ncf.data.config import FeedbackConfig
from ncf.errors import DataError
from tests.ncf.data.tiny_logs import filtered, ids_of, rated

STARS = {"kind": "explicit", "scale": (1, 5)}


def test_every_row_of_implicit_feedback_has_label_1_which_needs_no_array() -> None:
    assert filtered(rated([(1, 5, 2.0, 1), (1, 6, 5.0, 2)])).labels is None


@pytest.mark.parametrize(
    ("scale", "ratings", "labels"),
    [
        ((1, 5), [1, 2, 3, 4, 5], [0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.5, 5), [0.5, 4.5], [0.1, 0.9]),
        ((0, 10), [0, 1, 10], [0.0, 0.1, 1.0]),
        ((-10, 10), [-10, 0, 5, 10], [0.0, 0.5, 0.75, 1.0]),
        ((-4, -2), [-4, -3, -2], [0.0, 0.5, 1.0]),
    ],
)
def test_a_rating_becomes_a_label_above_that_of_what_was_not_observed(
    scale: tuple[float, float], ratings: list[float], labels: list[float]
) -> None:
    log = rated([(1, item, rating, item) for item, rating in enumerate(ratings)])
    found = filtered(log, {"kind": "explicit", "scale": scale}).labels
    assert found is not None
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(labels, abs=1e-7)
    assert ((found >= 0) & (found <= 1)).all()


def test_labels_go_with_their_pairs() -> None:
    found = filtered(rated([(2, 5, 4, 9), (1, 6, 2, 8), (1, 5, 5, 7), (2, 6, 1, 1)]), STARS)
    assert found.labels is not None
    assert ids_of(found) == [(1, 5), (1, 6), (2, 6), (2, 5)]
    assert found.labels.tolist() == pytest.approx([1.0, 0.4, 0.2, 0.8])


@pytest.mark.parametrize(("repeated", "label"), [("last", 0.2), ("first", 0.4), ("sum", 0.6)])
def test_the_label_of_a_repeated_pair_is_that_of_what_was_kept(repeated: str, label: float) -> None:
    found = filtered(rated([(1, 5, 2, 1), (1, 5, 1, 2)]), STARS, repeated=repeated)
    assert found.labels is not None
    assert found.labels.tolist() == pytest.approx([label])


@pytest.mark.parametrize("feedback", [STARS, {"scale": (1, 5)}, {"scale": (1, 5), "threshold": 4}])
@pytest.mark.parametrize("bad", [0.5, 5.5, -1.0])
def test_a_rating_outside_of_the_scale_is_refused_with_its_pair(feedback: dict[str, Any], bad: float) -> None:
    with pytest.raises(DataError, match=rf"user 7 for item 6 is outside of the scale: {bad}; allowed: 1 to 5"):
        filtered(rated([(7, 5, 1.0, 1), (7, 6, bad, 2), (8, 6, 5.0, 3)]), feedback)


def test_a_rating_outside_of_the_scale_is_refused_even_if_a_later_one_replaces_it() -> None:
    with pytest.raises(DataError, match="outside of the scale: 9.0"):
        filtered(rated([(7, 5, 9.0, 1), (7, 5, 2.0, 2)]), STARS)


def test_the_scale_is_that_of_the_sum_where_ratings_are_summed() -> None:
    plays = {"kind": "explicit", "scale": (2, 10)}
    found = filtered(rated([(7, 5, 1.0, 1), (7, 5, 4.0, 2)]), plays, repeated="sum")
    assert found.labels is not None
    assert found.labels.tolist() == [0.5]
    with pytest.raises(DataError, match="outside of the scale: 12.0"):
        filtered(rated([(7, 5, 6.0, 1), (7, 5, 6.0, 2)]), plays, repeated="sum")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "explicit"}, "needs scale"),
        ({"kind": "explicit", "scale": (5, 1)}, "from the lowest to the highest"),
        ({"kind": "explicit", "scale": (1, 5), "threshold": 3}, "threshold is for implicit"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeedbackConfig.model_validate(settings)
