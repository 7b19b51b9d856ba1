"""RecBole's preparation: one job a process, run with the Python of the peers' environment. JSON in and out."""

import json
import sys
import time
from typing import Any

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import init_seed

from benchmarks.memory import peak_mb

Job = dict[str, Any]


def main() -> None:
    """Run the job; its result is the last line of the standard output."""
    job: Job = json.loads(sys.argv.pop())  # RecBole reads the command line too
    torch.set_num_threads(job["threads"])
    print(json.dumps({**prepare(job), "peak_mb": peak_mb()}))  # noqa: T201


def prepare(job: Job) -> dict[str, Any]:
    """Seconds from an .inter file to the three loaders: leave-one-out by time, uni99; imports are not counted."""
    started = time.perf_counter()
    config = Config(model="NeuMF", dataset="log", config_dict=settings(job))
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    data_preparation(config, dataset)
    return {"seconds": time.perf_counter() - started, "rows": len(dataset)}


def settings(job: Job) -> dict[str, Any]:
    """The job as RecBole's settings."""
    return {
        "data_path": job["folder"],
        "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": {"valid": "uni99", "test": "uni99"},
        },
        "metrics": ["Hit", "NDCG"],
        "valid_metric": "Hit@10",
        "use_gpu": False,
        "show_progress": False,
    }


if __name__ == "__main__":
    main()
