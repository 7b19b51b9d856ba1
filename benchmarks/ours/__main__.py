"""Do one job in this process and print what came of it: `python -m benchmarks.ours '{"task": "train", ...}'`."""

import json
import sys
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.memory import peak_mb
from benchmarks.ours import baselines, data, limits, profiling, quality, scoring, serving, training, tuning

Job = dict[str, Any]
TASKS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "train": training.train,
    "until": training.until,
    "evaluate": scoring.evaluate,
    "make_bundle": scoring.make_bundle,
    "recommend": scoring.recommend,
    "write": scoring.write,
    "profile": profiling.profile,
    "operations": profiling.operations,
    "limits": limits.measure,
    "make_store": serving.make_store,
    "make_log": data.make_log,
    "prepare": data.prepare,
    "prepare_by_dask": data.prepare_by_dask,
    "tune": tuning.tune,
    "search": quality.search,
    "choose": quality.choose,
    "final": quality.final,
    "fuse": quality.fuse,
    "search_baseline": baselines.search_baseline,
    "final_baseline": baselines.final_baseline,
}


def main() -> None:
    """Run the job; its answer is the last line of the standard output."""
    job: Job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    answer = TASKS[job["task"]](job)
    print(json.dumps({**answer, "peak_mb": peak_mb()}))  # noqa: T201


if __name__ == "__main__":
    main()
