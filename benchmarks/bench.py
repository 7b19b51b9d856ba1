"""Run the jobs of both sides, each in a separate process with a fixed number of threads."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks.datasets import (
    GRID,
    ML_1M,
    ML_1M_SYNTHETIC,
    ML_20M,
    ROOT,
    SMALL,
    SMALL_LARGER,
    Shape,
    load,
    write_recbole,
)
from benchmarks.peers.environment import peers_python
from ncf.training.native.library import ARCH_VARIABLE

Result = dict[str, Any]
Job = dict[str, Any]
DATASET = "log"


@dataclass(frozen=True)
class QualitySizes:
    """How much is trained for the quality figures.

    Attributes:
        factors: sizes of the models.
        searched: sizes of GMF whose settings are searched; the other sizes use these settings. `searched_towers` for
            MLP and NeuMF, `searched_fused` for pretrained NeuMF.
        wide: factors of the widest GMF.
        seeds: seeds of each model's final trainings; `best_seeds` of the best recommender's.
        trials: trials of a search, for each kind of model and baseline.
        most_epochs: maximum of epochs in any training.
        negatives: numbers of negatives per positive in the plot.
    """

    factors: tuple[int, ...] = (8, 16, 32, 64)
    searched: tuple[int, ...] = (8, 16, 32, 64)
    searched_towers: tuple[int, ...] = (16,)  # wider ones take minutes a trial
    searched_fused: tuple[int, ...] = (8, 16, 32, 64)
    wide: int = 192
    seeds: tuple[int, ...] = (0, 1, 2)
    best_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    trials: int = 20
    most_epochs: int = 1000
    negatives: tuple[int, ...] = tuple(range(1, 11))


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        log: data set of most rows.
        synthetic: a synthetic log of the same size; `larger`: one that is many times as large; `grid`: a smaller one.
        epochs: measured epochs, after one warm-up epoch.
        repeats: measured evaluations, after one warm-up evaluation.
        target: HR@10 (sampled) to reach in at most `most_epochs`.
        matrix_size, copied_numbers: sizes for the machine's limits.
        tuning_minutes: minutes of one search.
        tuning_seeds: seeds; each side makes one search per seed.
        tuning_users: users of MovieLens-100K in a search; None: all.
        quality: sizes of the quality benchmark.
    """

    log: Shape = ML_1M
    synthetic: Shape = ML_1M_SYNTHETIC
    larger: Shape = ML_20M
    epochs: int = 2
    repeats: int = 5
    target: float = 0.68
    most_epochs: int = 40
    matrix_size: int = 2048
    copied_numbers: int = 64_000_000
    tuning_minutes: float = 4.0
    tuning_seeds: tuple[int, ...] = (0, 1, 2)
    tuning_users: int | None = None
    quality: QualitySizes = QualitySizes()
    grid: Shape = GRID


QUICK = Sizes(
    *(SMALL, SMALL, SMALL_LARGER, 1, 1, 0.3, 3, 512, 4_000_000, 0.2, (0, 1), 200),
    grid=SMALL,
    quality=QualitySizes((4, 8), (8,), (8,), (8,), 16, (0,), (0, 1), 2, 2, (1, 2)),
)


@dataclass(frozen=True)
class Bench:
    """Runs jobs of both sides.

    Attributes:
        sizes: how much is measured.
        folder: temporary folder for logs, bundles and RecBole's files; removed at the end.
    """

    sizes: Sizes
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ncf-speed-")))

    @property
    def cores(self) -> int:
        """Number of processors that this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def thread_choices(self) -> list[int]:
        """One thread, and all."""
        return sorted({1, self.cores})

    def ours(self, task: str, shape: Shape | None = None, **settings: Any) -> Result:
        """Run a job of ours on a log; `settings` has the number of threads."""
        job = {"task": task, "shape": (shape or self.sizes.log).as_dict(), **settings}
        return self._run([sys.executable, "-m", "benchmarks.ours"], job)

    def ours_job(self, job: Job) -> Result:
        """Run a job of ours that is complete as given; several may run at once."""
        return self._run([sys.executable, "-m", "benchmarks.ours"], job)

    def peer(self, task: str, **settings: Any) -> Result:
        """Run the same job with RecBole on the same log."""
        job = {"task": task, "folder": str(self._recbole_log), "dataset": DATASET, **settings}
        return self._run([str(peers_python()), "-m", "benchmarks.peers.recbole_speed"], job)

    def peer_data(self, **settings: Any) -> Result:
        """Prepare a log with RecBole."""
        return self._run([str(peers_python()), "-m", "benchmarks.peers.recbole_data"], dict(settings))

    def remove(self, folder: Path) -> None:
        """Remove a folder to free its space."""
        shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def measured(self) -> str:
        """Date and machine, for the page."""
        small = ", reduced sizes" if self.sizes == QUICK else ""
        return f"{datetime.now(UTC):%Y-%m-%d} on {processor()}, {self.cores} cores, torch {torch.__version__}{small}"

    @cached_property
    def _recbole_log(self) -> Path:
        write_recbole(load(self.sizes.log), self.folder / "recbole" / DATASET)
        return self.folder / "recbole"

    def _run(self, command: list[str], job: Job) -> Result:
        threads = str(job["threads"])
        environment = os.environ | {
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
            "PYTHONPATH": str(ROOT),
            "TQDM_DISABLE": "1",
            **({ARCH_VARIABLE: job["march"]} if "march" in job else {}),
        }
        done = subprocess.run(
            [*command, json.dumps(job)], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"error: {' '.join(command)} failed on {json.dumps(job)}; its output:\n{done.stderr}")
        result: Result = json.loads(done.stdout.splitlines()[-1])
        return result


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
