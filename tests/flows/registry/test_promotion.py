"""The alias champion moves in one step, logged, and back."""

import pytest

from flows.registry.alias import CHAMPION, Registry, locked, remove_weights
from flows.registry.log import Entry, champions, read_log
from flows.registry.promotion import ChampionMovedError, promote, promote_by_hand, reconcile, roll_back
from flows.tracking.locations import TrackingError
from ncf.errors import ModelError
from tests.flows.registry.placeholder_versions import add_version, change, new_registry
from tests.flows.registry.registered_models import artifact_folder

WHO = "ann@desk"


def moves(registry: Registry) -> list[tuple[str, int | None, int | None, str]]:
    return [(e.what, e.before, e.after, e.state) for e in read_log(registry.client, registry.name)]


def reconciled(registry: Registry) -> list[Entry]:
    with locked(registry):
        return reconcile(registry)


def test_a_promotion_moves_the_alias_and_is_on_the_page(store: str) -> None:
    registry = new_registry(store, versions=2)
    registry.client.update_registered_model(registry.name, "Written by the shop's team.")
    promote(registry, change(1, "there was none"), compared=None)
    done = promote(registry, change(2, "better by 0.1 | *surely*"), compared=1)
    assert registry.champion() == 2
    assert moves(registry) == [("promoted", None, 1, "done"), ("promoted", 1, 2, "done")]
    assert read_log(registry.client, registry.name)[-1] == done
    assert (done.who, done.reason, done.figures) == (WHO, "better by 0.1 | *surely*", change(2).figures)
    page = registry.client.get_registered_model(registry.name).description
    assert page.startswith("Written by the shop's team.\n\n## Promotions")
    rows = [line.strip("|").split("|") for line in page.replace("\\|", "!").splitlines() if line.startswith("|")]
    assert [row[0] for row in rows] == ["no.", "---", "2", "1"], "the newest first"
    assert rows[2][2:8] == [WHO, "promoted", "1", "2", "0.2000", "better by 0.1 ! \\*surely\\*"]
    run_id = registry.version(2).run_id
    assert f"/runs/{run_id})" in rows[2][8]


def test_a_champion_that_moved_since_the_comparison_is_not_overwritten(store: str) -> None:
    registry = new_registry(store, versions=3)
    promote(registry, change(1), compared=None)
    promote(registry, change(2), compared=1)
    for compared in (1, None):
        with pytest.raises(ChampionMovedError, match="no longer.*2"):
            promote(registry, change(3), compared=compared)
    assert registry.champion() == 2
    assert len(moves(registry)) == 2


def test_rolling_back_goes_back_step_by_step_and_never_forth(store: str) -> None:
    registry = new_registry(store, versions=4)
    for after in (1, 2, 3):
        promote(registry, change(after), compared=after - 1 or None)
    assert roll_back(registry, WHO, "complaints").after == 2
    promote(registry, change(4), compared=2)
    assert [roll_back(registry, WHO).after for _ in range(2)] == [2, 1]
    with pytest.raises(ModelError, match="no earlier champion.*version 1;"):
        roll_back(registry, WHO)
    assert registry.champion() == 1
    assert moves(registry)[3:] == [
        ("rolled back", 3, 2, "done"),
        ("promoted", 2, 4, "done"),
        ("rolled back", 4, 2, "done"),
        ("rolled back", 2, 1, "done"),
    ]


def test_rolling_back_passes_over_versions_that_can_not_serve(store: str) -> None:
    registry = new_registry(store, versions=4)
    for after in (1, 2, 3, 4):
        promote(registry, change(after), compared=after - 1 or None)
    remove_weights(registry.client, registry.uri, registry.version(3))
    registry.client.delete_model_version(registry.name, "2")
    assert roll_back(registry, WHO).after == 1


def test_what_was_done_in_mlflow_itself_gets_its_entry(store: str) -> None:
    registry = new_registry(store, versions=3)
    registry.client.set_registered_model_alias(registry.name, CHAMPION, "1")
    promote(registry, change(2), compared=1)
    registry.client.set_registered_model_alias(registry.name, CHAMPION, "3")
    assert roll_back(registry, WHO).after == 2
    registry.client.delete_registered_model_alias(registry.name, CHAMPION)
    assert roll_back(registry, WHO).after == 2, "the last that there was"
    assert [(what, before, after) for what, before, after, _ in moves(registry)] == [
        ("outside", None, 1),
        ("promoted", 1, 2),
        ("outside", 2, 3),
        ("rolled back", 3, 2),
        ("outside", 2, None),
        ("rolled back", None, 2),
    ]


def test_by_hand_only_what_beats_popularity_unless_forced(store: str) -> None:
    registry = new_registry(store)
    good, poor = add_version(registry), add_version(registry, {"challenger": 0.1, "popularity": 0.1})
    unknown = add_version(registry, {})
    assert promote_by_hand(registry, good, WHO, "the boss wants it").what == "by hand"
    with pytest.raises(ModelError, match="0.1000 is not above popularity's 0.1000.*--force"):
        promote_by_hand(registry, poor, WHO, "why not")
    with pytest.raises(ModelError, match="never compared"):
        promote_by_hand(registry, unknown, WHO, "why not")
    assert registry.champion() == good and len(moves(registry)) == 1
    assert promote_by_hand(registry, poor, WHO, "an experiment", force=True).what == "forced"
    assert promote_by_hand(registry, good, WHO, "over", force=True).what == "by hand", "it needed no force"


def test_what_can_not_serve_does_not_become_champion(store: str) -> None:
    registry = new_registry(store, versions=2)
    promote(registry, change(1), compared=None)
    remove_weights(registry.client, registry.uri, registry.version(2))
    for number, words in (
        (2, "weights were removed"),
        (7, "no such version.*7.*allowed: 1, 2"),
        (1, "already the champion"),
    ):
        with pytest.raises(ModelError, match=words):
            promote_by_hand(registry, number, WHO, "why not", force=True)
    lost = add_version(registry)
    (artifact_folder(registry.client, lost, registry.name) / "artifacts/bundle/weights.safetensors").unlink()
    with pytest.raises(ModelError, match="weights are missing"):
        promote(registry, change(lost), compared=1)
    assert registry.champion() == 1 and len(moves(registry)) == 1


def test_a_model_that_is_not_there_is_named(store: str) -> None:
    with pytest.raises(TrackingError, match="no registered model of the name: 'ncf-none'"):
        roll_back(Registry(store, "ncf-none"), WHO)


def test_an_interrupted_change_is_finished_or_struck_out(store: str) -> None:
    registry = new_registry(store, versions=3)
    first = promote(registry, change(1), compared=None)

    def pending(number: int, after: int) -> None:
        entry = first.model_copy(update={"number": number, "before": 1, "after": after, "state": "pending"})
        registry.client.set_registered_model_tag(registry.name, entry.tag, entry.text())

    pending(2, after=2)  # killed before the alias was set
    assert [entry.state for entry in reconciled(registry)] == ["done", "interrupted"]
    assert champions(reconciled(registry)) == [1]
    pending(3, after=3)
    registry.client.set_registered_model_alias(registry.name, CHAMPION, "3")  # killed after it was set
    assert [entry.state for entry in reconciled(registry)] == ["done", "interrupted", "done"]
    assert roll_back(registry, WHO).after == 1
