"""The model registry: versions, and the aliases champion and challenger. `python -m flows.registry --help`.

What to promote is decided in ncf; how the alias moves is in flows/registry/promotion.py. The command must start
quickly, so what needs torch is imported where it is used.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

import ncf
from flows.cli.next_command import command_line, retrain_command
from flows.prepare.settings import DatasetSettings, dataset_of
from flows.registry.alias import BUNDLE, CHALLENGER, CHAMPION, Registry, locked, remove_bundle, version_by_alias
from flows.registry.log import read_log
from flows.registry.promotion import FIGURES, Change, current_actor, promote, reconcile
from flows.tracking.locations import TrackingError
from flows.tracking.store import global_store
from ncf.data import USER_ID
from ncf.data.ids import to_json
from ncf.errors import ModelError

if TYPE_CHECKING:
    from flows.tracking.tracker import ModelRun, Tracker
    from ncf.evaluation.promotion import Decision
    from ncf.serving.bundle import Bundle


PROMOTED, REASON = "ncf.promoted", "ncf.reason"
COMPARED = "ncf.compared_with"  # a version's tag: the champion that it was compared with
HOLDOUT = "ncf.holdout"  # a version's tag: a sketch of the test holdout of its comparison
BUNDLE_SUM = "ncf.bundle_sha256"  # in the registry, where write access to the artifacts can't change it
REQUIREMENTS = ("torch", "pandas", "numpy", "pyarrow", "pydantic", "safetensors")
SERVING_MODEL = Path(__file__).with_name("pyfunc.py")
EXAMPLE_USERS, EXAMPLE_K = 2, 10
REGISTRY = "registry"  # a JSON file of the logged model: where its newest log is named


@dataclass(frozen=True)
class RegisteredModel:
    """A version and its bundle."""

    version: int
    run_id: str
    bundle: "Bundle"


def register_model(
    tracker: "Tracker",
    name: str,
    model: "ModelRun",
    tags: Mapping[str, str],
    description: str,
    refitted: "ModelRun | None" = None,
) -> int:
    """Register a finished model as the challenger; a retry registers nothing new. Returns the version.

    Args:
        tracker: of the data set.
        name: of the registered model.
        model: the model that was judged; the version belongs to its run, which keeps the judged weights.
        tags: of the version.
        description: of the version.
        refitted: the same trained on all data: its weights serve, and are not needed in its own run any more.
    """
    client = tracker.client
    versions = list(client.search_model_versions(f"name = '{name}' and run_id = '{model.run_id}'"))
    if not versions:
        uri, bundle_sum = _log_pyfunc(tracker, model, name, (refitted or model).run_id)
        with global_store(tracker.uri):
            versions = [mlflow.register_model(uri, name, tags={**tags, BUNDLE_SUM: bundle_sum})]
    if not versions[0].description:  # new, or a kill interrupted the first try
        client.update_model_version(name, versions[0].version, description)
    version = int(versions[0].version)
    client.set_registered_model_alias(name, CHALLENGER, str(version))
    if refitted is not None:
        remove_bundle(tracker.uri, client.get_run(refitted.run_id))
    return version


def _log_pyfunc(tracker: "Tracker", model: "ModelRun", name: str, bundle_run: str) -> tuple[str, str]:
    """Log a run's bundle as a models-from-code pyfunc in the model's own run. Returns the URI and the bundle's sum."""
    from mlflow.models import infer_signature

    from ncf.files import sum_of_sums, write_json
    from ncf.serving.recommender import Recommender

    with tempfile.TemporaryDirectory() as scratch:
        folder = tracker.files.download(bundle_run, BUNDLE, Path(scratch))
        about = Path(scratch) / f"{REGISTRY}.json"
        write_json(about, {"registered_model": name, "run_id": model.run_id})
        recommender = Recommender.load(folder)
        example = pd.DataFrame({USER_ID: to_json(pd.Series(recommender.bundle.user_ids[:EXAMPLE_USERS]))})
        answer = recommender.recommend_json(example[USER_ID].to_list(), EXAMPLE_K)
        with global_store(tracker.uri), mlflow.start_run(run_id=model.run_id):
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(SERVING_MODEL),
                artifacts={
                    BUNDLE: str(folder),
                    REGISTRY: str(about),
                },  # model_config would become parameters of the run
                code_paths=[str(Path(ncf.__file__).parent)],
                signature=infer_signature(example, answer, params={"k": EXAMPLE_K}),
                input_example=example,
                pip_requirements=[f"{package}=={_release(package)}" for package in ("mlflow", *REQUIREMENTS)],
            )
        return str(info.model_uri), sum_of_sums(folder)


def _release(package: str) -> str:
    return installed(package).partition("+")[0]  # "+cpu" is a build, not a release


def load_champion(tracker: "Tracker", name: str) -> RegisteredModel | None:
    """The version that serves, or None before the first promotion.

    Raises:
        ModelError: the files of the champion are missing or damaged.
    """
    found = version_by_alias(tracker.client, name, CHAMPION)
    return None if found is None else _load(tracker, name, found)


def load_version(tracker: "Tracker", name: str, version: int) -> RegisteredModel:
    """A version and its bundle.

    Raises:
        ModelError: the version is missing, or its files are missing, damaged, or not those that were registered.
    """
    return _load(tracker, name, Registry(tracker.uri, name).version(version))


