from ncf.data.ratings import Tally


def test_what_was_dropped_keeps_the_order_of_the_stages() -> None:
    assert Tally(9).drop("late", 2).drop("few", 0).drop("again", 1).dropped == (("late", 2), ("again", 1))


def test_a_reason_that_comes_again_is_added_up() -> None:
    assert Tally(9).drop("few", 2).drop("again", 1).drop("few", 3).dropped == (("few", 5), ("again", 1))


def test_a_note_is_kept_once() -> None:
    assert Tally().note("a").note("b").note("a").notes == ("a", "b")
