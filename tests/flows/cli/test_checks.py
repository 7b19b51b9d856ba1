from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows.cli.checks import check_folder


def test_many_runs_that_begin_at_once_check_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: check_folder(folder, "use another"), range(200)))
    assert list(folder.iterdir()) == []
