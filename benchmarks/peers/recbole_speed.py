"""RecBole's side: one job a process, run with the Python of the peers' environment. JSON in and out, as `ours`.

It trains and evaluates with RecBole's own NeuMF, data loaders and Trainer, as they are.
"""

import json
import sys
import time
from typing import Any

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import NeuMF
from recbole.trainer import Trainer
from recbole.utils import init_seed

from benchmarks.memory import peak_mb

Job = dict[str, Any]


class Reached(Exception):  # noqa: N818
    """The validation reached the target."""


def main() -> None:
    """Run the job; its result is the last line of the standard output."""
    job: Job = json.loads(sys.argv.pop())  # RecBole reads the command line too
    torch.set_num_threads(job["threads"])
    result = {"train": train, "until": until, "evaluate": evaluate}[job["task"]](job)
    print(json.dumps({**result, "peak_mb": peak_mb()}))  # noqa: T201


def train(job: Job) -> dict[str, Any]:
    """Seconds of each Trainer._train_epoch: its sampling, its loader, its steps."""
    trainer, train_data, valid_data, _ = prepare(job)
    trainer.eval_collector.data_collect(train_data)
    seconds = []
    for epoch in range(job["warm_up"] + job["epochs"]):
        started = time.perf_counter()
        trainer._train_epoch(train_data, epoch)
        seconds.append(time.perf_counter() - started)
        if job["validate"]:
            trainer.evaluate(valid_data, load_best_model=False)
    samples = len(train_data.dataset) * (1 + job["num_negatives"])
    return {"seconds": seconds[job["warm_up"] :], "samples": samples}


def until(job: Job) -> dict[str, Any]:
    """Seconds of Trainer.fit, validation included, until the validation HR@10 (uni99) reaches the target."""
    trainer, train_data, valid_data, _ = prepare(job)
    hit_rates: list[float] = []

    def validated(epoch: int, score: float) -> None:
        hit_rates.append(score)
        if score >= job["target"]:
            raise Reached

    started, reached = time.perf_counter(), False
    try:
        trainer.fit(train_data, valid_data, verbose=False, saved=False, callback_fn=validated)
    except Reached:
        reached = True
    return {"seconds": time.perf_counter() - started, "reached": reached, "hit_rates": hit_rates}


def evaluate(job: Job) -> dict[str, Any]:
    """Seconds of each Trainer.evaluate of the test holdout in mode uni99, after one that is not counted."""
    trainer, train_data, _, test_data = prepare(job)
    trainer.eval_collector.data_collect(train_data)
    seconds = []
    for _ in range(1 + job["repeats"]):
        started = time.perf_counter()
        trainer.evaluate(test_data, load_best_model=False)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[1:], "users": len(test_data.dataset)}


def prepare(job: Job) -> tuple[Any, Any, Any, Any]:
    """RecBole's trainer and its three loaders for the job's data and model."""
    config = Config(model="NeuMF", dataset=job["dataset"], config_dict=settings(job))
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    loaders = data_preparation(config, dataset)
    model = NeuMF(config, loaders[0].dataset).to(config["device"])
    return (Trainer(config, model), *loaders)


def settings(job: Job) -> dict[str, Any]:
    """The job as RecBole's settings. `layers` counts the tower's input, its user and item halves together."""
    return {
        "data_path": job["folder"],
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"mode": {"valid": "uni99", "test": "uni99"}, "order": "RO", "group_by": "user"},
        "metrics": ["Hit", "NDCG"],
        "valid_metric": "Hit@10",
        "topk": [10],
        "metric_decimal_place": 6,
        "use_gpu": False,
        "show_progress": False,
        "epochs": job.get("epochs", 1),
        "stopping_step": 1000,
        "learning_rate": job["learning_rate"],
        "train_batch_size": job["batch_size"],
        "train_neg_sample_args": {
            "distribution": "uniform",
            "sample_num": job["num_negatives"],
            "alpha": 1.0,
            "dynamic": False,
            "candidate_num": 0,
        },
        "mf_embedding_size": job["embedding_dim"],
        "mlp_embedding_size": job["layers"][0] // 2,
        "mlp_hidden_size": job["layers"][1:],
        "dropout_prob": job["dropout"],
    }


if __name__ == "__main__":
    main()
