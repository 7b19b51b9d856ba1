"""The three files of the NCF paper's authors, with their split and their candidates as they are.

https://github.com/hexiangnan/neural_collaborative_filtering/tree/master/Data, or the same made of another log.
"""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from ncf.data import COLUMNS, ITEM_ID, TEST, TITLE, TRAIN, USER_ID
from ncf.data.ratings import Ratings
from ncf.errors import DataError
from ncf.ingest.config import PaperSource

ENDINGS = (".train.rating", ".test.rating", ".test.negative")
NEGATIVES = re.compile(r"\((\d+), ?(\d+)\)((?:\t\d+)+)")  # (user,item) negative negative ...
UNREADABLE = (OSError, ValueError, EOFError, zlib.error)  # pandas' ParserError and UnicodeDecodeError are ValueErrors


def load_paper(source: PaperSource) -> Ratings:
    """Read the three files, each plain or as .gz.

    Returns:
        Train and test rows, marked in `splits`, and the test's candidates in the order of their file.

    Raises:
        DataError: a file is missing or damaged, or the three do not fit each other.
    """
    train_file, test_file, negative_file = find_three(source)
    train, test = _rows(train_file), _rows(test_file)
    _check_test(train, test, test_file)
    candidates = _candidates(negative_file, test)
    _check_candidates(candidates, train, test, negative_file)
    return Ratings.from_frame(
        pd.concat([train, test], ignore_index=True),
        None if source.titles_path is None else _titles(Path(source.titles_path).expanduser()),
        time_unit="s",
        splits=np.repeat(np.array([TRAIN, TEST], dtype=np.int8), [len(train), len(test)]),
        candidates=candidates,
    )


def find_three(source: PaperSource) -> list[Path]:
    """The three files, plain or compressed; the plain one if both are there.

    Raises:
        DataError: one is missing.
    """
    prefix, found = Path(source.prefix).expanduser(), []
    for ending in ENDINGS:
        plain = prefix.with_name(prefix.name + ending)
        file = next((file for file in (plain, plain.with_name(f"{plain.name}.gz")) if file.is_file()), None)
        if file is None:
            raise DataError(
                f"the paper's split lacks a file: neither {plain} nor {plain.name}.gz is there",
                allowed=f"three files, {', '.join(prefix.name + each for each in ENDINGS)}",
                do="fix prefix, the path of the files up to .train.rating, or fetch the file",
            )
        found.append(file)
    return found


def _rows(file: Path) -> pd.DataFrame:
    """Columns user_id, item_id (int64), rating, timestamp."""
    allowed = "lines of four tab-separated numbers: user, item, rating, time"
    try:
        frame = pd.read_csv(file, sep="\t", header=None, quoting=3, skip_blank_lines=False)
    except UNREADABLE as error:
        raise DataError(f"{file} can't be read", got=str(error), allowed=allowed, do="fetch it again") from error
    if frame.shape[1] != len(COLUMNS):
        raise DataError(f"{file} has another number of columns", got=frame.shape[1], allowed=allowed, do="fix it")
    frame = frame.set_axis(list(COLUMNS), axis=1)
    for column in COLUMNS:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        is_id = column in (USER_ID, ITEM_ID)
        bad = numbers.isna() | ((numbers % 1 != 0) if is_id else False)
        if bad.any():
            line = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"line {line + 1} of {file} has an unusable {column}",
                got=frame[column].iloc[line],
                allowed=f"{allowed}; user and item are integers",
                do=f"fix or remove the {int(bad.sum())} such lines",
            )
        frame[column] = numbers.astype(np.int64) if is_id else numbers
    return frame