def load_judged(tracker: "Tracker", name: str, version: int) -> RegisteredModel:
    """A version with the weights that were measured: they have not learned from the holdouts.

    Raises:
        ModelError: the version is missing, or its files are missing or damaged.
    """
    run_id = str(Registry(tracker.uri, name).version(version).run_id)
    called = f"the bundle of version {version} of {name}, as it was measured,"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = tracker.files.download(run_id, BUNDLE, Path(scratch))
        except TrackingError as error:
            raise ModelError(f"{called} can't be read", got=str(error)[:300], do=error.do) from error
        return RegisteredModel(version, run_id, _bundle(folder, called))


def _load(tracker: "Tracker", name: str, found: ModelVersion) -> RegisteredModel:
    from ncf.files import sum_of_sums

    with tempfile.TemporaryDirectory() as scratch:
        try:
            with global_store(tracker.uri):
                folder = mlflow.artifacts.download_artifacts(f"models:/{name}/{found.version}", dst_path=scratch)
        except (OSError, MlflowException) as error:
            rollback = command_line("registry rollback", "--dataset", dataset_of(name))
            raise ModelError(
                f"version {found.version} of {name} can't be read",
                got=str(error)[:300],
                do=f"restore its artifacts, or roll back: {rollback}",
            ) from error
        files = Path(folder) / "artifacts" / BUNDLE
        bundle = _bundle(files, f"the bundle of version {found.version} of {name}")
        if found.tags.get(BUNDLE_SUM, sum_of_sums(files)) != sum_of_sums(files):
            raise ModelError(
                f"the bundle of version {found.version} of {name} is not the one that was registered",
                got=sum_of_sums(files),
                allowed=found.tags[BUNDLE_SUM],
                do=f"restore its artifacts, or point the alias {CHAMPION} at another version",
            )
        return RegisteredModel(int(found.version), str(found.run_id), bundle)


def _bundle(folder: Path, called: str) -> "Bundle":
    """The bundle in a folder; an error shows its name in place of the temporary folder."""
    from ncf.serving.bundle import Bundle

    try:
        return Bundle.load(folder)
    except ModelError as error:
        got = error.got.replace(str(folder), called) if isinstance(error.got, str) else error.got
        what = error.what.replace(str(folder), called)
        raise ModelError(what, got=got, allowed=error.allowed, do=error.do) from error


def champion_version(tracker: "Tracker", name: str) -> int | None:
    """The version that serves, or None."""
    return Registry(tracker.uri, name).champion()


def apply_decision(tracker: "Tracker", name: str, version: int, decision: "Decision", compared: int | None) -> None:
    """Make the version champion if the decision says so, then record the decision with it.

    Raises:
        ChampionMovedError: the champion is no longer the version of the comparison; nothing was changed.
    """
    if decision.promote:
        change = Change(version, "promoted", current_actor(), decision.reason, decision.figures)
        promote(Registry(tracker.uri, name), change, compared)
    _record(tracker, name, version, decision, compared)


def compared_champion(tracker: "Tracker", name: str, version: int) -> int | None:
    """The champion that a version was compared with, or None if there was none."""
    tag = tracker.client.get_model_version(name, str(version)).tags.get(COMPARED)
    return int(tag) if tag else None


def count_earlier_challengers(tracker: "Tracker", name: str, version: int, sketch: str) -> float:
    """Number of other versions compared with a champion, each weighted by the likeness of its test holdout."""
    from ncf.evaluation.comparison import likeness

    found = tracker.client.search_model_versions(f"name = '{name}'")
    others = [other.tags for other in found if int(other.version) != version]
    return sum(
        likeness(sketch, tags[HOLDOUT])
        for tags in others
        if HOLDOUT in tags and "gain" in json.loads(tags.get(FIGURES, "{}"))
    )


def recorded_decision(tracker: "Tracker", name: str, version: int) -> "Decision | None":
    """The decision that an interrupted run made on this version, or None."""
    from ncf.evaluation.promotion import Decision

    tags = tracker.client.get_model_version(name, str(version)).tags
    if PROMOTED in tags:
        return Decision(tags[PROMOTED] == "true", tags[REASON], json.loads(tags.get(FIGURES, "{}")))
    if not any(entry.after == version for entry in read_log(tracker.client, name)):
        return None
    registry = Registry(tracker.uri, name)
    with locked(registry):
        entries = reconcile(registry)
    for entry in reversed(entries):
        if (entry.what, entry.after, entry.state) == ("promoted", version, "done"):
            decision = Decision(True, entry.reason, entry.figures)
            _record(tracker, name, version, decision, entry.before)
            return decision
    return None


def _record(tracker: "Tracker", name: str, version: int, decision: "Decision", compared: int | None) -> None:
    tags = {FIGURES: json.dumps(dict(decision.figures)), REASON: decision.reason}
    if compared is not None:
        tags[COMPARED] = str(compared)
    tags[PROMOTED] = str(decision.promote).lower()  # last: with this tag the decision counts as made
    for key, value in tags.items():
        tracker.client.set_model_version_tag(name, str(version), key, value)


def no_champion(settings: DatasetSettings) -> ModelError:
    """The error where a champion is needed and there is none."""
    return ModelError(
        "there is no champion of the registered model",
        got=settings.model_name,
        do=f"{retrain_command(settings.dataset)}, or name another data set",
    )
