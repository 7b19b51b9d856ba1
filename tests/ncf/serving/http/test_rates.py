import pytest

from ncf.serving.http import guard as rates
from ncf.serving.http.guard import Rates


def test_one_seconds_worth_may_come_at_once_and_then_each_has_to_wait_its_turn() -> None:
    two = Rates(2)
    assert [two.wait("a", 0.0) for _ in range(3)] == [0, 0, 0.5]
    assert two.wait("a", 0.25) == 0.25, "what was refused does not count"
    assert two.wait("a", 0.5) == 0
    assert two.wait("a", 0.5) == 0.5
    assert [two.wait("a", 100.0) for _ in range(3)] == [0, 0, 0.5], "no more is saved up"


def test_less_than_one_a_second() -> None:
    slow = Rates(0.1)
    assert slow.wait("a", 0.0) == 0
    assert slow.wait("a", 1.0) == pytest.approx(9.0)
    assert slow.wait("a", 10.0) == 0


def test_clients_do_not_share() -> None:
    one = Rates(1)
    assert [one.wait(client, 0.0) for client in ("a", "b", "a")] == [0, 0, 1]


def test_of_many_clients_the_longest_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_CLIENTS", 2)
    one = Rates(1)
    for client in ("a", "b", "a", "c"):
        one.wait(client, 0.0)
    assert one.wait("a", 0.0) == 1
    assert one.wait("b", 0.0) == 0
