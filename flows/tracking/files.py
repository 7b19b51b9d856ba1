"""The files of MLflow's runs: upload and download of texts, tables, JSON values and folders."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient

from flows.tracking.locations import TrackingError
from ncf.files import read_json, write_json


@dataclass(frozen=True)
class RunFiles:
    """MLflow's artifacts.

    Attributes:
        client: of the store.
    """

    client: MlflowClient

    def log_folder(self, run_id: str, folder: Path, name: str) -> None:
        """Upload a folder as the artifact `name`."""
        self.client.log_artifacts(run_id, str(folder), name)

    def log_json(self, run_id: str, value: Any, name: str) -> None:
        """Upload a JSON value as the artifact `name`."""
        with tempfile.TemporaryDirectory() as scratch:
            write_json(Path(scratch) / name, value)
            self.client.log_artifact(run_id, str(Path(scratch) / name))

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Upload a text as the artifact `name`."""
        self.client.log_text(run_id, text, name)

    def log_table(self, run_id: str, table: pd.DataFrame, name: str) -> None:
        """Upload a table as the artifact `name`, a CSV file, which MLflow's UI shows."""
        self.log_text(run_id, table.to_csv(index=False), name)

    def log_bytes(self, run_id: str, content: bytes, name: str) -> None:
        """Upload bytes, such as those of a PNG file, as the artifact `name`."""
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / name).write_bytes(content)
            self.client.log_artifact(run_id, str(Path(scratch) / name))

    def read_table(self, run_id: str, name: str, text: Sequence[str] = ()) -> pd.DataFrame:
        """Download a table.

        Args:
            run_id: the run.
            name: the artifact.
            text: columns that are read as text, even 007 and NA; the table then has no empty cells.

        Raises:
            TrackingError: it is missing.
        """
        with tempfile.TemporaryDirectory() as scratch:
            file = self.download(run_id, name, Path(scratch))
            return pd.read_csv(file, dtype=dict.fromkeys(text, str), keep_default_na=not text)

    def read_json(self, run_id: str, name: str) -> Any:
        """Download a JSON artifact.

        Raises:
            TrackingError: it is missing.
        """
        with tempfile.TemporaryDirectory() as scratch:
            return read_json(self.download(run_id, name, Path(scratch)))

    def read_bytes(self, run_id: str, name: str) -> bytes:
        """Download a file.

        Raises:
            TrackingError: it is missing.
        """
        with tempfile.TemporaryDirectory() as scratch:
            return self.download(run_id, name, Path(scratch)).read_bytes()

    def download(self, run_id: str, name: str, folder: Path) -> Path:
        """Copy an artifact into a folder and return its path.

        Raises:
            TrackingError: it is missing.
        """
        try:
            return Path(self.client.download_artifacts(run_id, name, str(folder)))
        except (OSError, mlflow.MlflowException) as error:
            raise TrackingError(
                f"the artifact {name} of the MLflow run {run_id} is missing",
                got=str(error)[:300],
                do="restore MLflow's artifacts from a backup, or train again with --force",
            ) from error
