"""Neural Collaborative Filtering: data, models, training, evaluation and recommendations, without any server."""

__version__ = "0.1.0"
