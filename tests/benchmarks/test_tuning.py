"""The pure parts of the tuning benchmark. No timings here: those are the benchmark's."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.figures.tuning import OURS, PEER, Search, draw, mean_steps, rows_of, search_of

FIRST = Search(((0.5, 0.30), (1.0, 0.20), (2.0, 0.40)), pruned=2)
SECOND = Search(((1.0, 0.20), (3.0, 0.50)), pruned=0)


def trial(minutes: float, state: str, score: float | None) -> dict[str, object]:
    return {"minutes": minutes, "state": state, "score": score}


def test_only_whole_trials_that_ended_in_time_count() -> None:
    noted = [
        trial(2.0, "complete", 0.4),
        trial(0.5, "complete", 0.3),
        trial(0.7, "pruned", 0.9),
        trial(0.8, "failed", None),
        trial(4.1, "complete", 0.8),
        trial(4.2, "pruned", 0.1),
    ]
    assert search_of(noted, 4.0) == Search(((0.5, 0.3), (2.0, 0.4)), pruned=1)


@pytest.mark.parametrize(("minutes", "best"), [(0.4, None), (0.5, 0.3), (1.9, 0.3), (4.0, 0.4)])
def test_best_so_far(minutes: float, best: float | None) -> None:
    assert FIRST.best_at(minutes) == best


@pytest.mark.parametrize(("score", "minutes"), [(0.1, 0.5), (0.3, 0.5), (0.35, 2.0), (0.41, None)])
def test_minutes_until_a_score_was_reached(score: float, minutes: float | None) -> None:
    assert FIRST.reached(score) == minutes


def test_the_mean_begins_where_every_study_has_a_figure() -> None:
    minutes, means = mean_steps([FIRST, SECOND], 4.0)
    assert minutes == [1.0, 2.0, 3.0, 4.0]
    assert means == pytest.approx([0.25, 0.30, 0.45, 0.45])
    assert mean_steps([FIRST, Search((), 0)], 4.0) == ([], [])


def test_rows_are_means_over_the_seeds() -> None:
    score, trials, until = rows_of({OURS: [FIRST, SECOND], PEER: [SECOND, FIRST]}, 4.0, "today")
    assert (score.ours, score.peer) == pytest.approx((0.45, 0.45))
    assert score.must == ">= 1"
    assert score.met
    assert (trials.ours, trials.peer) == ((5 + 2) / 2, (2 + 5) / 2)
    assert until.ours == 3.0  # with the first seed ours never had the peer's 0.5; with the second 0.4 after 3 minutes
    assert until.peer == (3.0 + 2.0) / 2
    assert "with 1 of 2 seeds" in until.note


def test_a_side_that_finished_nothing_has_no_figure_and_has_not_met_what_it_must() -> None:
    score, _, until = rows_of({OURS: [Search((), 3)], PEER: [FIRST]}, 4.0, "today")
    assert (score.ours, score.peer) == (None, 0.4)
    assert score.met is False
    assert until.ours is None


def test_the_picture_has_a_thin_line_a_study_and_a_thick_one_a_side() -> None:
    figure = draw({OURS: [FIRST, SECOND], PEER: [SECOND, SECOND]}, 4.0)
    assert isinstance(figure, Figure)
    [axes] = figure.axes
    assert len(axes.lines) == 6
    thick = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in thick] == [
        "TPE, median pruning (mean of 2)",
        "random search, no pruning (mean of 2)",
    ]
    assert np.asarray(thick[0].get_ydata()).tolist() == pytest.approx([0.25, 0.30, 0.45, 0.45])
