"""What belongs to a backup, and the list by which a restoration knows that all of it is there."""

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ncf.config import Settings
from ncf.errors import ConfigError

DATABASES = ("mlflow.db", "mlflow-auth.db", "optuna.db", "prefect/prefect.db")
FOLDERS = ("artifacts", "prefect/storage")
MANIFEST = "backup.json"


class Manifest(Settings):
    """What a backup holds.

    Attributes:
        made: when, in UTC.
        version: of ncf.
        folder: that was copied; what lies in files is found by this path.
        files: size in bytes of each file, by its path in the backup.
    """

    made: datetime
    version: str
    folder: Path
    files: dict[str, int]


def read_manifest(source: Path) -> Manifest:
    """The list of a backup whose files are all there.

    Raises:
        ConfigError: the folder is no backup, or files are missing or of another size.
    """
    try:
        manifest = Manifest.model_validate_json((source / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ConfigError("not a backup", got=str(source), do="name the folder that make backup made") from error
    broken = [name for name, size in manifest.files.items() if size_of(source / name) != size]
    if broken:
        raise ConfigError(
            "the backup is not as it was made; missing or of another size",
            got=", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else ""),
            do="copy it again from where it was made, or take another",
        )
    return manifest


def size_of(path: Path) -> int | None:
    """Size in bytes of a file, or None if there is none."""
    return path.stat().st_size if path.is_file() else None


def files_in(folder: Path) -> dict[str, int]:
    """Size in bytes of every file under a folder, by its path in it."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
