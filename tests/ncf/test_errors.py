import numpy as np
import pytest

from ncf.errors import ConfigError, DataError, ModelError, NCFError


def test_message_says_what_the_value_what_is_allowed_and_what_to_do() -> None:
    error = DataError("row 3 has an unusable rating", got="five", allowed="a number", do="fix the row")
    assert str(error) == "row 3 has an unusable rating: 'five'; allowed: a number; what to do: fix the row"


def test_parts_that_are_not_given_are_left_out() -> None:
    assert str(NCFError("the ratings have no rows")) == "the ratings have no rows"
    assert str(NCFError("no rows", do="look")) == "no rows; what to do: look"
    assert str(NCFError("k", allowed="1 to 5")) == "k; allowed: 1 to 5"


@pytest.mark.parametrize("got", [0, "", False, []])
def test_a_falsy_value_is_still_shown(got: object) -> None:
    assert str(NCFError("k is out of range", got=got)) == f"k is out of range: {got!r}"


@pytest.mark.parametrize(("got", "shown"), [(np.int64(7), "7"), (np.float64("inf"), "inf"), (np.str_("x"), "'x'")])
def test_a_numpy_scalar_is_shown_as_its_plain_value(got: object, shown: str) -> None:
    assert str(NCFError("value", got=got)) == f"value: {shown}"


@pytest.mark.parametrize("kind", [ConfigError, DataError, ModelError])
def test_every_kind_is_caught_as_ncf_error(kind: type[NCFError]) -> None:
    with pytest.raises(NCFError, match="what"):
        raise kind("what")
