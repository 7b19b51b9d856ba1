import gzip
from pathlib import Path
from typing import Any

import pytest

from ncf.data import TEST, TRAIN
from ncf.data.config import DataConfig
from ncf.errors import DataError
from ncf.ingest.config import PaperSource
from ncf.ingest.load import load_ratings
from ncf.prepare import prepare_ratings
from tests.ncf.toy_data import pair_rows

FILES = {
    "x.train.rating": "0\t1\t4\t30\n0\t2\t3\t20\n1\t2\t5\t10\n1\t0\t2\t40\n2\t0\t1\t7\n",
    "x.test.rating": "0\t3\t5\t50\n1\t1\t4\t60\n",
    "x.test.negative": "(0,3)\t5\t4\n(1,1)\t1\t9\t3\n",  # user 1 has its own item among them; 9 is in no other file
}


def write(folder: Path, compressed: bool = False, **changes: str) -> PaperSource:
    """The files, with some of them changed: train, test, negative."""
    for name, content in FILES.items():
        text = changes.get(name.split(".")[1] if name.endswith("rating") else "negative", content)
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return PaperSource(prefix=str(folder / "x"))


@pytest.mark.parametrize("compressed", [False, True])
def test_the_three_files_are_read_plain_or_compressed(tmp_path: Path, compressed: bool) -> None:
    ratings = load_ratings(write(tmp_path, compressed))
    assert ratings.frame["user_id"].tolist() == [0, 0, 1, 1, 2, 0, 1]
    assert ratings.frame["item_id"].tolist() == [1, 2, 2, 0, 0, 3, 1]
    assert ratings.frame["rating"].tolist() == [4, 3, 5, 2, 1, 5, 4]
    assert ratings.frame["timestamp"].tolist() == [s * 1_000_000 for s in (30, 20, 10, 40, 7, 50, 60)]
    assert ratings.splits is not None
    assert ratings.splits.tolist() == [TRAIN] * 5 + [TEST] * 2
    assert ratings.candidates is not None
    assert ratings.candidates.to_numpy().tolist() == [[0, 5], [0, 4], [1, 1], [1, 9], [1, 3]]


def test_split_candidates_and_catalogue_are_the_files(tmp_path: Path) -> None:
    data = prepare_ratings(load_ratings(write(tmp_path)), DataConfig(num_candidates=1), name="x")
    report = data.report
    assert data.item_ids.tolist() == [0, 1, 2, 3, 4, 5, 9]
    assert pair_rows(data.train) == [(0, 2), (1, 2), (2, 0)]
    assert pair_rows(data.validation.pairs) == [(0, 1), (1, 0)]  # the newest of train
    assert pair_rows(data.test.pairs) == [(0, 3), (1, 1)]
    assert data.test.candidates.tolist() == [[5, 4], [6, 3]]
    assert report.notes == [
        "the log's split has no validation: it is each user's newest interaction of train",
        "test: 1 users have their held-out item among their candidates; it is left out there",
    ]


def test_a_row_of_fewer_candidates_is_padded(tmp_path: Path) -> None:
    source = write(tmp_path, negative="(0,3)\t5\t4\n(1,1)\t1\t9\n")
    data = prepare_ratings(load_ratings(source), DataConfig(), name="x")
    assert data.test.candidates.tolist() == [[5, 4], [6, -1]]


def test_titles_come_with_the_number_of_the_item(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(
        'item\tmovie_id\ttitle\n9\t77\tÉlisa "x"\n0\t78\tAlien\n0\t79\tAgain\n', encoding="utf-8"
    )
    source = write(tmp_path).model_copy(update={"titles_path": str(tmp_path / "t.tsv")})
    data = prepare_ratings(load_ratings(source), DataConfig(), name="x")
    assert data.titles.tolist() == ["Alien", "", "", "", "", "", 'Élisa "x"']


@pytest.mark.parametrize("titles", [None, "", "item\tname\n1\tx\n", "item\ttitle\nx\ty\n"])
def test_unusable_titles_are_refused(tmp_path: Path, titles: str | None) -> None:
    if titles is not None:
        (tmp_path / "t.tsv").write_text(titles)
    source = write(tmp_path).model_copy(update={"titles_path": str(tmp_path / "t.tsv")})
    with pytest.raises(DataError, match=r"t\.tsv has no readable titles.*columns item and title"):
        load_ratings(source)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    source = write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=rf"neither {tmp_path / name} nor {name}\.gz is there"):
        load_ratings(source)


REFUSED = {
    "a test user unknown to train": (
        {"test": "0\t3\t5\t5\n7\t1\t4\t6\n"},
        "has a user who is not in train; the user: 7",
    ),
    "two test rows of a user": ({"test": "0\t3\t5\t5\n1\t1\t4\t6\n0\t4\t4\t6\n"}, "has a user twice; the user: 0"),
    "a test pair in train": ({"test": "0\t1\t5\t5\n1\t1\t4\t6\n"}, r"a pair that is in train; .*: \(0, 1\)"),
    "a line without brackets": ({"negative": "(0,3)\t5\n1,1\t4\n"}, r"line 2 of .*negative can't be understood: '1,1"),
    "a negative that is no number": ({"negative": "(0,3)\t5\tx\n(1,1)\t4\n"}, "line 1 of .*can't be understood"),
    "a line without negatives": ({"negative": "(0,3)\n(1,1)\t4\n"}, "line 1 of .*can't be understood"),
    "an empty line": ({"negative": "(0,3)\t5\n\n(1,1)\t4\n"}, "line 2 of .*can't be understood"),
    "another item": (
        {"negative": "(0,3)\t5\n(1,2)\t4\n"},
        r"line 2 of .*not in the test file: \(1, 2\); allowed: \(1,1\)",
    ),
    "another user": ({"negative": "(0,3)\t5\n(2,0)\t4\n"}, r"line 2 of .*not in the test file: \(2, 0\)"),
    "a user without candidates": ({"negative": "(0,3)\t5\n"}, "has no candidates for a user of the test; the user: 1"),
    "no candidates at all": ({"negative": ""}, "has no candidates for a user of the test; the user: 0"),
    "a candidate in train": ({"negative": "(0,3)\t5\t2\n(1,1)\t4\n"}, r"the user has in train; .*: \(0, 2\)"),
    "a candidate twice": ({"negative": "(0,3)\t5\t5\n(1,1)\t4\n"}, r"a candidate twice; .*: \(0, 5\)"),
    "a rating that is text": (
        {"train": "0\t1\t4\t1\n0\t2\tx\t1\n"},
        "line 2 of .* unusable rating: 'x'",
    ),
    "an id that is no integer": ({"train": "0\t1\t4\t1\n0\t2.5\t1\t1\n"}, r"line 2 of .* unusable item_id: 2\.5"),
    "a missing field": ({"train": "0\t1\t4\t1\n0\t2\t1\n"}, "line 2 of .* unusable timestamp"),
    "a field too many": ({"train": "0\t1\t4\t1\n0\t2\t1\t1\t1\n"}, "train.rating can't be read.*line 2"),
    "another separator": ({"train": "0,1,4,1\n"}, "another number of columns: 1"),
    "an empty file": ({"test": ""}, "test.rating can't be read"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_ratings(write(tmp_path, **changes))


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str) -> None:
    source = write(tmp_path, compressed=True)
    file = tmp_path / f"{name}.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{name}\.gz can't be read"):
        load_ratings(source)
