"""Write the benchmarks' figures into the pages that show them: run `python -m docs.site.figures` after a benchmark."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.command import RESULTS
from benchmarks.refit import Row, as_table
from docs.site import blocks
from docs.site.links import REPOSITORY

DOCS = REPOSITORY / "docs"
Rows = list[dict[str, Any]]


def number(value: float | None) -> str:
    """Three significant digits, or all digits before the decimal point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def speed(rows: Rows) -> str:
    """The figures that have a target, beside the peer's."""
    return "\n".join([*HEAD, *(_with_target(row) for row in rows if row["must"])])


HEAD = ("| figure | ours | RecBole | ratio | target |", "| --- | ---: | ---: | ---: | ---: |")


def _with_target(row: Mapping[str, Any]) -> str:
    target = row["must"].removeprefix(">= ").replace("<= ", "at most ")
    cells = (
        number(row["ours"]),
        number(row["peer"]),
        number(row["ratio"]),
        target if row["met"] else f"**{target}: missed**",
    )
    what = ", ".join(part for part in (row["figure"], row["unit"]) if part)
    return f"| {' | '.join((what, *cells))} |"


def profile(rows: Rows) -> str:
    """Share of an epoch by stage, one column per model and batch size."""
    value: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["row"] == "profile":
            model, _, part = row["figure"].partition(" epoch: ")
            value.setdefault(part, {})[f"{model}, batch {row['batch']:,}"] = f"{number(row['ours'])} %"
    columns = list(dict.fromkeys(column for shares in value.values() for column in shares))
    lines = [f"| stage | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    return "\n".join(
        lines + [f"| {part} | {' | '.join(shares[column] for column in columns)} |" for part, shares in value.items()]
    )


def preparing(rows: Rows) -> str:
    """Seconds and peak memory of preparing logs of several sizes, ours and the peer's."""
    lines = ["| rows | seconds | RecBole | peak memory, GB | RecBole |", "| ---: | ---: | ---: | ---: | ---: |"]
    beside = {(row["row"], row["figure"].partition(": ")[2]): row for row in rows if row["peer"] is not None}
    for name in dict.fromkeys(row["row"] for row in rows if (row["row"], "seconds") in beside):
        seconds, memory = beside[name, "seconds"], beside[name, "peak memory"]
        figures = (number(each[side]) for each in (seconds, memory) for side in ("ours", "peer"))
        lines.append(f"| {seconds['figure'].partition(' rows')[0]} | {' | '.join(figures)} |")
    return "\n".join(lines)


def serving(rows: Rows) -> str:
    """Requests per second and latency, one row per kind of request."""
    value = {row["figure"]: row["ours"] for row in rows}
    kinds = [name.removesuffix(": requests") for name in value if name.endswith(": requests")]
    names = ("requests", "p50", "p99", "failed requests")
    lines = ["| model | requests/s | p50, ms | p99, ms | failed |", "| --- | ---: | ---: | ---: | ---: |"]
    cells = {kind: [number(value[f"{kind}: {name}"]) for name in names] for kind in kinds}
    return "\n".join([*lines, *(f"| {kind} | {' | '.join(cells[kind])} |" for kind in kinds)])


def quality(rows: Rows) -> str:
    """HR@10 and NDCG@10 on the paper's split, one row per model, beside the published values."""
    lines = [
        "| model | HR@10 | published | NDCG@10 | published |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    cells: dict[str, list[str]] = {}
    for row in rows:
        if row["row"] in ("paper", "paper-neumf", "best"):
            name, _, metric = row["figure"].partition(": ")
            deviation = metric.partition("(deviation ")[2].partition(";")[0].rstrip(")")
            seeds = 5 if row["row"] == "best" else 3
            values = (f"{row['ours']:.4f} ±{deviation}", "" if row["peer"] is None else f"{row['peer']:.4g}")
            cells.setdefault(f"{name} ({seeds} seeds)", []).extend(values)
    return "\n".join([*lines, *(f"| {name} | {' | '.join(values)} |" for name, values in cells.items())])


FULL_RANKING = {"full-ml-100k": "MovieLens-100K", "full-ml-1m": "MovieLens-1M"}


def full_ranking(rows: Rows) -> str:
    """HR@10 and NDCG@10 by full ranking, one row per recommender and two columns per data set."""
    measured = [name for name in FULL_RANKING if any(row["row"] == name for row in rows)]
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for row in rows:
        if row["row"] in measured:
            who, _, what = row["figure"].partition(": ")
            metric, _, details = what.partition(" (full")
            deviation = details.partition("deviation ")[2].rstrip(")")
            value = f"{row['ours']:.4f}" + (f" ±{deviation}" if deviation else "")
            cells.setdefault(who, {})[row["row"], metric] = value
    columns = [(name, metric) for name in measured for metric in ("HR@10", "NDCG@10")]
    head = " | ".join(f"{FULL_RANKING[name]}, {metric}" for name, metric in columns)
    lines = [f"| recommender | {head} |", f"| --- |{' ---: |' * len(columns)}"]
    for who, found in cells.items():
        lines.append(f"| {who} | {' | '.join(found.get(column, '') for column in columns)} |")
    return "\n".join(lines)


def beside_published(rows: Rows) -> str:
    """The figures of the paper's split that have a target, in one sentence."""

    def pair(name: str, side: str) -> str:
        found = [row[side] for row in rows if row["row"] == name and row["must"]]
        return " / ".join(f"{value:.4f}".lstrip("0") for value in found)

    best = next(row["figure"].partition(":")[0] for row in rows if row["row"] == "best")
    return (
        "On MovieLens-1M with the paper's split and 99 candidates, HR@10 / NDCG@10 on the test holdout are "
        f"**{pair('paper', 'ours')}** for NeuMF pretrained with 64 factors (paper: {pair('paper', 'peer')}) and "
        f"**{pair('best', 'ours')}** for the model that is best on validation, {best} (highest published: "
        f"{pair('best', 'peer')})."
    )


def nights(rows: Rows) -> str:
    """Simulated nights with newer data, one row per case."""
    lines = ["| users | case | promoted | margin | lost, 99 % of nights | most lost |"]
    lines.append("| ---: | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        lost = " | ".join("" if row[name] is None else f"{row[name]:.1f}" for name in ("lost", "most_lost"))
        lines.append(f"| {row['users']:,} | {row['case']} | {row['promoted']:.1%} | {row['margin']:.4f} | {lost} |")
    return "\n".join(lines)


def refit(rows: Rows) -> str:
    """The judged twin and the model trained again on everything, on what came next."""
    return as_table([Row.of_json(row) for row in rows])


BLOCKS = (
    ("promotion.md", "refit", "refit", refit),
    ("decisions/margin.md", "nights", "promotion", nights),
    ("../README.md", "the paper's split", "quality", beside_published),
    ("quality.md", "quality", "quality", quality),
    ("quality.md", "full ranking", "quality", full_ranking),
    ("performance.md", "speed", "speed", speed),
    ("performance.md", "profile", "speed", profile),
    ("data.md", "preparing", "data", preparing),
    ("serving.md", "serving", "serving", serving),
)
"""Page, block, benchmark, and the function that turns the benchmark's rows into the block."""


def pages() -> dict[Path, str]:
    """The up-to-date text of each page with figures."""
    texts: dict[Path, str] = {}
    for name, block, benchmark, table in BLOCKS:
        path = DOCS / name
        rows: Rows = json.loads((RESULTS / f"{benchmark}.json").read_text())
        texts[path] = blocks.replace_block(texts.get(path, path.read_text()), block, table(rows))
    return texts


def main() -> None:
    """Write all pages."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
