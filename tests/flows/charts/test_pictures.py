"""The figures, from numbers known beforehand."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.charts.pictures import COLOURS, Curve, Panel, draw_comparison, draw_training, save_picture
from tests.flows.charts.axes import legend_lines, line_points, star_points

LOSS = Curve("loss", {1: 0.6, 2: 0.5, 3: 0.4}, best=2)
NDCG = Curve("NDCG@10", {3: 0.2, 1: 0.1, 2: 0.3}, best=2)  # a history may come in any order


def test_a_model_has_a_panel_for_each_kind_of_figure_with_its_best_epoch_marked() -> None:
    figure = draw_training("gmf", [Panel("Training", "loss", [LOSS]), Panel("Validation", "mean", [NDCG])])
    assert figure.get_suptitle() == "gmf"
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("loss", "mean", "epoch")
    assert line_points(legend_lines(above)["loss"]) == [(1, 0.6), (2, 0.5), (3, 0.4)]
    assert line_points(legend_lines(below)["NDCG@10"]) == [(1, 0.1), (2, 0.3), (3, 0.2)]
    assert star_points(above) == [(2, 0.5)] and star_points(below) == [(2, 0.3)]


def test_a_panel_without_a_curve_is_left_out() -> None:
    figure = draw_training("gmf", [Panel("Training", "loss", []), Panel("Validation", "mean", [NDCG])])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Validation"]


def test_models_lie_over_each_other_and_baselines_are_horizontal() -> None:
    gmf, untrained = Curve("gmf", {1: 0.1, 2: 0.3}, best=2), Curve("mlp", {0: 0.2}, best=0)
    names = ["popularity", "item-knn", "gmf", "mlp"]
    figure = draw_comparison("all", "NDCG@10", [gmf, untrained], {"popularity": 0.15, "item-knn": 0.25}, names)
    drawn = legend_lines(figure.axes[0])
    assert line_points(drawn["gmf"]) == [(1, 0.1), (2, 0.3)] and line_points(drawn["mlp"]) == [(0, 0.2)]
    assert [set(drawn[name].get_ydata()) for name in ("popularity", "item-knn")] == [{0.15}, {0.25}]  # type: ignore[arg-type]
    assert len({line.get_linestyle() for name, line in drawn.items() if name not in ("gmf", "mlp")}) == 2
    assert drawn["gmf"].get_color() != drawn["mlp"].get_color()
    assert star_points(figure.axes[0]) == [(2, 0.3), (0, 0.2)]


def test_epochs_are_whole_numbers_even_if_there_is_one_alone() -> None:
    figure = draw_comparison("all", "NDCG@10", [Curve("mlp", {0: 0.2}, best=0)], {}, ["mlp"])
    figure.savefig(io.BytesIO(), format="png")
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_diverged_can_be_drawn(value: float) -> None:
    picture = io.BytesIO()
    draw_training("gmf", [Panel("Training", "loss", [Curve("loss", {1: 0.5, 2: value}, best=2)])]).savefig(picture)
    assert picture.getvalue().startswith(b"\x89PNG")


def test_the_file_of_a_picture_is_small_and_looks_the_same(tmp_path: Path) -> None:
    curves = [Curve(f"model {k}", {1: 0.1, 2: 0.2 + k / 20, 3: 0.3}, best=2) for k in range(len(COLOURS))]
    names = ["popularity", *(curve.name for curve in curves)]
    figure = draw_comparison("all", "NDCG@10", curves, {"popularity": 0.15}, names)
    save_picture(figure, tmp_path / "picture.png")
    figure.savefig(tmp_path / "whole.png")
    files = [tmp_path / name for name in ("picture.png", "whole.png")]
    small, whole = (np.asarray(Image.open(file).convert("RGB"), dtype=int) for file in files)
    assert small.shape == whole.shape
    difference = np.abs(small - whole)  # of 255, red, green and blue
    assert difference.mean() < 0.2 and (difference > 32).mean() < 0.001
    assert files[0].stat().st_size < files[1].stat().st_size / 2
