"""The settings of the servers on one machine, and the files that tell other commands of them."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from ncf.config import Settings
from ncf.files import new_file

Port = Annotated[int, Field(ge=1, le=65535)]
LOG_LINES = 40
SETTINGS = "settings.json"  # in the run folder
PREFECT_FILE = Path("prefect.toml")  # which Prefect itself reads in the working folder of a command
SERVER_FILE = Path("mlruns") / "server"  # which flows.tracking.store reads
HEAD = "# Written by make up, removed by make down."


class FolderSettings(Settings):
    """The folder that the servers keep everything in."""

    folder: Path = Field(
        default=Path("mlruns"),
        description="folder of the databases and of MLflow's files; its subfolder `up` has the logs and the "
        "supervisor's files",
    )

    @property
    def home(self) -> Path:
        """The folder, absolute."""
        return self.folder.expanduser().resolve()

    @property
    def run_folder(self) -> Path:
        """Where the supervisor's configuration, socket and logs are."""
        return self.home / "up"


class UpSettings(FolderSettings):
    """Start an MLflow server, a Prefect server with the deployments of prefect.yaml, and a worker."""

    host: str = Field(
        default="127.0.0.1", description="address to listen on; any but a loopback address needs passwords"
    )
    prefect_port: Port = Field(default=4200, description="port of the Prefect server")
    mlflow_port: Port = Field(default=5000, description="port of the MLflow server")
    mlflow_names: tuple[str, ...] = Field(
        default=(),
        description="names and addresses by which other machines reach MLflow, without port; it refuses others. "
        "Required if the host is not a loopback address",
    )
    runs: int = Field(
        default=2, ge=1, le=1000, description="flow runs that the worker runs at a time; a retraining uses one core"
    )
    wait_seconds: float = Field(
        default=300.0, ge=1.0, le=86_400.0, description="seconds to wait for each server to become healthy"
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.prefect_port == self.mlflow_port:
            raise ValueError(f"the two servers need two ports, got {self.prefect_port} twice")
        return self

    @property
    def prefect_url(self) -> str:
        """Address of the Prefect server's UI, for this machine."""
        return f"http://{self._reached}:{self.prefect_port}"

    @property
    def mlflow_url(self) -> str:
        """Address of the MLflow server, for this machine."""
        return f"http://{self._reached}:{self.mlflow_port}"

    @property
    def database(self) -> Path:
        """MLflow's database, which commands without servers use as well, so that there is one history."""
        return self.home / "mlflow.db"

    @property
    def _reached(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host


class DownSettings(FolderSettings):
    """Stop the worker, its flow runs, and the servers; databases and files stay."""


class StatusSettings(FolderSettings):
    """Show what runs, where, and whether it is healthy."""


class LogsSettings(FolderSettings):
    """Print the end of the logs of the servers and the worker."""

    program: str = Field(
        default="",
        pattern=r"^(|mlflow|prefect|worker|supervisord)$",
        description="mlflow, prefect, worker or supervisord; empty: all of them",
    )
    lines: int = Field(default=LOG_LINES, ge=1, le=1_000_000, description="number of last lines of each log")


def running_settings(settings: FolderSettings) -> UpSettings:
    """The settings that the servers were started with."""
    file = settings.run_folder / SETTINGS
    return UpSettings.model_validate_json(file.read_text(encoding="utf-8"))


def write_addresses(settings: UpSettings, checkout: Path) -> list[str]:
    """Write both files.

    Returns:
        Lines of shell for the user, if prefect.toml is the user's own and so was not written; else none.
    """
    mlflow = checkout / SERVER_FILE
    with new_file(mlflow) as building:
        building.write_text(f"{settings.mlflow_url}\n{checkout.resolve()}\n", encoding="utf-8")
    prefect = checkout / PREFECT_FILE
    if not _is_ours(prefect):
        return [f"export PREFECT_API_URL={settings.prefect_url}/api"]
    with new_file(prefect) as building:
        building.write_text(f'{HEAD}\n[api]\nurl = "{settings.prefect_url}/api"\n', encoding="utf-8")
    return []


def remove_addresses(checkout: Path) -> None:
    """Remove both files; a prefect.toml of the user's own stays."""
    (checkout / SERVER_FILE).unlink(missing_ok=True)
    if _is_ours(checkout / PREFECT_FILE):
        (checkout / PREFECT_FILE).unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether a file is not there, or was written by `make up`."""
    return not path.exists() or path.read_text(encoding="utf-8", errors="replace").startswith(HEAD)