def _check_test(train: pd.DataFrame, test: pd.DataFrame, file: Path) -> None:
    """Refuse what would not be one held-out item for each user of train."""
    pairs = pd.MultiIndex.from_frame(test[[USER_ID, ITEM_ID]])
    of_test_users = train.loc[train[USER_ID].isin(test[USER_ID]), [USER_ID, ITEM_ID]]
    _refuse_first(test, test[USER_ID].duplicated().to_numpy(), f"{file} has a user twice", "one row a user", USER_ID)
    _refuse_first(
        test,
        ~test[USER_ID].isin(train[USER_ID]).to_numpy(),
        f"{file} has a user who is not in train",
        "users with a train row",
        USER_ID,
    )
    _refuse_first(
        test, pairs.isin(pd.MultiIndex.from_frame(of_test_users)), f"{file} has a pair that is in train", "unseen pairs"
    )


def _candidates(file: Path, test: pd.DataFrame) -> pd.DataFrame:
    """Columns user_id, item_id: a row a candidate, in the order of the file."""
    held_out = dict(zip(test[USER_ID].tolist(), test[ITEM_ID].tolist(), strict=True))
    users: list[int] = []
    rows: list[list[int]] = []
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                user, negatives = _negative_line(line.rstrip(), f"line {number} of {file}", held_out)
                users.append(user)
                rows.append(negatives)
    except UNREADABLE as error:
        raise DataError(f"{file} can't be read", got=str(error), do="fetch it again") from error
    repeated = np.repeat(users, [len(row) for row in rows]) if rows else np.empty(0, dtype=np.int64)
    items = np.fromiter((item for row in rows for item in row), dtype=np.int64)
    return pd.DataFrame({USER_ID: repeated.astype(np.int64), ITEM_ID: items})


def _negative_line(line: str, where: str, held_out: dict[int, int]) -> tuple[int, list[int]]:
    """User and negatives of one line."""
    match = NEGATIVES.fullmatch(line)
    if match is None:
        raise DataError(
            f"{where} can't be understood",
            got=line[:80],
            allowed="(user,item), then item numbers, with tabs between",
            do="fix the line",
        )
    user, item = int(match[1]), int(match[2])
    if held_out.get(user) != item:
        raise DataError(
            f"{where} is about a pair that is not in the test file",
            got=(user, item),
            allowed="the user and item of a test row" if user not in held_out else f"({user},{held_out[user]})",
            do="take the three files of one split",
        )
    return user, [int(number) for number in match[3].split()]


def _check_candidates(candidates: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, file: Path) -> None:
    """Refuse what would not be fair for the test."""
    _refuse_first(
        test,
        ~test[USER_ID].isin(candidates[USER_ID]).to_numpy(),
        f"{file} has no candidates for a user of the test",
        "a line for each test row",
        USER_ID,
    )
    pairs = pd.MultiIndex.from_frame(candidates)
    repeated, known = pairs.duplicated(), pairs.isin(pd.MultiIndex.from_frame(train[[USER_ID, ITEM_ID]]))
    _refuse_first(candidates, repeated, f"{file} has a candidate twice", "distinct candidates of a user")
    _refuse_first(candidates, known, f"{file} has a candidate that the user has in train", "items not in train")


def _refuse_first(frame: pd.DataFrame, bad: np.ndarray, what: str, allowed: str, column: str | None = None) -> None:
    if bad.any():
        row = frame.iloc[int(np.flatnonzero(bad)[0])]
        got = int(row[column]) if column else (int(row[USER_ID]), int(row[ITEM_ID]))
        of = "the user" if column else "the user and item"
        raise DataError(f"{what}; {of}", got=got, allowed=allowed, do=f"fix the {int(bad.sum()):,} such cases")


def _titles(file: Path) -> "pd.Series[str]":
    allowed = "a tab-separated UTF-8 file whose header has the columns item and title"
    try:
        frame = pd.read_csv(file, sep="\t", quoting=3, usecols=["item", TITLE], dtype={"item": "int64", TITLE: "str"})
    except UNREADABLE as error:
        raise DataError(f"{file} has no readable titles", got=str(error), allowed=allowed, do="fix it") from error
    return frame.drop_duplicates("item").set_index("item")[TITLE].rename_axis(ITEM_ID)
