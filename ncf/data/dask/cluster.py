"""Workers: processes started here, or those of a running Dask cluster."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ncf.data.config import EngineConfig
from ncf.errors import ConfigError, DataError

T = TypeVar("T")

GET_DASK = ".venv/bin/pip install -c constraints.txt -e '.[dask]', or take the engine pandas"
SECONDS = 60  # to start workers, or to reach those that run
MEGABYTE = 1_000_000
QUIET = logging.CRITICAL
SETTINGS = {  # of the workers; tasks keep nothing, so that there is nothing to spill, and waiting would not free memory
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
}

IMPORTS = "import sys; sys.path += [path for path in {!r} if path not in sys.path]"  # what can be imported here

logger = logging.getLogger(__name__)


class Workers:
    """A client of a Dask cluster.

    Attributes:
        address: of its scheduler.
        memory: bytes that the smallest worker may use; None if it has no limit.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.address: str = client.scheduler.address
        found = client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [worker["memory_limit"] for worker in found if worker["memory_limit"]]
        self.memory: int | None = min(limits, default=None)

    def each(self, what: str, function: Callable[..., T], *arguments: Sequence[Any]) -> Iterator[T]:
        """The results of a function, in the order of its arguments.

        Raises:
            NCFError: the function's own; of several, the first in this order.
            DataError: a worker ran out of memory or space.
        """
        from distributed import CancelledError, KilledWorker

        logger.info("%s, in %s", what, f"{len(arguments[0]):,} piece{'s' * (len(arguments[0]) != 1)}")
        futures = self._client.map(function, *arguments, pure=False)
        try:
            for future in futures:
                yield self._result(future)
        except (KilledWorker, MemoryError, CancelledError) as error:
            raise DataError(
                "a worker ran out of memory, or was stopped",
                got=str(error).split(" Inspect")[0][:200],
                do="set engine.worker_memory_mb higher, or engine.workers lower",
            ) from None
        except OSError as error:
            do = "look at the disk's free space, and at the network"
            raise DataError("a worker can't read or write its files", got=str(error), do=do) from error
        finally:
            self._client.cancel(futures)
            for future in futures:
                future.release()

    def _result(self, future: Any) -> Any:
        """Wait for it; but not for ever, where no worker is left."""
        while True:
            try:
                return future.result(timeout=SECONDS)
            except TimeoutError:
                if future.done():  # its own
                    raise
            try:
                self._client.wait_for_workers(1, timeout=SECONDS)  # a new one may be on its way
            except TimeoutError as error:
                do = "look at the workers' own logs; with less memory than they need they are stopped by the system"
                raise DataError("no Dask worker is left", got=self.address, do=do) from error


def check_installed() -> None:
    """Refuse to go on without Dask.

    Raises:
        ConfigError: it can't be imported.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        problem = "the engine dask needs the package distributed, which can't be imported"
        raise ConfigError(problem, got=str(error), do=GET_DASK) from error


@contextmanager
def open_workers(engine: EngineConfig, folder: Path) -> Iterator[Workers]:
    """Start or reach the workers, and let go of them at the end.

    Args:
        engine: how many, or where.
        folder: that all of them must see.

    Raises:
        ConfigError: Dask is not installed, or the cluster can't be used.
    """
    check_installed()
    with _quiet(), _reached(engine.address) if engine.address else _started(engine, folder) as client:
        _check_folder(client, folder)
        yield Workers(client)


@contextmanager
def _started(engine: EngineConfig, folder: Path) -> Iterator[Any]:
    """Processes of `python -m dask`: they load nothing of the program that starts them, and need no main guard."""
    from distributed import Nanny, Scheduler
    from distributed.deploy.spec import SpecCluster
    from distributed.deploy.subprocess import SubprocessWorker

    own = {
        "host": "127.0.0.1",
        "nthreads": 1,
        "memory_limit": engine.worker_memory_mb * MEGABYTE,
        "local_directory": str(folder / "workers"),
        "silence_logs": QUIET,
        "death_timeout": SECONDS,
        "config": SETTINGS,
        "preload": [IMPORTS.format(sys.path)],
        "env": {"ARROW_DEFAULT_MEMORY_POOL": "system"},  # gives memory back
    }
    worker = {"cls": SubprocessWorker, "options": {"worker_class": f"{Nanny.__module__}.Nanny", "worker_kwargs": own}}
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    workers = dict.fromkeys(range(engine.workers), worker)
    cluster: Any = SpecCluster(workers, scheduler, worker, silence_logs=QUIET)  # type: ignore[no-untyped-call]
    with cluster, _client(cluster) as client:
        try:
            client.wait_for_workers(engine.workers, timeout=SECONDS)
        except TimeoutError as error:
            do = "start fewer (engine.workers), or try again when the machine is less busy"
            raise ConfigError(f"the Dask workers did not start in {SECONDS} s", got=engine.workers, do=do) from error
        yield client


@contextmanager
def _reached(address: str) -> Iterator[Any]:
    try:
        client = _client(address)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "no Dask scheduler answers", got=address, do="check engine.address, such as tcp://10.0.0.7:8786"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError as error:
            raise ConfigError("the Dask cluster has no workers", got=address, do="start some: dask worker") from error
        yield client


def _client(cluster: Any) -> Any:
    from distributed import Client

    return Client(cluster, set_as_default=False, timeout=SECONDS)  # type: ignore[no-untyped-call]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own log of what its parts do; what goes wrong comes as an error."""
    dask = logging.getLogger("distributed")
    level = dask.level
    dask.setLevel(QUIET)
    try:
        yield
    finally:
        dask.setLevel(level)


def _check_folder(client: Any, folder: Path) -> None:
    token = folder / "token"
    token.write_text(uuid4().hex)
    try:
        client.run_on_scheduler(_text_of, token)  # which looks into the tasks, too
        seen = client.run(_text_of, token)
    except Exception as error:  # whatever a process raises that lacks this package
        do = "install the same version of ncf-mlops[dask] for the scheduler and the workers"
        raise ConfigError("the Dask cluster can't run ncf", got=str(error)[:200], do=do) from error
    blind = [worker for worker, text in seen.items() if text != token.read_text()]
    if blind:
        raise ConfigError(
            f"{len(blind)} of {len(seen)} workers do not see the folder for the pieces",
            got=str(folder),
            do="put the cache on storage that all machines have at the same path ($NCF_CACHE_DIR)",
        )


def _text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
