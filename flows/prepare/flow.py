"""Flow: from a log to a prepared data set, checked. `python -m flows.prepare --help`."""

from pathlib import Path
from typing import cast

from filelock import FileLock
from prefect import flow
from prefect.blocks.system import Secret
from prefect.logging import get_run_logger
from rich.console import Console

from flows.cli.checks import check_cache
from flows.cli.next_command import command, command_line
from flows.orchestration.artifacts import artifact_key, show_markdown
from flows.orchestration.tasks import is_transient, task
from flows.prepare.settings import DataSettings
from ncf.config import content_key
from ncf.data.prepared import PreparedData
from ncf.data.report import DataReport
from ncf.data.storage import load_prepared, save_prepared
from ncf.errors import ConfigError
from ncf.files import cache_dir
from ncf.ingest.config import Database, SourceConfig
from ncf.ingest.load import check_source
from ncf.prepare import prepare_source


@flow(name="prepare", flow_run_name="prepare {settings.dataset}")
def prepare(settings: DataSettings = DataSettings()) -> DataReport:  # noqa: B008 (frozen, and Prefect shows it)
    """Read and check a log, and report what is in it. A retraining begins with the same."""
    check(settings)
    _data, report = prepare_data(settings)
    return report


def check(settings: DataSettings, retries: int = 0) -> None:
    """Check that the log and the cache are there; MLflow, which `retries` is for, is not needed.

    Raises:
        ConfigError: the cache folder can't be written, its disk is nearly full, or the engine can't read the log.
        DataError: the log is not there, or its columns are not what they should be.
    """
    check_source(settings.log_source, settings.engine)
    check_cache()


@task("prepare data", retry_if=is_transient)
def prepare_data(settings: DataSettings) -> tuple[PreparedData, DataReport]:
    """Read, check, filter, split, draw the candidates, store the prepared data set, and report.

    One task, so that the log is out of memory as soon as possible.
    """
    source = settings.log_source
    url = database_url(source)
    data = prepare_source(settings.dataset, source, settings.data, database_url=url, engine=settings.engine)
    report = data.report
    folder = prepared_folder(settings)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # several tunings of one machine may prepare the same data
        save_prepared(data, folder)
        data = load_prepared(folder)
    get_run_logger().info("%s, prepared (%s):\n%s", settings.dataset, data.fingerprint[:12], report.text())
    show_markdown(artifact_key(settings.dataset, "data"), report.markdown(), "rows read, dropped, kept")
    return data, report


def prepared_folder(settings: DataSettings) -> Path:
    """The folder in the cache of the data prepared with these settings."""
    key = content_key(settings.data.model_dump(mode="json"), settings.log_source.model_dump(mode="json"))
    return cache_dir() / "prepared" / f"{settings.dataset}-{key}"


def database_url(source: SourceConfig | Database) -> str | None:
    """The URL in the Secret block that a database's settings name, or None if they name none."""
    if not isinstance(source, Database) or source.secret_block is None:
        return None
    return secret_url(source.secret_block)


def secret_url(block: str) -> str:
    """The database's URL in a Secret block.

    Raises:
        ConfigError: there is no such block, or it does not hold a URL.
    """
    make = (
        "python -c 'from prefect.blocks.system import Secret; Secret(value=\"postgresql://user:password@host:5432/"
        f'database").save("{block}", overwrite=True)\''
    )
    try:
        url = cast("Secret[str]", Secret.load(block)).get()
    except ValueError:
        url = None
    if isinstance(url, str) and url:
        return url
    raise ConfigError(
        "Prefect has no Secret block of this name with the URL of a database",
        got=block,
        do=f"create it: {make}",
    )


def show(settings: DataSettings, console: Console) -> None:
    """Print what to do next; the report itself was logged."""
    console.print(
        f"\nTrain on it:             {command('retrain', settings, {})}\n"
        f"See every setting:       {command_line('prepare', '--help')}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
