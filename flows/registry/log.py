"""The promotion log. MLflow stores no history of an alias, so each change is a JSON tag of the registered model."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.cli.next_command import command_line, retrain_command
from flows.prepare.settings import dataset_of
from flows.tracking.locations import TrackingError
from ncf.evaluation.guards import ANCHOR_LOW, Reign

What: TypeAlias = Literal["promoted", "rolled back", "by hand", "forced", "outside"]
State: TypeAlias = Literal["pending", "done", "interrupted"]

PREFIX = "ncf.promotion."
MAX_TAG = 5000  # limit of MLflow's database for a registered model's tags and description
MAX_REASON, MAX_WHO = 1500, 200
MAX_ROWS, REASON_LENGTHS = 20, (400, 250, 150, 100, 60, 30)
HEADING = "## Promotions"
COLUMNS = ("no.", "when (UTC)", "who", "what", "from", "to", "NDCG@10", "reason", "run")


class Entry(BaseModel):
    """One change of the champion.

    Attributes:
        number: from 1, without gaps.
        when: UTC.
        who: user and host, or the deployment's flow run.
        what: promoted (a retraining's decision), rolled back, by hand, forced (by hand, though below popularity), or
            outside (the alias was moved in MLflow itself).
        before: the champion until then, or None.
        after: the champion since then, or None.
        reason: as a sentence.
        figures: of the decision; see `ncf.evaluation.promotion.Decision`.
        run_id: MLflow run of the version's model.
        experiment_id: its experiment.
        state: pending until the alias is set; interrupted if it never was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    when: datetime
    who: str
    what: What
    before: int | None
    after: int | None
    reason: str
    figures: Mapping[str, float] = {}
    run_id: str = ""
    experiment_id: str = ""
    state: State = "pending"

    @property
    def tag(self) -> str:
        """Key of the entry's tag."""
        return f"{PREFIX}{self.number:06}"

    def text(self) -> str:
        """The entry as JSON that fits into a tag."""
        cut = {"reason": shortened(self.reason, MAX_REASON), "who": shortened(self.who, MAX_WHO)}
        text = self.model_copy(update=cut).model_dump_json()
        if len(text) > MAX_TAG:
            raise TrackingError("an entry of the promotion log is too long", got=len(text), allowed=f"up to {MAX_TAG}")
        return text


def read_log(client: MlflowClient, name: str) -> list[Entry]:
    """All entries, oldest first.

    Raises:
        TrackingError: there is no such registered model, or an entry is damaged.
    """
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        do = f"retrain first: {retrain_command(dataset_of(name))}"
        raise TrackingError("there is no registered model of the name", got=name, do=do) from error
    return [_read(name, key, str(value)) for key, value in sorted(tags.items()) if key.startswith(PREFIX)]


def _read(name: str, key: str, text: str) -> Entry:
    try:
        return Entry.model_validate_json(text)
    except ValidationError as error:
        raise TrackingError(
            f"the entry {key} of {name}'s promotion log can't be read", got=text[:100], do="delete the tag in MLflow"
        ) from error


def write_entry(client: MlflowClient, name: str, entry: Entry) -> None:
    """Add an entry, or update its state."""
    client.set_registered_model_tag(name, entry.tag, entry.text())


def new_number(entries: Sequence[Entry]) -> int:
    """Number of the next entry."""
    return max((entry.number for entry in entries), default=0) + 1


def now() -> datetime:
    """The current second, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def champions(entries: Sequence[Entry]) -> list[int]:
    """The stack of champions for rollbacks, the present one last.

    A promotion pushes a version; a rollback pops all versions above the one that it restored. So a second rollback
    goes further back, and never forward.
    """
    return [version for version, _ in _stack(entries)]


def _stack(entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
    """The stack of champions, each with the entry that made it one."""
    stack: list[tuple[int, Entry]] = []
    for entry in entries:
        if entry.state != "done" or entry.after is None:
            continue
        versions = [version for version, _ in stack]
        if entry.what == "rolled back" and entry.after in versions:
            del stack[len(stack) - versions[::-1].index(entry.after) :]
        elif versions[-1:] != [entry.after]:
            stack.append((entry.after, entry))
    return stack


def reigns(entries: Sequence[Entry]) -> list[Reign]:
    """The champions that were not rolled back, for the anchor of the promotion rule.

    What somebody chose by hand counts like one that is surely better: nothing before it limits those after it.
    """
    return [
        Reign(
            version,
            entry.when,
            entry.what != "promoted" or entry.figures.get(ANCHOR_LOW, entry.figures.get("low", 0.0)) > 0,
        )
        for version, entry in _stack(entries)
    ]


def describe(description: str, entries: Sequence[Entry], name: str) -> str:
    """The registered model's description with the newest entries as its last section; the text above stays.

    Reasons are shortened until the text fits into MLflow's database; if that is not enough, the oldest entries are
    left out.
    """
    above = description.partition(HEADING)[0].rstrip()
    above += "\n\n" if above else ""
    rows = list(reversed(entries))[:MAX_ROWS]
    while rows:
        for length in REASON_LENGTHS:
            text = above + _section(rows, len(entries), length, name)
            if len(text) <= MAX_TAG:
                return text
        rows.pop()
    return description


def _section(entries: Sequence[Entry], total: int, length: int, name: str) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(entry, length) for entry in entries)]
    table = "\n".join(f"|{'|'.join(cells)}|" for cells in rows)
    log = command_line("registry log", "--dataset", dataset_of(name))
    rest = f"\n\n{total - len(entries)} earlier: `{log}`" if total > len(entries) else ""
    return f"{HEADING}\n\n{table}{rest}\n"


def _cells(entry: Entry, length: int) -> tuple[str, ...]:
    run = f"[run](#/experiments/{entry.experiment_id}/runs/{entry.run_id})" if entry.run_id else ""
    what = entry.what if entry.state == "done" else f"{entry.what} ({entry.state})"
    return (
        str(entry.number),
        f"{entry.when:%Y-%m-%d %H:%M}",
        _plain(shortened(entry.who, 40)),
        what,
        version_text(entry.before),
        version_text(entry.after),
        ndcg_text(entry),
        _plain(shortened(entry.reason, length)),
        run,
    )


def ndcg_text(entry: Entry) -> str:
    """The new champion's NDCG@10; empty if it was not measured."""
    return f"{entry.figures['challenger']:.4f}" if "challenger" in entry.figures else ""


def version_text(version: int | None) -> str:
    """A version, or a dash for none."""
    return "-" if version is None else str(version)


def shortened(text: str, length: int) -> str:
    """The text, cut to this length."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _plain(text: str) -> str:
    """The text with markdown escaped, on one line."""
    for character in "\\|<>[]`*_":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
