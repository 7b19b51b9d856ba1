"""Two files by which the commands in the checkout find the servers: no variable needs to be exported."""

from pathlib import Path

from flows.up.settings import UpSettings
from ncf.files import new_file

PREFECT_FILE = Path("prefect.toml")  # Prefect's own: it reads it in the folder that a command runs in
SERVER_FILE = Path("mlruns") / "server"  # ours: flows.store.server_file
HEAD = "# Written by make up, removed by make down."


def write_addresses(settings: UpSettings, checkout: Path) -> list[str]:
    """Write both files. Returns what is left for the user to export: nothing, or lines of shell."""
    mlflow = checkout / SERVER_FILE
    with new_file(mlflow) as building:
        building.write_text(f"{settings.mlflow_url}\n", encoding="utf-8")
    prefect = checkout / PREFECT_FILE
    if not is_ours(prefect):
        return [f"export PREFECT_API_URL={settings.prefect_url}/api"]
    with new_file(prefect) as building:
        building.write_text(f'{HEAD}\n[api]\nurl = "{settings.prefect_url}/api"\n', encoding="utf-8")
    return []


def remove_addresses(checkout: Path) -> None:
    """Remove both files; a prefect.toml that somebody wrote stays."""
    (checkout / SERVER_FILE).unlink(missing_ok=True)
    if is_ours(checkout / PREFECT_FILE):
        (checkout / PREFECT_FILE).unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a file is not there, or was written by us."""
    return not path.exists() or path.read_text(encoding="utf-8", errors="replace").startswith(HEAD)
