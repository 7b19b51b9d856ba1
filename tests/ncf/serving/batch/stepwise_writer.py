"""A batch in a process of its own, that stops at every step until it is told to go on.

python -m tests.ncf.serving.batch.stepwise_writer BUNDLE PARTS OUTPUT-AS-JSON STEP; STEP is block, row-block or none.
"""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from ncf.serving.batch.lists import Lists, Rows
from ncf.serving.batch.write import target_of, write_lists
from ncf.serving.bundle import Bundle
from ncf.serving.config import OutputConfig
from ncf.serving.recommender import Recommender

K, USERS_A_BLOCK, VERSION = 4, 2, 3


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def stop() -> None:
    print_line("stopped")
    sys.stdin.readline()


def stop_at_blocks(total: int, before: int) -> AbstractContextManager[Callable[[int], None]]:
    print_line(f"before {before} of {total}")
    return nullcontext(lambda users: stop())


def without_stops(total: int, before: int) -> AbstractContextManager[Callable[[int], None]]:
    print_line(f"before {before} of {total}")
    return nullcontext(lambda users: None)


def stopping_rows(table: Callable[[Rows, Any], Any]) -> Callable[[Rows, Any], Any]:
    def slow(rows: Rows, part: Any) -> Any:
        stop()
        return table(rows, part)

    return slow


def main(bundle: str, parts: str, output: str, step: str) -> None:
    torch.set_num_threads(1)
    loaded = Bundle.load(Path(bundle))
    lists = Lists.of(Recommender(loaded), loaded.user_ids, K, K * USERS_A_BLOCK)
    target = target_of(TypeAdapter(OutputConfig).validate_python(json.loads(output)))
    if step == "row-block":
        Rows.table = stopping_rows(Rows.table)  # type: ignore[method-assign, assignment]
    progress = stop_at_blocks if step == "block" else without_stops
    print_line(json.dumps(write_lists(lists, VERSION, target, Path(parts), progress)))


if __name__ == "__main__":
    main(*sys.argv[1:])
