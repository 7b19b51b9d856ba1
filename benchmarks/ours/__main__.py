"""Run one job in this process and print its result: `python -m benchmarks.ours '{"task": "train", ...}'`."""

import json
import sys
from importlib import import_module
from typing import Any

import torch

from benchmarks.memory import peak_mb

Job = dict[str, Any]
MODULES: dict[str, tuple[str, ...]] = {
    "training": ("train", "until", "grid"),
    "scoring": ("evaluate", "make_bundle", "recommend", "write"),
    "machine": ("profile", "limits"),
    "serving": ("make_store",),
    "data": ("make_log", "prepare", "prepare_with_spark"),
    "tuning": ("tune",),
    "quality": ("search", "choose", "final", "fuse"),
    "baselines": ("search_baseline", "final_baseline"),
}
"""The tasks of each module. A job imports only its own module, so that its peak memory is its own."""


def main() -> None:
    """Run the job; its result is the last line of the standard output."""
    job: Job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    [module] = [name for name, tasks in MODULES.items() if job["task"] in tasks]
    result = getattr(import_module(f"benchmarks.ours.{module}"), job["task"])(job)
    print(json.dumps({**result, "peak_mb": peak_mb()}))  # noqa: T201


if __name__ == "__main__":
    main()
