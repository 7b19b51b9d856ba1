"""Write the settings found by benchmarks.quality as presets: `python -m benchmarks.presets`.

Searches that have not run yet run first (hours). The files are ml-100k.json and ml-1m.json in flows/retrain/presets/,
which `make retrain` reads.
"""

import argparse
from pathlib import Path

from benchmarks.bench import Bench, Sizes
from benchmarks.datasets import ROOT
from benchmarks.figures.quality.plan import Plan, searched_kinds
from benchmarks.figures.quality.table import plan
from benchmarks.ours.logs import ML_1M, ML_100K
from flows.retrain.resolve_settings import FOLDER, Preset
from ncf.files import new_file

LOGS = {ML_100K: "split by leave-one-out", ML_1M: "with the paper's own split"}


def main() -> None:
    """Run the missing searches and write the presets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__)
    parser.add_argument("--only", choices=list(LOGS), action="append", help="one data set; repeatable")
    bench = Bench(Sizes())
    for log in parser.parse_args().only or LOGS:
        write(preset_of(bench, plan(bench, log, "full")), ROOT / "flows" / "retrain" / FOLDER / f"{log}.json")


def preset_of(bench: Bench, todo: Plan) -> Preset:
    """The settings found for the sizes that were searched."""
    kinds = searched_kinds(todo.sizes)
    todo.search(kinds)
    chosen = {kind.model: todo.chosen(kind) for kind in kinds}
    return Preset(
        dataset=todo.log,
        found_by=f"benchmarks.quality: {todo.sizes.trials} trials a model on {todo.log} {LOGS.get(todo.log, '')}, "
        "judged by validation NDCG@10 of full ranking",
        measured=bench.measured,
        validation={model: score for model, (_, score) in chosen.items()},
        recipes={model: spec["recipe"] for model, (spec, _) in chosen.items()},
    )


def write(preset: Preset, path: Path) -> None:
    """Write the file in a readable layout."""
    with new_file(path) as file:
        file.write_text(preset.model_dump_json(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
