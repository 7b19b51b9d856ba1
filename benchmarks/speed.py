"""How fast is ncf, beside its peers in the same run? `python -m benchmarks.speed` (about two hours on 2 idle cores).

Each figure is measured in processes of their own with their threads set; RecBole runs in `.venv-peers/`, which is made
on first use. Results: benchmarks/results/speed.md and speed.json.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.figures import machine, scoring, training
from benchmarks.table import Row, as_markdown, as_table, merge, read_rows, write_rows

RESULTS = Path(__file__).parent / "results"
FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "batch-256": training.small_batch,
    "best": training.best_batch,
    "recbole-default": training.recbole_default,
    "candidates": scoring.candidates,
    "full": scoring.full_ranking,
    "top-10": scoring.top_10,
    "until": training.until_target,
    "memory": training.memory,
    "growth": training.growth,
    "profile": machine.profile,
    "operations": machine.operations,
    "limits": machine.limits,
}
INTRO = (
    "Written by `python -m benchmarks.speed`. The peer is RecBole 1.2.1, run on the same log in the same run; ratio is "
    "ours / peer. `must` is about the ratio where there is a peer, else about ours."
)


def main() -> None:
    """Measure, print and write, row by row, so that an interrupted run keeps what it has."""
    options = parse()
    bench = Bench(QUICK if options.quick else Sizes())
    output: Path | None = options.output or (None if options.quick else RESULTS)
    try:
        for name in options.only or FIGURES:
            _say(f"measuring {name}")
            rows = [row.as_dict() for row in FIGURES[name](bench)]
            print("\n".join(as_table(rows)), flush=True)  # noqa: T201
            if output is not None:
                merged = merge(read_rows(output / "speed.json"), rows, list(FIGURES))
                write_rows(output, "speed", merged, as_markdown("Speed", INTRO, merged))
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=list(FIGURES), metavar="ROW", help=f"one of {', '.join(FIGURES)}; repeatable"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="reduced sizes, to see that it works; printed only, unless --output is given",
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go (benchmarks/results)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
