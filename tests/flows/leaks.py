"""All that is said and kept of a flow, to look for what must not be in it."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.client.orchestration import get_client


@contextmanager
def captured_logs() -> Iterator[io.StringIO]:
    """Everything that any logger says."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(handler)


def stored_texts(folder: Path) -> list[str]:
    """Every file of a folder, and the logs and runs of Prefect, parameters and all."""
    texts = [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]
    with get_client(sync_client=True) as client:
        texts += [log.message for log in client.read_logs()]
        texts += [str(run.model_dump()) for run in (*client.read_flow_runs(), *client.read_task_runs())]
    return texts
