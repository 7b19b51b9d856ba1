"""Logs that are refused: small ones to start from, and what the user is told."""

import io
import re
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncf.errors import DataError
from ncf.ingest.config import FileSource
from ncf.ingest.load import load_ratings

HEAD = "user_id,item_id,rating,timestamp\n"
ROWS = "7,1,4,1000000001\n7,2,5,1000000002\n9,1,3,1000000003\n"
Case: TypeAlias = tuple[dict[str, str | bytes], str, dict[str, Any], str]  # files, path, settings, words of the error


def table(**columns: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"user_id": [7, 7, 9], "item_id": [1, 2, 1]} | columns), content)
    return content.getvalue()


def assert_refused(folder: Path, case: Case) -> str:
    """Write the files, load one of them, and look for the words in the error. Returns it."""
    files, path, settings, message = case
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = {k: str(folder / v) if k.endswith("_path") else v for k, v in settings.items()}
    with pytest.raises(DataError) as error:
        load_ratings(FileSource(path=str(folder / path), **settings))
    told = str(error.value)
    assert re.search(message, told), told
    return told
