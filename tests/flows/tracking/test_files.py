"""The registered model's files: no pickle, and nothing but what was registered is read."""

import ast
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from flows.registry.models import load_champion, load_version
from flows.tracking.tracker import Tracker
from ncf.data.prepared import PreparedData
from ncf.errors import ModelError
from ncf.files import write_sums
from ncf.serving.recommender import Recommender
from tests.e2e.processes import REPOSITORY
from tests.flows.registry.registered_models import DATASET, NAME, artifact_folder, register_version, set_champion
from tests.ncf.serving.bundles import CONFIGS, bundle_of, some_data, with_text_ids

ROOMS = ("ncf", "flows", "tuning", "benchmarks")
SEEDS = count()  # a version has a run of its own
PICKLING = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
COUNTS_CORES = "joblib.externals.loky"
OWN_PROCESSES = ("worker.py", "workers.py")  # what a process sends to one that it started is no artifact


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        yield Tracker(DATASET)


def bundle_folder(tracker: Tracker, version: int) -> Path:
    return artifact_folder(tracker.client, version) / "artifacts" / "bundle"


def test_no_file_of_a_registered_model_is_a_pickle(tracker: Tracker) -> None:
    version, _ = register_version(tracker, some_data(), next(SEEDS))
    files = [path for path in artifact_folder(tracker.client, version).rglob("*") if path.is_file()]
    assert {"MLmodel", "pyfunc.py", "weights.safetensors", "SHA256SUMS"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert path.suffix not in (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy"), path
        assert not content.startswith((b"\x80", b"PK")), f"{path} is a pickle, or a zip as torch.save writes it"


def test_the_code_neither_pickles_nor_loads_weights_that_could_be_code() -> None:
    found = 0
    for path in (path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                if path.name not in OWN_PROCESSES and names != [COUNTS_CORES]:
                    assert not PICKLING & {name.partition(".")[0] for name in names}, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                assert options.get("weights_only") == "True", f"{path}:{node.lineno}"
                found += 1
    assert found, "what is looked for is there"


@pytest.mark.parametrize("change", ["truncated", "changed", "missing"])
def test_a_damaged_version_is_refused_with_the_reason(tracker: Tracker, change: str) -> None:
    version, _ = register_version(tracker, some_data(), next(SEEDS))
    set_champion(tracker, version)
    weights = bundle_folder(tracker, version) / "weights.safetensors"
    content = weights.read_bytes()
    if change == "missing":
        weights.unlink()
    else:
        weights.write_bytes(content[:-8] if change == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=r"is not a usable bundle: .*weights.safetensors"):
        load_champion(tracker, NAME)
    with pytest.raises(ModelError, match="weights.safetensors"):
        mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")


def test_another_bundle_in_its_place_is_refused_though_it_is_whole(tracker: Tracker) -> None:
    version, bundle = register_version(tracker, some_data(), next(SEEDS))
    folder = bundle_folder(tracker, version)
    assert load_version(tracker, NAME, version).bundle.about == bundle.about
    shutil.rmtree(folder)
    bundle_of(some_data(), seed=99).save(folder)
    with pytest.raises(
        ModelError, match=f"the bundle of version {version} of {NAME} is not the one that was registered"
    ):
        load_version(tracker, NAME, version)


def test_a_change_with_new_sums_is_refused_too(tracker: Tracker) -> None:
    version, _ = register_version(tracker, some_data(), next(SEEDS))
    folder = bundle_folder(tracker, version)
    items = pd.read_parquet(folder / "items.parquet")
    items.assign(title="bought").to_parquet(folder / "items.parquet")
    write_sums(folder)
    with pytest.raises(ModelError, match="is not the one that was registered"):
        load_version(tracker, NAME, version)


@pytest.mark.parametrize("data", [some_data(), with_text_ids(some_data())], ids=["integer", "text"])
def test_predict_answers_what_it_should_and_refuses_the_rest(tracker: Tracker, data: PreparedData) -> None:
    version, bundle = register_version(tracker, data, next(SEEDS), config=CONFIGS[2])
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
    users = bundle.user_ids.tolist()
    found = model.predict(pd.DataFrame({"user_id": users}), params={"k": 4})
    pd.testing.assert_frame_equal(found, Recommender(bundle).recommend_json(users, 4))
    number = isinstance(users[0], int)
    wrong = "7" if number else 7
    for frame, params, words in (
        (pd.DataFrame({"user": users}), {}, "user_id"),
        (pd.DataFrame({"user_id": [wrong]}), {}, "user_id"),
        (pd.DataFrame({"user_id": [2.5]}), {}, "user_id"),
        (pd.DataFrame({"user_id": users}), {"k": 0}, "k is out of range: 0; allowed: 1 to 18"),
        (pd.DataFrame({"user_id": users}), {"k": 19}, "k is out of range: 19; allowed: 1 to 18"),
        (pd.DataFrame({"user_id": users}), {"k": "3"}, "k"),
    ):
        with pytest.raises(MlflowException, match=words):
            model.predict(frame, params=params)


def test_predict_itself_checks_what_mlflow_lets_through(tracker: Tracker) -> None:
    version, _ = register_version(tracker, some_data(), next(SEEDS))
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}").unwrap_python_model()
    good = pd.DataFrame({"user_id": [3]})
    assert len(model.predict(None, good, {"k": np.int64(2)})) == 2
    for frame, params, words in (
        (good.assign(more=1), {}, "the columns are wrong: .*more.*; allowed: user_id alone"),
        (pd.DataFrame({"user_id": [3, None]}, dtype=object), {}, "user_id in row 1 is of the wrong type"),
        (good, {"k": True}, "k is of the wrong type: True; allowed: a whole number"),
    ):
        with pytest.raises(MlflowException, match=words):
            model.predict(None, frame, params)
