"""Data and scorers whose right answers are known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import torch
from torch import Tensor, nn

from ncf.data import Ids
from ncf.data.prepared import Holdout, PreparedData
from ncf.data.split import Pairs, Split
from ncf.prepare import prepare_split

Rows = Sequence[tuple[int, int]]

BOARD_USERS, BOARD_EVALUATED, BOARD_ITEMS = 100, 40, 40  # of the checkerboard


def pairs(rows: Rows) -> Pairs:
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 2)
    return Pairs(table[:, 0].copy(), table[:, 1].copy())


def pair_rows(given: Pairs) -> list[tuple[int, int]]:
    return list(zip(given.users.tolist(), given.items.tolist(), strict=True))


def holdout(rows: Rows, candidates: Sequence[Sequence[int]]) -> Holdout:
    return Holdout(pairs(rows), np.asarray(candidates, dtype=np.int64).reshape(len(rows), -1))


IdValues = Sequence[int] | Sequence[str] | Sequence[UUID]


def literal_data(user_ids: IdValues = (10, 20, 30), item_ids: IdValues = tuple(range(6))) -> PreparedData:
    """Three users and six items; user 2 is in train only, and item 5 in candidates only."""
    return PreparedData(
        "literal",
        _ids(user_ids),
        _ids(item_ids),
        train=pairs([(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 3)]),
        validation=holdout([(0, 2), (1, 1)], [[4, 5], [3, 5]]),
        test=holdout([(0, 3), (1, 4)], [[5, 4], [5, -1]]),
        titles=np.array(["Alien", "Brazil", "Casablanca", "", "Élisa", "Fargo"], dtype=object),
    )


def _ids(values: IdValues) -> Ids:
    return np.asarray(values, dtype=np.int64 if isinstance(values[0], int) else object)


def random_data(rng: np.random.Generator, num_users: int, num_items: int, num_candidates: int = 7) -> PreparedData:
    """Random pairs; candidates are unseen items, some rows padded with -1, some holding the held-out item itself."""
    train: list[tuple[int, int]] = []
    held_out: dict[str, list[tuple[int, int]]] = {"validation": [], "test": []}
    candidates: dict[str, list[list[int]]] = {"validation": [], "test": []}
    for user in range(num_users):
        order = rng.permutation(num_items).tolist()
        evaluated = user % 5 != 4
        known, unseen = order[: num_items // 2], order[num_items // 2 :]
        train += [(user, item) for item in sorted(known[2:] if evaluated else known)]
        for place, name in enumerate(("validation", "test")):
            if evaluated:
                row = unseen[:num_candidates]
                row[0] = known[place] if user % 3 == 0 else row[0]
                row[-1] = -1 if user % 4 == 0 else row[-1]
                held_out[name].append((user, known[place]))
                candidates[name].append(row)
    return PreparedData(
        "random",
        np.arange(num_users),
        np.arange(num_items),
        pairs(train),
        holdout(held_out["validation"], candidates["validation"]),
        holdout(held_out["test"], candidates["test"]),
        np.full(num_items, "", dtype=object),
    )


def checkerboard() -> PreparedData:
    """Even users have all of 20 even items and odd users all of 20 odd ones, less one each for validation and test.

    A user's unseen items are thus the held-out ones and all of the other colour: a model that finds the pattern ranks
    the test item first. Which items are held out is random; 60 further users, in train only, have a part of their
    colour, each item in its own measure, so that items differ in popularity, which is at chance therefore.
    """
    rng = np.random.default_rng(1)
    liked = rng.random(BOARD_ITEMS)
    train: list[tuple[int, int]] = []
    held_out: dict[str, list[tuple[int, int]]] = {"validation": [], "test": []}
    candidates: list[list[int]] = []
    for user in range(BOARD_USERS):
        known = rng.permutation(np.arange(user % 2, BOARD_ITEMS, 2)).tolist()
        if user >= BOARD_EVALUATED:
            known = [item for item in known if rng.random() < liked[item]]
        else:
            held_out["validation"].append((user, known.pop()))
            held_out["test"].append((user, known.pop()))
            candidates.append(list(range(1 - user % 2, BOARD_ITEMS, 2)))
        train += [(user, item) for item in known]
    return PreparedData(
        "checkerboard",
        np.arange(BOARD_USERS),
        np.arange(BOARD_ITEMS),
        pairs(train),
        holdout(held_out["validation"], candidates),
        holdout(held_out["test"], candidates),
        np.full(BOARD_ITEMS, "", dtype=object),
    )


def taste_data(
    num_users: int, num_items: int, *, factors: int, rows: int, seed: int, sharpness: float = 3.0
) -> PreparedData:
    """Users and items are points, and who is near meets.

    Each user meets `rows` items, drawn without replacement by softmax(sharpness * u.v / sqrt(factors) + popularity).

    Args:
        num_users: users; each has a validation and a test item.
        num_items: items.
        factors: independent tastes: a model with fewer can't tell all of them apart.
        rows: interactions of each user.
        seed: of everything.
        sharpness: how much tastes count against chance.
    """
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(num_users, factors)), rng.normal(size=(num_items, factors))
    liking = sharpness * (users @ items.T) / np.sqrt(factors) + rng.normal(size=num_items)
    drawn = np.argsort(-(liking + rng.gumbel(size=liking.shape)), axis=1)[:, :rows]  # Gumbel's trick
    drawn = rng.permuted(drawn, axis=1)
    everyone = np.arange(num_users)
    train = Pairs(np.repeat(everyone, rows - 2), drawn[:, 2:].ravel())
    split = Split(
        everyone, np.arange(num_items), train, Pairs(everyone, drawn[:, 0].copy()), Pairs(everyone, drawn[:, 1].copy())
    )
    return prepare_split("tastes", split, num_candidates=20)


def seen_by_user(data: PreparedData) -> list[set[int]]:
    """Items of each user in any split."""
    seen: list[set[int]] = [set() for _ in range(data.num_users)]
    for part in (data.train, data.validation.pairs, data.test.pairs):
        for user, item in pair_rows(part):
            seen[user].add(item)
    return seen


@dataclass(frozen=True)
class FixedScores:
    """A scorer that looks its scores up: float[num_users, num_items]."""

    scores: Tensor

    def score_all(self, users: Tensor) -> Tensor:
        return self.scores[users]


def fixed_scores(rows: Sequence[Sequence[float]]) -> FixedScores:
    return FixedScores(torch.tensor(rows, dtype=torch.float32))


def scramble(model: nn.Module, generator: torch.Generator, std: float = 1.0) -> None:
    """Draw all weights anew, large enough for each of them to count."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std, generator=generator)
