"""How long it takes to put the previous champion back, by the command that a person types."""

import subprocess
import sys
import time

from benchmarks.bench import Bench
from benchmarks.figures.serving import REFRESH_SECONDS, environment, serving, store_of, wait_for
from benchmarks.ours.serving import DATASET
from benchmarks.table import Row

KIND, TIMES = "gmf", 5


def rollback(bench: Bench) -> list[Row]:
    """The slowest of five rollbacks; each goes back from a version that was promoted by hand just before."""
    old, new = store_of(bench, KIND)["versions"]
    commands, answers = [], []
    with serving(bench, KIND) as url:
        for _ in range(TIMES):
            _registry(bench, "promote", "--version", str(new), "--reason", "to be rolled back", "--force")
            wait_for(url, new)
            started = time.perf_counter()
            _registry(bench, "rollback")
            commands.append(time.perf_counter() - started)
            wait_for(url, old)
            answers.append(time.perf_counter() - started)
    note = (
        f"the slowest of {TIMES}, the start of Python included, on a SQLite store of this machine; the service looks "
        f"for a new champion every {REFRESH_SECONDS:g} s"
    )
    cores, day = bench.cores, bench.measured
    return [
        Row("rollback", "rollback: the command", "s", max(commands), None, "<= 10", cores, None, note, day),
        Row("rollback", "rollback: until the service answers", "s", max(answers), None, "", cores, None, note, day),
    ]


def _registry(bench: Bench, *args: str) -> None:
    command = [sys.executable, "-m", "flows.registry", *args, "--dataset", DATASET]
    done = subprocess.run(command, cwd=bench.folder, env=environment(bench, KIND), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(args)} failed:\n{done.stderr}")
