"""Everything that is measured of one scorer on one holdout."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ncf.data.prepared import PreparedData
from ncf.evaluation.lists import TopLists, top_items
from ncf.evaluation.metrics import CUTOFFS, Values, mean_with_interval
from ncf.evaluation.ranking import SCORING_MEMORY_MB, HoldoutRanker, Ranks, Scorer, SplitName


@dataclass(frozen=True)
class Evaluation:
    """Metrics under their keys, such as "full/ndcg_at_10".

    Attributes:
        per_user: one value for each evaluated user, in the holdout's order: for intervals, paired tests and groups.
        of_all: what has no value per user: the coverage of all lists together.
        ranks: what the metrics per user were read off.
    """

    per_user: dict[str, Values]
    of_all: dict[str, float]
    ranks: Ranks

    def figures(self) -> dict[str, float]:
        """Means, each with `_ci95`, half the width of its 95 % interval; then what has no interval."""
        figures: dict[str, float] = {}
        for key, values in self.per_user.items():
            figures |= mean_with_interval(values).figures(key)
        return figures | self.of_all


def evaluate(
    scorer: Scorer,
    data: PreparedData,
    split: SplitName,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    device: torch.device | str = "cpu",
    memory_mb: int = SCORING_MEMORY_MB,
) -> Evaluation:
    """Rank the holdout by both protocols, and look at the lists of the full one.

    Args:
        scorer: a model or a baseline.
        data: the prepared data set.
        split: which holdout.
        cutoffs: lengths of list.
        device: where the scorer's tensors are.
        memory_mb: MB that the scores of one block of users may take.
    """
    ranker = HoldoutRanker(data, split, device, memory_mb=memory_mb)
    ranks, lists = _ranks_and_lists(scorer, ranker, data, max(cutoffs))
    novelty = {f"full/novelty_at_{k}": lists.novelty(k) for k in cutoffs}
    coverage = {f"full/coverage_at_{k}": lists.coverage(k) for k in cutoffs}
    return Evaluation(ranks.every(cutoffs) | novelty, coverage, ranks)


def _ranks_and_lists(scorer: Scorer, ranker: HoldoutRanker, data: PreparedData, k: int) -> tuple[Ranks, TopLists]:
    """Both from the same scores: to work them out costs more than all that is read off them."""
    parts = []
    with torch.inference_mode():
        for rows in ranker:
            scores = scorer.score_all(ranker.users[rows])
            parts.append((*ranker.rank_scored(scores, rows), top_items(scores, k)))
    full, sampled, items = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Ranks(full, sampled), TopLists(items, data.item_counts)
