"""A cache of the results of long jobs, so that an interrupted benchmark resumes where it stopped."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from benchmarks.bench import Bench, Job, Result
from ncf import __version__
from ncf.config import content_key
from ncf.files import cache_dir, new_file, read_json, write_json


def cache_folder() -> Path:
    """The folder of results, studies and weights: `benchmarks` in ncf's cache."""
    return cache_dir() / "benchmarks"


@dataclass(frozen=True)
class JobCache:
    """Runs jobs of ours that are not timed, several at once, and none twice.

    Attributes:
        bench: runs the jobs.
        folder: folder of the results; jobs keep their own files there too.
    """

    bench: Bench
    folder: Path = field(default_factory=cache_folder)

    def results(self, title: str, jobs: Sequence[Job]) -> list[Result]:
        """The result of each job, in order; as many jobs run at once as there are cores, with one thread each."""
        with ThreadPoolExecutor(self.bench.cores) as pool:
            return list(tqdm(pool.map(self.result, jobs), desc=title, total=len(jobs), unit="job", file=sys.stderr))

    def result(self, job: Job) -> Result:
        """The result of one job, cached or computed now; `job["task"]` names the task."""
        path = self.folder / "answers" / f"{job['task']}-{content_key(job, __version__)}.json"
        if not path.exists():
            result = self.bench.ours_job({**job, "folder": str(self.folder), "threads": 1})
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as file:
                write_json(file, {"job": job, "answer": result})
        cached: Result = read_json(path)["answer"]
        return cached
