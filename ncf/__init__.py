"""Neural Collaborative Filtering: from a log of who interacted with what to recommendations, without any server.

From a log to a list of recommendations:

>>> import ncf
>>> ratings = ncf.load_ratings("ml-100k")                             # or a path, or a DataFrame
>>> data = ncf.prepare_ratings(ratings, name="ml-100k")               # filtered, numbered, split; see data.report
>>> gmf = ncf.train(data, "gmf", {"training": {"max_epochs": 2}})     # the default is at most 60 epochs
>>> table = ncf.compare({"gmf": gmf}, data)                           # below popularity and item-kNN
>>> list(table.index)
['popularity', 'item-knn', 'gmf']
>>> gmf.bundle.save("my-model")                                       # a folder, without pickle
>>> recommender = ncf.Recommender.load("my-model")
>>> recommender.recommend([196, 186], k=3, titles=True).columns.to_list()
['user_id', 'item_id', 'rank', 'score', 'source', 'title']

In the order in which they are used:

    load_ratings      read and check a log: MovieLens by name, files, a DataFrame, a database
    load_items        the films of a MovieLens data set, with their genres
    prepare_ratings   filter, label, number and split a log, and report what became of its rows
    train             train gmf, mlp, neumf or neumf-pretrained
    evaluate          every metric of one model on one holdout, per user
    compare           a table of models below popularity and item-kNN
    Popularity, ItemKNN   the baselines
    Recommender       lists for users who are known, unknown, or known only by a few items
    Catalogue         the items of a model: find them by title, find similar ones, get their vectors
    Bundle            a trained model as a folder: save and load
    Ratings, PreparedData, TrainedModel   what the functions take and return
    NCFError          base class of every error that a user can fix

A function takes first what it works on: `prepare_ratings(ratings, ...)`, `train(data, ...)`, `evaluate(model, data,
...)`. Settings are given as names and values, or as the classes of `ncf.config` and `ncf.data.config`.

`user_id` and `item_id` are ids as they are in the log; `users` and `items` are indices, dense int64 from 0. Every error
says what was wrong, the value, what is allowed, and what to do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncf.data.prepared import PreparedData
    from ncf.data.ratings import Ratings
    from ncf.errors import NCFError
    from ncf.evaluation.baselines import ItemKNN, Popularity
    from ncf.evaluation.evaluate import evaluate
    from ncf.ingest.load import load_ratings
    from ncf.ingest.movielens import load_items
    from ncf.notebook import TrainedModel, compare, train
    from ncf.prepare import prepare_ratings
    from ncf.serving.bundle import Bundle, Catalogue
    from ncf.serving.recommender import Recommender

__version__ = "0.1.0"
__all__ = [
    "Bundle",
    "Catalogue",
    "ItemKNN",
    "NCFError",
    "Popularity",
    "PreparedData",
    "Ratings",
    "Recommender",
    "TrainedModel",
    "compare",
    "evaluate",
    "load_items",
    "load_ratings",
    "prepare_ratings",
    "train",
]

# Each is imported on first use: torch and Lightning take seconds, and most of flows/ wants the version alone.
_HOMES = {
    "Bundle": "ncf.serving.bundle",
    "Catalogue": "ncf.serving.bundle",
    "ItemKNN": "ncf.evaluation.baselines",
    "NCFError": "ncf.errors",
    "Popularity": "ncf.evaluation.baselines",
    "PreparedData": "ncf.data.prepared",
    "Ratings": "ncf.data.ratings",
    "Recommender": "ncf.serving.recommender",
    "TrainedModel": "ncf.notebook",
    "compare": "ncf.notebook",
    "evaluate": "ncf.evaluation.evaluate",
    "load_items": "ncf.ingest.movielens",
    "load_ratings": "ncf.ingest.load",
    "prepare_ratings": "ncf.prepare",
    "train": "ncf.notebook",
}

if not TYPE_CHECKING:  # else every misspelt name would pass

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
