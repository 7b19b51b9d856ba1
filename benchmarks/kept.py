"""Answers of long jobs, kept on disk, so that a benchmark that was stopped goes on where it was."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from benchmarks.bench import Answer, Bench, Job
from ncf import __version__
from ncf.content import content_key
from ncf.files import cache_dir, new_file, read_json, write_json


def kept_folder() -> Path:
    """Where answers, studies and weights are kept: `benchmarks` in ncf's cache."""
    return cache_dir() / "benchmarks"


@dataclass(frozen=True)
class Kept:
    """Runs jobs of ours that are not timed: several at once, and none again that has an answer.

    Attributes:
        bench: runs them.
        folder: of the answers; jobs keep their own files there too.
    """

    bench: Bench
    folder: Path = field(default_factory=kept_folder)

    def answers(self, title: str, jobs: Sequence[Job]) -> list[Answer]:
        """The answer of each job, in their order; as many run at once as there are cores, with one thread each."""
        with ThreadPoolExecutor(self.bench.cores) as pool:
            return list(tqdm(pool.map(self.answer, jobs), desc=title, total=len(jobs), unit="job", file=sys.stderr))

    def answer(self, job: Job) -> Answer:
        """The answer of one job: kept from an earlier run, or worked out now. `job` has its task."""
        path = self.folder / "answers" / f"{job['task']}-{content_key(job, __version__)}.json"
        if not path.exists():
            found = self.bench.ours_apart({**job, "folder": str(self.folder), "threads": 1})
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as file:
                write_json(file, {"job": job, "answer": found})
        answer: Answer = read_json(path)["answer"]
        return answer
