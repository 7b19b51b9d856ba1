"""The command line that all benchmarks share: measure, print and write, row by row."""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.table import Row, as_markdown, as_table, merge, read_rows, write_rows
from ncf.files import new_file

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Picture:
    """A picture beside the page.

    Attributes:
        of: short name of the rows it goes with: it is drawn when they have been measured.
        title: what it shows.
        draw: draws it.
    """

    of: str
    title: str
    draw: Callable[[Bench], Figure]


@dataclass(frozen=True)
class Benchmark:
    """One page of results.

    Attributes:
        name: of the module and of its files in benchmarks/results.
        title: of the page.
        intro: first paragraph of the page.
        known: title of the rows that need not be anything.
        figures: short name -> what measures its rows.
        pictures: by file name.
    """

    name: str
    title: str
    intro: str
    known: str
    figures: Mapping[str, Callable[[Bench], list[Row]]]
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    def run(self, description: str | None) -> None:
        """Measure what the command line asks for; an interrupted run keeps what it has."""
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
                    page = as_markdown(self.title, self._intro(output), merged, self.known)
                    write_rows(output, self.name, merged, page)
        finally:
            shutil.rmtree(bench.folder, ignore_errors=True)

    def _intro(self, output: Path) -> str:
        """The first paragraph, and the pictures that have been drawn."""
        drawn = [f"![{each.title}]({name})" for name, each in self.pictures.items() if (output / name).exists()]
        return "\n\n".join([self.intro, *drawn])

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
            help=f"one of {', '.join(self.figures)}; repeatable",
        )
        parser.add_argument(
            "--quick",
            action="store_true",
            help="reduced sizes, to see that it works; printed only, unless --output is given",
        )
        parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go (benchmarks/results)")
        return parser.parse_args()
