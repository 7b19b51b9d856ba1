"""kill -9 of the flow process in each stage, two retrainings side by side."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from tests.e2e.faults.cluster import Cluster
from tests.e2e.faults.conftest import STAGES
from tests.e2e.faults.invariants import assert_not_trained_again, assert_whole, finished
from tests.e2e.faults.reliability import Reliability

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1400)]
PART = "kill -9 of the flow process"


def nothing(cluster: Cluster, dataset: str) -> None:
    """Nothing more than the kill."""


def cut_newest_checkpoint(cluster: Cluster, dataset: str) -> None:
    """Leave the first half of the newest checkpoint."""
    newest = max((cluster.cache() / "checkpoints").glob("*/epoch=*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    assert len(list(newest.parent.glob("epoch=*.ckpt"))) == 2
    cut(newest)


def cut_prepared(cluster: Cluster, dataset: str) -> None:
    """Leave the first half of every table of the prepared data set."""
    [folder] = (cluster.cache() / "prepared").glob(f"{dataset}-*")
    for table in folder.glob("*.parquet"):
        cut(table)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def lose_everything(cluster: Cluster, dataset: str) -> None:
    """The data set's next worker is on a machine that has no cache at all."""
    cluster.workers["one"].stop()
    cluster.worker("one", *(each for each in STAGES if each != dataset))
    cluster.worker("other", dataset)


@dataclass(frozen=True)
class Kill:
    """Where a flow process dies, and what else is done to it before the next run.

    Attributes:
        stage: in words, for the page.
        fault: as tests/e2e/faults/fault_injection.py reads it.
        also: further damage.
        words: that the next run says, if it takes note of the damage.
    """

    stage: str
    fault: str
    also: Callable[[Cluster, str], None] = nothing
    words: str = ""


KILLS: dict[str, list[Kill]] = {
    "alpha": [
        Kill("preparing the data", "kill before flows.prepare.flow.load_prepared"),
        Kill("training GMF, epoch 3", "kill epoch gmf 3", words="training gmf from its last checkpoint"),
        Kill(
            "training MLP, epoch 4; then the newest checkpoint is cut in half",
            "kill epoch mlp 4",
            cut_newest_checkpoint,
            "is damaged",
        ),
        Kill("training NeuMF, epoch 3", "kill epoch neumf 3", words="training neumf from its last checkpoint"),
        Kill("training the winner on all data, epoch 2", "kill epoch refit 2", words="on all data: "),
        Kill("registration: the version is not there yet", "kill before mlflow.register_model"),
        Kill("promotion: decided, the alias not moved yet", "kill before flows.registry.models.promote"),
        Kill("writing the recommendations", "kill before flows.recommend.flow.write_lists"),
    ],
    "beta": [
        Kill(
            "measuring a baseline; then the prepared data are cut in half",
            "kill before flows.retrain.measure.finish_model",
            cut_prepared,
        ),
        Kill(
            "training MLP, epoch 3; then its worker is replaced by one without the cache",
            "kill epoch mlp 3",
            lose_everything,
            "training mlp",
        ),
        Kill(
            "putting a model's files into MLflow",
            "kill before flows.retrain.train.training_chart",
            words="training mlp from its last checkpoint",
        ),
        Kill(
            "training NeuMF from pretrained parts, epoch 3",
            "kill epoch neumf-pretrained 3",
            words="training neumf-pretrained from its last checkpoint",
        ),
        Kill("registration: the version has just been made", "kill after mlflow.register_model"),
        Kill("publishing the newest log: stored, and not named yet", "kill before flows.registry.newest_log.named"),
        Kill("promotion: the alias has just been moved", "kill after flows.registry.models.promote"),
        Kill(
            "the retraining's pictures and notes: all but the mark that it is finished",
            "kill after flows.retrain.flow.log_comparison",
        ),
    ],
}


@dataclass
class Story:
    """What happened to one data set.

    Attributes:
        states: of its flow runs, in order; the last one was let alone.
        seconds: from each kill until the run after it had done what was interrupted.
        words: what each run said.
        kept: whether each run left the models alone that were finished before it.
    """

    states: list[str] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)


@pytest.fixture(scope="module")
def stories(cluster: Cluster) -> Iterator[dict[str, Story]]:
    """Kill each data set's retraining at its moments, one after the other, all data sets at once."""
    cluster.worker("one", *STAGES)
    stories = {dataset: Story() for dataset in KILLS}
    killed: dict[str, float] = {}
    for turn in range(1 + max(map(len, KILLS.values()))):
        playing = [dataset for dataset in KILLS if turn <= len(KILLS[dataset])]
        before = {dataset: finished(cluster.registry, dataset) for dataset in playing}
        asked = {dataset: ask(cluster, dataset, turn) for dataset in playing}
        ends = wait_for_all(cluster, asked)
        for dataset, run in asked.items():
            story = stories[dataset]
            story.states.append(cluster.state(run).name or "")
            story.words.append(cluster.run_log(run))
            assert_not_trained_again(before[dataset], finished(cluster.registry, dataset))
            if turn > 0:
                story.seconds.append(round(ends[dataset] - killed[dataset]))
            killed[dataset] = ends[dataset]
            if turn < len(KILLS[dataset]):
                KILLS[dataset][turn].also(cluster, dataset)
    yield stories
    for name in ("one", "other"):
        cluster.workers.pop(name).stop()


def ask(cluster: Cluster, dataset: str, turn: int) -> UUID:
    kills = KILLS[dataset]
    return cluster.start_run(dataset, fault=kills[turn].fault if turn < len(kills) else "")


def wait_for_all(cluster: Cluster, asked: dict[str, UUID], seconds: float = 300) -> dict[str, float]:
    """When each of the runs ended."""
    ends: dict[str, float] = {}
    until = time.monotonic() + seconds
    while len(ends) < len(asked):
        assert time.monotonic() < until, {dataset: cluster.run_log(run)[-500:] for dataset, run in asked.items()}
        for dataset, run in asked.items():
            if dataset not in ends and cluster.state(run).is_final():
                ends[dataset] = time.monotonic()
        time.sleep(0.5)
    return ends


@pytest.mark.parametrize(
    ("dataset", "turn"),
    [(dataset, turn) for dataset, kills in KILLS.items() for turn in range(len(kills))],
    ids=[kill.stage.partition(";")[0].replace(" ", "-") for kills in KILLS.values() for kill in kills],
)
def test_the_next_run_goes_on(stories: dict[str, Story], reliability: Reliability, dataset: str, turn: int) -> None:
    kill, story = KILLS[dataset][turn], stories[dataset]
    assert story.states[turn] == "Crashed", story.words[turn][-2000:]
    assert kill.words in story.words[turn + 1]
    followed = f'the next run said "{kill.words}"' if kill.words else "the next run went on"
    reliability.survived(PART, kill.stage, f"Crashed at once; {followed}", story.seconds[turn])


@pytest.mark.parametrize("dataset", KILLS)
def test_at_the_end_everything_is_there_once(cluster: Cluster, stories: dict[str, Story], dataset: str) -> None:
    assert stories[dataset].states[-1] == "Completed", stories[dataset].words[-1][-3000:]
    assert_whole(cluster.tracking_uri, dataset)
    left = [path for name in ("one", "other") for path in (cluster.cache(name) / "checkpoints").glob("*")]
    assert len(left) <= 1, "only those of the machine that was left behind"
