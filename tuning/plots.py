"""Pictures of a study."""

from collections.abc import Callable
from typing import Any

import optuna.visualization as draw
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from tuning.records import places
from tuning.study import StudyHandle

SCORE = "validation NDCG@10"
SECOND = {"seconds": "seconds of training", "size": "number of weights"}
FEWEST_FOR_IMPORTANCES = 4  # below that, what matters can't be told from chance
OF_SCORE: dict[str, Any] = {"target": lambda trial: trial.values[0], "target_name": SCORE}
OF_LOW: dict[str, Any] = {"target": lambda trial: -trial.values[0], "target_name": SCORE}  # for PED-ANOVA: a cost


def figures(handle: StudyHandle) -> dict[str, Figure]:
    """The study's pictures by name; one that there are too few trials for is left out.

    Names: history, importances, slices, parallel_coordinates, intermediate_values, pareto_front.

    Raises:
        StudyError: the database failed.
    """
    study = handle.study
    with handle.database.told():
        trials = study.get_trials(deepcopy=False)
        found = places(trials)
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        reported = any(t.intermediate_values for t in trials if found[t.number] in ("complete", "pruned"))
        wanted: dict[str, tuple[bool, Callable[[], Figure]]] = {
            "history": (bool(complete), lambda: draw.plot_optimization_history(study, **OF_SCORE)),
            "importances": (_can_weigh(complete), lambda: draw.plot_param_importances(study, **OF_LOW)),
            "slices": (bool(complete), lambda: draw.plot_slice(study, **OF_SCORE)),
            "parallel_coordinates": (
                len(complete) > 1,
                lambda: draw.plot_parallel_coordinate(study, **OF_SCORE),
            ),
            "intermediate_values": (reported, lambda: draw.plot_intermediate_values(study)),
            "pareto_front": (
                handle.problem.second is not None and bool(complete),
                lambda: draw.plot_pareto_front(study, target_names=[SCORE, SECOND[handle.problem.second or ""]]),
            ),
        }
        return {name: make() for name, (possible, make) in wanted.items() if possible}


def _can_weigh(complete: list[FrozenTrial]) -> bool:
    return len(complete) >= FEWEST_FOR_IMPORTANCES and len({trial.values[0] for trial in complete}) > 1
