"""The registered model, as MLflow loads it: this file is stored with the model (models from code), no pickle is."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from ncf.data import USER_ID
from ncf.data.ids import IdKind, kind_of
from ncf.errors import ConfigError
from ncf.files import read_json
from ncf.serving.bundle import Bundle
from ncf.serving.http.schemas import id_from_json
from ncf.serving.log import LOG_TAG, PublishedLog
from ncf.serving.recommender import Recommender

DEFAULT_K = 10
LOG = logging.getLogger("ncf.serving")
CHECK_SECONDS = 10.0  # between two looks for a newer log


class NCFPythonModel(PythonModel):
    """Answers user ids with recommendations, from the newest log that the registry names.

    Where there is no registry, as in a container that was built from the model, the log of its own data serves.
    """

    def load_context(self, context: Any) -> None:
        """Read the bundle that lies beside this file, and the newest log."""
        self.bundle = Bundle.load(Path(context.artifacts["bundle"]))
        about = read_json(Path(context.artifacts["registry"]))
        self.registered_model, self.run_id = str(about["registered_model"]), str(about["run_id"])
        self.recommender = Recommender(self.bundle)
        self.tag, self.not_before = "", 0.0
        self._take_newest_log()

    def _take_newest_log(self) -> None:
        """Serve from the newest log; if there is none, or it can't be read, the present one stays."""
        if time.monotonic() < self.not_before:
            return
        self.not_before = time.monotonic() + CHECK_SECONDS
        try:
            tag = MlflowClient().get_registered_model(self.registered_model).tags.get(LOG_TAG, "")
            if tag in ("", self.tag):
                return
            published = PublishedLog.model_validate_json(tag)
            with tempfile.TemporaryDirectory() as scratch:
                log = published.read(MlflowClient().download_artifacts(published.run_id, published.path, scratch))
            self.recommender = Recommender(self.bundle, log, refold=published.refolds(self.run_id))
            self.tag = tag
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # the first version, before it is registered
                LOG.warning("the registry of %s does not answer: %s", self.registered_model, error.message[:300])
        except Exception as error:  # the model answers all the same, but says so
            LOG.warning("the newest log of %s is not there: %s", self.registered_model, str(error)[:300])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Recommend for the column user_id.

        Args:
            context: MLflow's.
            model_input: a DataFrame with the column user_id, and no other; ids of the log's type, UUIDs as text.
            params: k, the number of items per user, 1 to the number of items; 10 by default.

        Returns:
            user_id, item_id, rank, score, source ("model", "items": folded in, or "popularity": an unknown user).

        Raises:
            MlflowException: a column, an id or k is not as it should be; a server answers it with status 400.
        """
        self._take_newest_log()
        try:
            user_ids = _user_ids(model_input, kind_of(self.recommender.bundle.user_ids))
            return self.recommender.recommend_json(user_ids, _k(params or {}))
        except ConfigError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error


def _user_ids(given: pd.DataFrame, kind: IdKind) -> list[Any]:
    """The ids, each of the model's type.

    Raises:
        ConfigError: a column is missing or not known, or an id is of another type.
    """
    if list(given) != [USER_ID]:
        raise ConfigError("the columns are wrong", got=[str(name) for name in given], allowed=f"{USER_ID} alone")
    ids = given[USER_ID].to_list()
    for row, value in enumerate(ids):
        id_from_json(value, kind, f"{USER_ID} in row {row}")
    return ids


def _k(params: dict[str, Any]) -> int:
    k = params.get("k", DEFAULT_K)
    if not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise ConfigError("k is of the wrong type", got=k, allowed="a whole number")
    return int(k)


mlflow.models.set_model(NCFPythonModel())
