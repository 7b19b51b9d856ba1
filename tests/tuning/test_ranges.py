import pytest
from pydantic import TypeAdapter, ValidationError

from tuning.ranges import Choices, FloatRange, IntRange, Range, Value, limits_of, nearest

RANGE: TypeAdapter[Range] = TypeAdapter(Range)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 0.5, "high": 0.5}, "low must be below high, got low 0.5 and high 0.5"),
        ({"low": 2.5, "high": 1.5}, "low must be below high, got low 2.5 and high 1.5"),
        ({"low": 0.0, "high": 1.5, "log": True}, "with log, low must be above 0, got 0.0"),
        ({"low": float("nan"), "high": 1.5}, "finite number"),
    ],
)
def test_an_empty_or_impossible_float_range_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FloatRange.model_validate(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 3, "high": 3}, "low must be below high, got low 3 and high 3"),
        ({"low": 0, "high": 8, "log": True}, "low must be at least 1 and step 1, got low 0 and step 1"),
        ({"low": 2, "high": 8, "log": True, "step": 2}, "low must be at least 1 and step 1, got low 2 and step 2"),
        ({"low": 1, "high": 8, "step": 3}, "step must divide high - low, got low 1, high 8 and step 3"),
        ({"low": 1, "high": 8, "step": 0}, "greater than or equal to 1"),
    ],
)
def test_an_empty_or_impossible_int_range_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        IntRange.model_validate(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [([], "at least two choices, got"), (["adam"], "at least two choices, got"), ([[8, 4], [16, 8], [8, 4]], "twice")],
)
def test_too_few_or_repeated_choices_are_refused(given: list[object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Choices.model_validate({"choices": given})


def test_true_one_and_one_point_nought_are_three_choices() -> None:
    assert len(Choices(choices=(True, 1, 1.0)).choices) == 3


def test_a_range_is_recognised_by_its_keys() -> None:
    assert RANGE.validate_python({"low": 1, "high": 8}) == IntRange(low=1, high=8)
    assert RANGE.validate_python({"low": 0.1, "high": 1}) == FloatRange(low=0.1, high=1)
    assert RANGE.validate_python({"choices": [[16, 8], [8, 4]]}) == Choices(choices=((16, 8), (8, 4)))


@pytest.mark.parametrize(
    ("range_", "value", "wanted"),
    [
        (FloatRange(low=0.1, high=0.5), 0.3, 0.3),
        (FloatRange(low=0.1, high=0.5), 0.7, 0.5),
        (FloatRange(low=0.1, high=0.5), None, 0.1),
        (IntRange(low=10, high=60, step=10), 36, 40),
        (IntRange(low=10, high=60, step=10), 1000, 60),
        (IntRange(low=10, high=60, step=10), 1, 10),
        (Choices(choices=(8, 32, 64)), 50, 64),
        (Choices(choices=("adam", "sgd")), "adamw", "adam"),
        (Choices(choices=((16, 8), (32, 16))), (32, 16), (32, 16)),
        (Choices(choices=((16, 8), (32, 16))), (64, 32), (16, 8)),
    ],
)
def test_the_nearest_allowed_value(range_: Range, value: Value, wanted: Value) -> None:
    assert nearest(range_, value) == wanted


def test_what_a_setting_must_accept() -> None:
    assert limits_of(FloatRange(low=0.1, high=0.5)) == (0.1, 0.5)
    assert limits_of(Choices(choices=("a", "b", "c"))) == ("a", "b", "c")
