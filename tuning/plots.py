"""Pictures of a study."""

from plotly.graph_objects import Figure

from tuning.study import StudyHandle


def figures(handle: StudyHandle) -> dict[str, Figure]:
    """The study's pictures by name; one that there are too few trials for is left out.

    Names: history, importances, slices, parallel_coordinates, intermediate_values, pareto_front.
    """
    raise NotImplementedError
