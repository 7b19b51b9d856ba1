import pytest

from ncf.monitoring.verdict import LastEvent, is_news

BEFORE = LastEvent(new=1000, names=["growth", "psi"])


@pytest.mark.parametrize(
    ("before", "new", "names", "expected"),
    [
        (None, 1000, ["psi"], True),
        (None, 1000, [], False),
        (BEFORE, 1000, ["growth", "psi"], False),  # the same state of the data
        (BEFORE, 1100, ["psi"], False),  # an hour later
        (BEFORE, 1100, ["psi", "unknown_items"], True),
        (BEFORE, 1999, ["psi"], False),
        (BEFORE, 2000, ["psi"], True),
        (BEFORE, 5000, [], False),
        (LastEvent(new=0, names=["lost"]), 0, ["lost"], False),
    ],
)
def test_a_state_is_told_once(before: LastEvent | None, new: int, names: list[str], expected: bool) -> None:
    assert is_news(before, new, names, again=2.0) is expected


def test_a_threshold_that_comes_and_goes_is_told_once() -> None:
    told = LastEvent.after(LastEvent.after(None, 600, ["psi"]), 700, ["growth"])
    assert told == LastEvent(new=700, names=["growth", "psi"])
    assert not is_news(told, 800, ["psi"], again=2.0)
