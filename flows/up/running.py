"""How the servers of a folder were started."""

from flows.up.settings import FolderSettings, UpSettings

SETTINGS = "settings.json"


def running_settings(settings: FolderSettings) -> UpSettings:
    """The settings that the servers were started with."""
    kept = settings.run_folder / SETTINGS
    return UpSettings.model_validate_json(kept.read_text(encoding="utf-8"))


def asks_for_passwords(configuration: str) -> bool:
    """Whether the servers of a supervisor's configuration have passwords."""
    return "--app-name basic-auth" in configuration
