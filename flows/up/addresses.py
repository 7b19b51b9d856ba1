"""Files that tell other commands of a running start: its settings, and the addresses of its servers."""

from pathlib import Path

from flows.up.settings import FolderSettings, UpSettings
from ncf.files import new_file

SETTINGS = "settings.json"  # in the run folder
PREFECT_FILE = Path("prefect.toml")  # which Prefect itself reads in the working folder of a command
SERVER_FILE = Path("mlruns") / "server"  # which flows.tracking.store reads
HEAD = "# Written by make up, removed by make down."


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
        building.write_text(f"{settings.mlflow_url}\n", encoding="utf-8")
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
