"""The command line of all benchmarks: measure, print and write, row by row."""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.table import Row, as_markdown, as_table, merge, read_rows, write_rows
from ncf.files import new_file

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Picture:
    """A plot on the page.

    Attributes:
        of: short name of the rows that it belongs to; it is drawn after they are measured.
        title: alternative text.
        draw: draws the plot.
    """

    of: str
    title: str
    draw: Callable[[Bench], Figure]


@dataclass(frozen=True)
class Benchmark:
    """One page of results.

    Attributes:
        name: name of the module and of its files in benchmarks/results.
        title: title of the page.
        intro: first paragraph of the page.
        other_title: heading of the figures without a target.
        figures: short name -> function that measures its rows.
        pictures: file name -> plot.
    """

    name: str
    title: str
    intro: str
    other_title: str
    figures: Mapping[str, Callable[[Bench], list[Row]]]
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    def run(self, description: str | None) -> None:
        """Measure the rows that the command line asks for; an interrupted run keeps the rows that are finished."""
        options = self._parse(description)
        bench = Bench(QUICK if options.quick else Sizes())
        output: Path | None = options.output or (None if options.quick else RESULTS)
        try:
            for name in options.only or self.figures:
                print(f"measuring {name}", file=sys.stderr, flush=True)  # noqa: T201
                rows = [row.as_dict() for row in self.figures[name](bench)]
                print("\n".join(as_table(rows)), flush=True)  # noqa: T201
                if output is not None:
                    merged = merge(read_rows(output / f"{self.name}.json"), rows, list(self.figures))
                    self._draw(bench, name, output)
                    write_rows(output, self.name, merged, self.page(merged, output))
        finally:
            shutil.rmtree(bench.folder, ignore_errors=True)

    def page(self, rows: Sequence[dict[str, Any]], output: Path = RESULTS) -> str:
        """The page as Markdown: introduction, the plots drawn so far, tables and notes."""
        drawn = [f"![{each.title}]({name})" for name, each in self.pictures.items() if (output / name).exists()]
        return as_markdown(self.title, "\n\n".join([self.intro, *drawn]), rows, self.other_title)

    def _draw(self, bench: Bench, of: str, output: Path) -> None:
        for name, picture in self.pictures.items():
            if picture.of == of:
                with new_file(output / name) as file:
                    picture.draw(bench).savefig(file, format="png")

    def _parse(self, description: str | None) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}", description=description)
        parser.add_argument(
            "--only",
            action="append",
            choices=list(self.figures),
            metavar="ROW",
            help=f"measure one row of {', '.join(self.figures)}; repeatable",
        )
        parser.add_argument(
            "--quick",
            action="store_true",
            help="use reduced sizes, to check that it works; the results are only printed, unless --output is given",
        )
        parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: benchmarks/results")
        return parser.parse_args()
