import pytest

from tuning.ranges import Choices, FloatRange, IntRange, Range, grid, points_of


def test_points_of_a_float_range_are_evenly_apart() -> None:
    assert points_of(FloatRange(low=0.0, high=1.0), 5) == (0.0, 0.25, 0.5, 0.75, 1.0)


def test_with_log_they_are_evenly_apart_in_ratio_and_the_ends_are_exact() -> None:
    points = points_of(FloatRange(low=0.001, high=0.1, log=True), 3)
    assert points == (0.001, pytest.approx(0.01), 0.1)


def test_points_of_an_int_range_are_on_its_steps_and_each_is_there_once() -> None:
    assert points_of(IntRange(low=10, high=60, step=10), 3) == (10, 30, 60)
    assert points_of(IntRange(low=1, high=3), 10) == (1, 2, 3)
    assert points_of(IntRange(low=1, high=64, log=True), 4) == (1, 4, 16, 64)


def test_all_choices_are_points() -> None:
    assert points_of(Choices(choices=("a", "b", "c")), 2) == ("a", "b", "c")


@pytest.mark.parametrize("number", [2, 3, 7])
def test_a_grid_has_every_combination_once(number: int) -> None:
    space: dict[str, Range] = {
        "a": Choices(choices=("x", "y")),
        "b": IntRange(low=1, high=100),
        "c": FloatRange(low=0.0, high=1.0),
    }
    found = [tuple(values.values()) for values in grid(space, number)]
    wanted = {(a, b, c) for a in "xy" for b in points_of(space["b"], number) for c in points_of(space["c"], number)}
    assert len(found) == len(wanted) == 2 * number**2
    assert set(found) == wanted


def test_the_first_points_of_a_large_grid_are_from_everywhere() -> None:
    space: dict[str, Range] = {name: IntRange(low=0, high=9) for name in "abcd"}
    first = [values for values, _ in zip(grid(space, 10), range(20), strict=False)]
    for name in space:
        assert len({values[name] for values in first}) >= 5
