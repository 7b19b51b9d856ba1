"""Worker processes of this machine: started, watched, and stopped with this one."""

import contextlib
import json
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from flows.tune.trials import Job
from flows.tune.worker import LENGTH
from ncf.errors import NCFError
from ncf.hardware import HardwareConfig, available_cores

LOOK_SECONDS = 2.0  # between two looks at the workers and the study
STOP_SECONDS = 60.0  # for a worker to queue its trial again
INTERRUPTED = 130


class WorkerError(NCFError):
    """A worker process ended with an error."""


@dataclass(frozen=True)
class Worker:
    """A process and where its messages go."""

    number: int
    process: "subprocess.Popen[bytes]"
    messages: IO[bytes]

    def how_it_died(self) -> str:
        """Why it is no more, in words; empty if it did what it was asked to.

        Raises:
            WorkerError: it told of an error, which would be that of the next one too.
        """
        code = self.process.poll()
        if code in (0, None, INTERRUPTED):
            return ""
        assert self.process.stdout is not None
        told = self.process.stdout.read() if code == 1 else b""
        if told:
            raise WorkerError(json.loads(told)["error"])
        self.messages.seek(0)
        last = self.messages.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}: {last[:500]}"


def threads_each(hardware: HardwareConfig, workers: int, batch_size: int) -> HardwareConfig:
    """Hardware settings of one of several workers: its share of the cores, and not more than its batches need."""
    if hardware.threads is not None or workers == 1:
        return hardware
    share = max(1, available_cores() // workers)
    return hardware.model_copy(update={"threads": min(share, hardware.threads_for(batch_size))})


def run_workers(job: Job, number: int, look: Callable[[], None], report: Callable[[str], None]) -> int:
    """Start workers and wait for all of them; whatever ends this process or this call ends them.

    Args:
        job: the same for all.
        number: of workers.
        look: called every LOOK_SECONDS.
        report: is told in words of a worker that died.

    Returns:
        How many did what they were asked to.

    Raises:
        WorkerError: a worker met an error.
    """
    problem = job.problem
    hardware = threads_each(problem.hardware, number, problem.recipe.training.batch_size)
    sent = pickle.dumps(replace(job, problem=replace(problem, hardware=hardware)))
    with _workers(sent, number) as running:
        left, ended_well = list(running), 0
        while left:
            for worker in [worker for worker in left if worker.process.poll() is not None]:
                left.remove(worker)
                died = worker.how_it_died()
                ended_well += not died
                if died:
                    report(f"worker {worker.number} died ({died}); its trial is queued again")
            look()
            if left:
                time.sleep(LOOK_SECONDS)
    return ended_well


@contextmanager
def _workers(sent: bytes, number: int) -> Iterator[Sequence[Worker]]:
    with contextlib.ExitStack() as files:
        workers: list[Worker] = []
        try:
            for place in range(1, number + 1):
                workers.append(_start(place, sent, files.enter_context(tempfile.TemporaryFile())))
            yield workers
        finally:
            _stop(workers)


def _start(number: int, sent: bytes, messages: IO[bytes]) -> Worker:
    command = [sys.executable, "-m", "flows.tune.worker"]
    pipe = subprocess.PIPE
    worker = Worker(number, subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=messages), messages)
    assert worker.process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died already: that is seen later
        worker.process.stdin.write(LENGTH.pack(len(sent)) + sent)
        worker.process.stdin.flush()
    return worker


def _stop(workers: Sequence[Worker]) -> None:
    """Tell all to stop, then wait for them; one that does not stop is killed, and its trial found dead later."""
    for worker in workers:
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
    end = time.monotonic() + STOP_SECONDS
    for worker in workers:
        try:
            worker.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        assert worker.process.stdout is not None
        worker.process.stdout.close()
