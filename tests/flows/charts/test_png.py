"""Charts as pictures, from numbers known beforehand."""

import io

import numpy as np
import pytest
from PIL import Image

from flows.charts.chart import BLUE, COLORS, GREY, Chart, Level, Panel, Series, bar_panel, finite, model_color
from flows.charts.png import draw, png
from tests.flows.charts.axes import legend_lines, line_points, star_points

LOSS = Series("loss", BLUE, [1, 2, 3], [0.6, 0.5, 0.4], star=2)
NDCG = Series("NDCG@10", BLUE, [1, 2, 3], [0.1, 0.3, 0.2], star=2, dash=1)


def test_panels_share_their_axis_and_the_best_epoch_has_a_star() -> None:
    panels = [Panel("Training", [LOSS], x_label="epoch", y_label="loss"), Panel("Validation", [NDCG], x_label="epoch")]
    figure = draw(Chart("gmf", panels, share="x"))
    assert figure.get_suptitle() == "gmf"
    above, below = figure.axes
    assert (above.get_ylabel(), above.get_xlabel(), below.get_xlabel()) == ("loss", "", "epoch")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Training", "Validation"]
    assert line_points(legend_lines(above)["loss"]) == [(1, 0.6), (2, 0.5), (3, 0.4)]
    assert star_points(above) == [(2, 0.5)] and star_points(below) == [(2, 0.3)]


def test_levels_are_horizontal_lines_of_different_styles() -> None:
    levels = [Level(0.15, name="popularity", dash=1), Level(0.25, name="item-knn", dash=2), Level(0.0)]
    drawn = legend_lines(draw(Chart("all", [Panel("", [NDCG], levels)])).axes[0])
    assert list(drawn) == ["popularity", "item-knn", "NDCG@10"], "a level without a name is not in the legend"
    assert [set(drawn[name].get_ydata()) for name in ("popularity", "item-knn")] == [{0.15}, {0.25}]  # type: ignore[arg-type]
    assert len({line.get_linestyle() for line in drawn.values()}) == 2


def test_bars_are_horizontal_with_their_names_from_the_top() -> None:
    axes = draw(Chart("test", [bar_panel("HR@10", {"popularity": (0.1, 0.01), "gmf": (0.2, 0.02)})])).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.1, 0.2]  # type: ignore[attr-defined]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["popularity", "gmf"]
    assert axes.yaxis_inverted()


def test_bars_that_share_their_names_are_all_inverted() -> None:
    panel = bar_panel("HR@10", {"popularity": (0.1, 0.01), "gmf": (0.2, 0.02)})
    figure = draw(Chart("test", [panel, panel], columns=2, share="y"))
    assert all(axes.yaxis_inverted() for axes in figure.axes)


def test_epochs_are_whole_numbers_even_if_there_is_one_alone() -> None:
    figure = draw(Chart("all", [Panel("", [Series("mlp", BLUE, [0], [0.2], star=0)])]))
    figure.savefig(io.BytesIO(), format="png")
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_diverged_can_be_drawn(value: float) -> None:
    assert png(Chart("gmf", [Panel("", [Series("loss", BLUE, [1, 2], [0.5, value], star=2)])])).startswith(b"\x89PNG")


def test_an_interval_without_an_end_is_not_drawn() -> None:
    assert np.isnan(finite([float("inf"), 0.1])).tolist() == [True, False]
    for kind in ("points", "line"):
        one = Series("gmf", BLUE, [0.0, 1.0], [0.5, 0.4], kind, error=finite([float("inf"), 0.1]))
        low, high = draw(Chart("groups", [Panel("", [one])])).axes[0].get_ylim()
        assert 0.2 < low < high < 0.6


def test_the_reference_is_grey_and_the_models_have_colors_of_their_own() -> None:
    assert model_color(0) == GREY
    assert [model_color(index) for index in range(1, 4)] == list(COLORS[:3])


def test_the_file_of_a_picture_is_small_and_looks_the_same() -> None:
    series = [
        Series(f"model {k}", model_color(k), [1, 2, 3], [0.1, 0.2 + k / 20, 0.3], dash=k, star=2)
        for k in range(1, len(COLORS) + 1)
    ]
    chart = Chart("all", [Panel("", series, [Level(0.15, name="popularity")], x_label="epoch", y_label="NDCG@10")])
    full = io.BytesIO()
    draw(chart).savefig(full, format="png")
    small = png(chart)
    pixels = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), dtype=int) for file in (small, full.getvalue())]
    assert pixels[0].shape == pixels[1].shape
    difference = np.abs(pixels[0] - pixels[1])  # of 255, red, green and blue
    assert difference.mean() < 0.2 and (difference > 32).mean() < 0.001
    assert len(small) < len(full.getvalue()) / 2
