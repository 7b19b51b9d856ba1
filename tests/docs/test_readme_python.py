"""The README's way in with `import ncf`, run as it stands on a small file."""

import random
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, fences

USERS, ITEMS, PER_USER = 30, 25, 8


def write_plays(path: Path) -> None:
    """Each user's items in a random order, which is that of their times."""
    draw = random.Random(0)
    pairs = [(user, item) for user in range(1, USERS + 1) for item in draw.sample(range(1, ITEMS + 1), PER_USER)]
    lines = [f"{user},{item},{1_700_000_000 + number}" for number, (user, item) in enumerate(pairs)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")


def test_from_a_file_to_recommendations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = [code for code in fences(PAGES[0], "python") if code.startswith("import ncf\n")]
    write_plays(tmp_path / "plays.csv")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("popularity", "item-knn", "gmf"))
    lists = printed[printed.index("user_id") :].splitlines()[1:]
    assert [line.split()[1] for line in lists] == ["1"] * 5 + ["2"] * 5
