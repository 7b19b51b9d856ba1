"""The quality benchmark: what is searched, trained and read, on logs small enough for a test."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.bench import QUICK, Bench
from benchmarks.figures.quality.plan import Kind, Plan, kinds_of, searched_kinds
from benchmarks.figures.quality.recipes import MODELS, drawn_recipe, first_recipe, space_of, tower, with_factors
from benchmarks.job_cache import JobCache
from benchmarks.ours import quality
from ncf.config import PretrainedRecipe
from ncf.evaluation.ranking import Ranks
from ncf.files import CACHE_VARIABLE, read_json
from tests.e2e.processes import REPOSITORY
from tests.ncf.toy_data import checkerboard
from tuning.space import check_space

SPEC: dict[str, Any] = {
    "model": "gmf",
    "recipe": {"model": {"embedding_dim": 4}, "training": {"max_epochs": 3, "negatives": "all"}},
    "seed": 0,
    "epochs": 2,
    "parts": None,
}


@pytest.fixture
def board_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "prepared", lambda name: checkerboard())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("factors", [8, 64])
@pytest.mark.parametrize("log", ["ml-1m", "ml-100k", "made-up"])
@pytest.mark.parametrize("protocol", ["sampled", "full"])
def test_a_search_begins_inside_its_own_space(log: str, model: Any, factors: int, protocol: Any) -> None:
    recipe = first_recipe(log, model, factors, protocol, 1000)
    check_space(model, recipe, space_of(log, model, protocol))
    assert recipe.training.validate_by == protocol
    assert recipe.training.negatives == ("all" if model == "gmf" else "uniform")


def test_settings_are_taken_over_to_another_size() -> None:
    assert tower(8) == (32, 16, 8)
    wide = first_recipe("ml-1m", "neumf", 64, "full", 1000)
    small = with_factors("neumf", wide, 8)
    assert not isinstance(small, PretrainedRecipe) and not isinstance(wide, PretrainedRecipe)
    assert small.model.model_dump() == {**wide.model.model_dump(), "embedding_dim": 8, "layers": (32, 16, 8)}
    assert small.training == wide.training
    pretrained = first_recipe("ml-1m", "neumf-pretrained", 64, "full", 1000)
    assert with_factors("neumf-pretrained", pretrained, 8) == pretrained


def test_drawn_negatives_are_as_many_as_asked_for() -> None:
    recipe = drawn_recipe("mlp", 8, "sampled", 7, 1000)
    assert (recipe.training.num_negatives, recipe.training.negatives) == (7, "uniform")


def test_what_pretraining_needs() -> None:
    assert Kind("neumf-pretrained", 8).parts == (Kind("gmf", 8), Kind("mlp", 8))
    assert Kind("neumf-pretrained", 64, 192).parts == (Kind("gmf", 192), Kind("mlp", 64))
    assert Kind("neumf", 8).parts == ()
    assert [kind.factors for kind in kinds_of([8, 64])] == [64] * 4 + [8] * 4


class SpecBench(Bench):
    """Answers searches at once, and keeps what was asked."""

    def ours_job(self, job: dict[str, Any]) -> dict[str, Any]:
        (self.folder / f"{job['model']}-{len(list(self.folder.iterdir()))}.json").write_text(json.dumps(job))
        return {"recipe": job["recipe"], "epoch": 1, "score": 0.5}


def test_a_fusion_is_searched_with_the_parts_that_it_is_made_of(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    todo = Plan(JobCache(SpecBench(QUICK, asked), tmp_path), "board", "full", replace(QUICK.quality, searched=(8, 32)))
    todo.search(searched_kinds(todo.sizes))
    jobs = [read_json(path) for path in asked.iterdir()]
    assert sorted(job["model"] for job in jobs) == ["gmf", "mlp", "neumf", "neumf-pretrained"]
    [fused] = [job for job in jobs if job["parts"]]
    by_model = {job["model"]: job["recipe"]["model"] for job in jobs if not job["parts"]}
    assert {name: part["model"] for name, part in fused["parts"].items()} == {
        name: by_model[name] for name in ("gmf", "mlp")
    }


def test_a_last_training_is_measured_after_each_epoch_and_kept_as_a_part(board_log: None, tmp_path: Path) -> None:
    job = {"log": "board", "spec": SPEC, "folder": str(tmp_path)}
    found = quality.final(job)
    assert len(found["curve"]) == len(found["losses"]) == 2
    assert found["curve"][-1] == [found["sampled/hr_at_10"], found["sampled/ndcg_at_10"]]
    assert found["losses"][0] > found["losses"][1]
    [weights] = (tmp_path / "weights").glob("*.safetensors")
    before, kept = weights.stat(), load_file(weights)
    again = quality.train_final(SPEC, checkerboard().refitted(), tmp_path).state_dict()
    assert again.keys() == kept.keys() and all(torch.equal(value, kept[name]) for name, value in again.items())
    assert (weights.stat().st_ino, weights.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "trained again"
    fused = quality.fuse(
        {
            "log": "board",
            "parts": [SPEC, {**SPEC, "model": "mlp", "recipe": {"model": {"layers": (8, 4)}}}],
            "alphas": [1.0],
            "folder": str(tmp_path),
        }
    )
    [only_gmf] = fused["by_alpha"]
    for key, value in only_gmf.items():
        assert value == pytest.approx(found[key]), "alpha 1 leaves GMF alone"


def test_a_search_goes_on_and_finds_the_epoch(board_log: None, tmp_path: Path) -> None:
    job = {
        "log": "board",
        "model": "gmf",
        "recipe": SPEC["recipe"],
        "space": {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
        "parts": None,
        "seed": 0,
        "folder": str(tmp_path),
    }
    first = quality.search({**job, "warmup_epochs": 2, "trials": 1})
    second = quality.search({**job, "warmup_epochs": 2, "trials": 3})
    assert second["trials"][0] == first["trials"][0]
    assert len(second["trials"]) == 3
    assert second["first"] == first["score"]
    best = max(score for _, state, score, _ in second["trials"] if state == "complete")
    assert second["score"] == best
    chosen = quality.choose(
        {"log": "board", "spec": {**SPEC, "recipe": second["recipe"], "epochs": None}, "folder": str(tmp_path)}
    )
    assert (chosen["score"], chosen["epoch"]) == (second["score"], second["epoch"])


def test_hit_rates_by_length_of_list() -> None:
    found = quality.test_metrics(Ranks(np.array([1, 2, 11]), np.array([1, 3, 10])))
    assert found["hr_by_length"] == pytest.approx([1 / 3, 1 / 3, *[2 / 3] * 7, 1.0])
    assert found["full/hr_at_10"] == pytest.approx(2 / 3)


class CountingBench(Bench):
    """Answers at once, and counts the jobs."""

    def ours_job(self, job: dict[str, Any]) -> dict[str, Any]:
        (self.folder / f"{job['task']}-{job['number']}").touch(exist_ok=False)
        return {"number": job["number"]}


def test_answers_are_kept(tmp_path: Path) -> None:
    bench = CountingBench(QUICK, tmp_path)
    jobs = [{"task": "count", "number": number} for number in range(5)]
    for _ in range(2):
        answers = JobCache(bench, tmp_path / "jobs").results("counting", jobs)
        assert answers == [{"number": number} for number in range(5)]


@pytest.mark.slow
@pytest.mark.timeout(1500)  # a busy machine is no failure
def test_the_whole_page_at_reduced_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    names = {"paper", "paper-neumf", "best", "full-ml-100k", "full-ml-1m", "effects"}
    command = [sys.executable, "-m", "benchmarks.quality", "--quick", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = read_json(tmp_path / "out" / "quality.json")
    assert {row["row"] for row in rows} == names
    assert all(0 <= row["ours"] <= 1 for row in rows)
    subjects = ("factors", "pretraining", "lengths", "epochs", "alpha", "negatives")
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {f"quality-{name}.png" for name in subjects}
