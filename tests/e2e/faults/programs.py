"""Commands that are started, killed and started again."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below one, the deepest last."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, the parents first, so that none of them can report its child's death."""
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


@dataclass
class Program:
    """A command, with its folder, environment and log."""

    command: list[str]
    cwd: Path
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.touch()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        return descendants(self.pid)

    def memory_mb(self) -> float:
        """Resident memory of the process and all below it."""
        return float(sum(each.memory_info().rss for each in [psutil.Process(self.pid), *self.children()]) / 1e6)

    def kill(self, with_children: bool = True) -> None:
        """SIGKILL, to the process first."""
        assert self.process is not None
        below = self.children() if with_children else []
        self.process.kill()
        kill(below)
        self.process.wait()

    def stop(self, seconds: float = 20) -> None:
        """SIGTERM to the process; what is left after a while is killed."""
        if self.process is None:
            return
        below = self.children()
        self.process.terminate()
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        kill(below)
