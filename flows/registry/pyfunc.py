"""The registered model, as MLflow loads it: this file is stored with the model (models from code), no pickle is."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from ncf.data.columns import USER_ID
from ncf.data.ids import IdKind, kind_of
from ncf.errors import ConfigError
from ncf.serving.http.request_ids import id_from_json
from ncf.serving.recommender import Recommender

DEFAULT_K = 10


class NCFPythonModel(PythonModel):
    """Answers user ids with recommendations."""

    def load_context(self, context: Any) -> None:
        """Read the bundle that lies beside this file."""
        self.recommender = Recommender.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Recommend for the column user_id.

        Args:
            context: MLflow's.
            model_input: a DataFrame with the column user_id, and no other; ids of the log's type, UUIDs as text.
            params: k, the number of items per user, 1 to the number of items; 10 by default.

        Returns:
            user_id, item_id, rank, score, source ("popularity" marks an answer to an unknown user).

        Raises:
            MlflowException: a column, an id or k is not as it should be; a server answers it with status 400.
        """
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
