"""Rows of a benchmark's table: compared with targets, merged with earlier results, written as Markdown and JSON."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ncf.files import new_file, read_json, write_json

MUST = re.compile(r"(>=|<=) (\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Row:
    """One measured figure, with the peer's figure if there is one.

    Attributes:
        row: short name for `--only`; several rows may share it.
        figure: what was measured.
        unit: of `ours` and `peer`.
        ours: our value; None if it was not reached.
        peer: the peer's value in the same run; None if there is no peer.
        must: the target, ">= 2" or "<= 1", of the ratio if there is a peer, otherwise of `ours`; empty: no target.
        threads, batch: of both sides; text if the sides differ; None if it does not apply.
        note: what is counted, and further observations.
        measured: date and machine.
    """

    row: str
    figure: str
    unit: str
    ours: float | None
    peer: float | None
    must: str
    threads: int | str | None
    batch: int | str | None
    note: str = ""
    measured: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours / peer; None if either is missing."""
        return self.ours / self.peer if self.ours is not None and self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        return meets(self.must, self.ours if self.peer is None else self.ratio)

    def as_dict(self) -> dict[str, Any]:
        """All fields, the ratio and whether the target is met, as JSON values."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def meets(must: str, value: float | None) -> bool | None:
    """Whether a value meets a target. A missing value does not; an empty target gives None.

    Raises:
        ValueError: `must` is neither empty nor of the form ">= 2".
    """
    if not must:
        return None
    match = MUST.fullmatch(must)
    if match is None:
        raise ValueError(f"must is {must!r}; allowed: '>= NUMBER', '<= NUMBER' or nothing")
    if value is None:
        return False
    limit = float(match[2])
    return value >= limit if match[1] == ">=" else value <= limit


def merge(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """Replace the old rows that were measured again, by short name, and keep the others.

    Args:
        old: rows of earlier runs, as JSON values.
        new: rows of this run.
        order: short names in the order of the table; rows with other names come last.
    """
    again = {row["row"] for row in new}
    rows = [row for row in old if row["row"] not in again] + list(new)
    index = {name: number for number, name in enumerate(order)}
    return sorted(rows, key=lambda row: index.get(row["row"], len(index)))


def as_markdown(title: str, intro: str, rows: Sequence[dict[str, Any]], other_title: str) -> str:
    """The page: figures with a target, other figures, notes."""
    targeted, other = [r for r in rows if r["must"]], [r for r in rows if not r["must"]]
    measured = sorted({row["measured"] for row in rows})
    lines = [f"# {title}", "", intro, "", *(f"Measured {text}." for text in measured)]
    if targeted:
        lines += ["", *as_table(targeted)]
    if other:
        lines += ["", f"## {other_title}", "", *as_table(other)]
    notes = dict.fromkeys((row["row"], row["note"]) for row in rows if row["note"])
    lines += ["", "## What is counted", "", *(f"- `{name}`: {note}" for name, note in notes)]
    return "\n".join(lines) + "\n"


def as_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [
        "| row | figure | unit | ours | peer | ratio | target | met | threads | batch |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in rows:
        numbers = (as_number(row[key]) for key in ("ours", "peer", "ratio"))
        met = {None: "", True: "yes", False: "**no**"}[row["met"]]
        sizes = ("" if row[key] is None else str(row[key]) for key in ("threads", "batch"))
        cells = (row["row"], row["figure"], row["unit"], *numbers, row["must"], met, *sizes)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def as_number(value: float | None) -> str:
    """Three significant digits, four below 1, or all digits before the decimal point; a missing value is a dash."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) < 1 else f"{value:.3g}"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Earlier results; empty if the file does not exist."""
    rows: list[dict[str, Any]] = read_json(path) if path.exists() else []
    return rows


def write_rows(folder: Path, name: str, rows: Sequence[dict[str, Any]], page: str) -> None:
    """Write `name`.json and `name`.md, each atomically."""
    with new_file(folder / f"{name}.json") as file:
        write_json(file, list(rows))
    with new_file(folder / f"{name}.md") as file:
        file.write_text(page, encoding="utf-8")
