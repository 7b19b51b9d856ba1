"""The registered model, as MLflow loads it: this file is stored with the model (models from code), no pickle is."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from ncf.serving.recommender import Recommender


class NCFPythonModel(PythonModel):
    """Answers user ids with recommendations."""

    def load_context(self, context: Any) -> None:
        """Read the bundle that lies beside this file."""
        self.recommender = Recommender.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Recommend for the column user_id.

        Args:
            context: MLflow's.
            model_input: a DataFrame with the column user_id; UUIDs as text.
            params: k, the number of items per user; 10 by default.

        Returns:
            user_id, item_id, rank, score, source ("popularity" marks an answer to an unknown user).
        """
        return self.recommender.answer(model_input["user_id"].to_list(), (params or {}).get("k", 10))


mlflow.models.set_model(NCFPythonModel())
