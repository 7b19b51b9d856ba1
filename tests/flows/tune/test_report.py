"""What a tuning says at its end: what was tried, what is used, and only what makes sense to do next."""

import io
from typing import Any

from rich.console import Console

from flows.cli.command import parse
from flows.retrain.settings import RetrainSettings
from flows.tracking.tracker import Tracker
from flows.tracking.tuned_settings import Tuned
from flows.tune.flow import next_steps
from flows.tune.report import ModelReport, TuneReport, tried_values
from flows.tune.settings import TuneSettings
from tests.flows.cli.test_next_command import SHOP, options
from tests.flows.tune.tunings import tuned
from tuning.problem import TrialOutcome
from tuning.ranges import Value

BASE: dict[str, Any] = {"model": {"embedding_dim": 32}, "training": {"learning_rate": 0.003, "schedule": "constant"}}
OTHER: dict[str, Any] = {"model": {"embedding_dim": 64}, "training": {"learning_rate": 0.003, "schedule": "cosine"}}
SEARCHED = ["model.embedding_dim", "training.learning_rate", "training.schedule"]


def report(winner: dict[str, Any], believed: bool) -> ModelReport:
    values: list[dict[str, Value]] = [
        {"model.embedding_dim": 32, "training.learning_rate": 0.003, "training.schedule": "constant"},
        {"model.embedding_dim": 64, "training.learning_rate": 0.003, "training.schedule": "cosine"},
        {"model.embedding_dim": 8, "training.learning_rate": 0.003, "training.schedule": "cosine"},
    ]
    trials = [TrialOutcome(number, "complete", each) for number, each in enumerate(values)]
    about = {"base": BASE, "winner": winner, "recipe": winner if believed else BASE, "believed": believed}
    searched = {"searched": SEARCHED, "tried": tried_values(trials, SEARCHED), "trial": 1}
    return ModelReport(run_id="r1", tuned=tuned("gmf", BASE).model_copy(update=about | searched))


def test_what_was_tried_is_shown_beside_what_is_used() -> None:
    better = report(OTHER, believed=True).table()
    assert better.header == ["setting", "default", "tried", "tuned"]
    assert better.rows == [
        ["model.embedding_dim", "32", "8 to 64", "64"],
        ["training.learning_rate", "0.003", "0.003", "0.003"],
        ["training.schedule", "constant", "constant, cosine", "cosine"],
    ]
    assert report(OTHER, believed=False).table().header == ["setting", "default", "tried", "trial 1, not used"]
    nothing = report(BASE, believed=False).table()
    assert nothing.header == ["setting", "default", "tried"]
    assert nothing.rows[0] == ["model.embedding_dim", "32", "8 to 64"]


def test_layers_that_were_tried_are_kept_and_shown() -> None:
    layers: list[Value] = [(32, 16, 8), (64, 32, 16, 8), (32, 16, 8)]
    trials = [TrialOutcome(number, "complete", {"model.layers": each}) for number, each in enumerate(layers)]
    base = {"model": {"layers": [32, 16, 8]}}
    about = {"base": base, "winner": base, "searched": ["model.layers"]}
    values = tuned("mlp", base).model_dump() | about | {"tried": tried_values(trials, ["model.layers"])}
    found = Tuned.model_validate_json(Tuned.model_validate(values).model_dump_json())
    assert ModelReport(run_id="r1", tuned=found).table().rows == [["model.layers", "32-16-8", "32-16-8, 64-32-16-8"]]


def test_a_training_is_proposed_only_if_something_better_was_found(store: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    settings = TuneSettings.model_validate(SHOP | {"model": "gmf", "budget": {"trials": 3}})
    tracker = Tracker("shop")
    steps = next_steps(settings, tracker, [report(OTHER, believed=True)])
    expected = RetrainSettings.model_validate(SHOP | {"settings": "tuned"})
    assert parse(RetrainSettings, options(steps["Train with them"])) == expected
    more = parse(TuneSettings, options(steps["Continue the search"]))
    assert more == settings.model_copy(update={"budget": settings.budget.model_copy(update={"trials": 6})})
    assert steps["Look at the study"].endswith("/runs/r1/artifacts/study.html")
    for other in (report(OTHER, believed=False), report(BASE, believed=False), report(BASE, believed=True)):
        assert "Train with them" not in next_steps(settings, tracker, [other])
        assert "trains as before with `--settings tuned`" in other.markdown()
    assert "Train with them" in next_steps(settings, tracker, [report(BASE, False), report(OTHER, True)])


def test_the_terminal_has_one_line_a_step() -> None:
    steps = {"Train with them": "make retrain", "Continue the search": "make tune " + "x" * 200}
    with Console(width=80, record=True, file=io.StringIO()) as console:
        TuneReport(dataset="shop", models=[report(OTHER, True)], next_steps=steps).show(console)
    shown = console.export_text()
    assert "Train with them:         make retrain\n" in shown
    assert f"Continue the search:     make tune {'x' * 200}\n" in shown
