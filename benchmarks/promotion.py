"""Does the gate keep its promises on newer data? `python -m benchmarks.promotion` (5 minutes, one core).

Nights are simulated: each has a new holdout of users, and values per user whose mean, spread and correlation between
models are like those of GMF on MovieLens-100K. The true NDCG@10 of every model is known, so the losses are too.
Results: benchmarks/results/promotion.md and promotion.json.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ncf.evaluation.config import PromotionConfig
from ncf.evaluation.guards import CandidateMetrics, Reign, anchor_of, window_start
from ncf.evaluation.metrics import Values, ndcg
from ncf.evaluation.promotion import Anchor, Decision, decide
from ncf.files import write_json

RESULTS = Path(__file__).parent / "results"
HOLDOUTS = (943, 6040)  # users of MovieLens-100K and MovieLens-1M
GOOD = 0.066  # NDCG@10 of GMF on MovieLens-100K, full ranking
PER_HIT = float(ndcg(np.arange(1, 11), 10).mean())
SHARED = 0.79  # of the users a model ranks as most others do: two equal models then differ as two seeds do there
SPREAD = 0.155  # root mean square of those differences
SEEDS = (
    (1.5**2 - 1) / 2
) ** 0.5  # a seed's luck in standard errors of a difference: what promotion.seed_widening allows
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = PromotionConfig()


@dataclass(frozen=True)
class Nights:
    """A series of nights.

    Attributes:
        promoted: share of the nights with a promotion.
        lost: true NDCG@10 lost by each night's champion against the truly best champion of the last 30 days.
    """

    promoted: float
    lost: Values


@dataclass(frozen=True)
class Row:
    """One case: the share of nights with a promotion, and the true losses of a series, in margins."""

    users: int
    case: str
    nights: int
    promoted: float
    margin: float
    lost: float | None = None
    most_lost: float | None = None


def holdout(rng: np.random.Generator, users: int, means: Sequence[float]) -> list[Values]:
    """NDCG@10 by user of models with these true means, on one new holdout."""
    luck, ranks = rng.random((len(means) + 1, users)), rng.integers(1, 11, (len(means) + 1, users))
    values = []
    for model, mean in enumerate(means):
        own = np.where(rng.random(users) < SHARED, len(means), model)  # the last row is what most models do
        chosen = own, np.arange(users)
        values.append(np.where(luck[chosen] < mean / PER_HIT, ndcg(ranks[chosen], 10), 0.0))
    return values


def one_night(
    rng: np.random.Generator, users: int, means: Sequence[float], config: PromotionConfig = DEFAULT
) -> Decision:
    """What the gate decides on newer data.

    Args:
        rng: of all luck.
        users: of the holdout.
        means: true NDCG@10 of challenger, champion and, if it is another one, the anchor.
        config: of the gate.
    """
    challenger, champion, *anchors = holdout(rng, users, means)
    anchor = Anchor(1, anchors[0] if anchors else champion) if config.anchor_days else None
    models = CandidateMetrics(challenger), np.zeros(users), CandidateMetrics(champion)
    return decide(*models, config, newer=True, anchor=anchor)


def seed_luck(users: int) -> float:
    """Standard deviation of a model's true NDCG@10 over seeds, as much as the gate allows for."""
    return SEEDS * SPREAD / float(users**0.5)


def share_promoted(rng: np.random.Generator, users: int, loss: float, nights: int) -> tuple[float, float]:
    """Share of independent nights in which a model is promoted, and the mean margin.

    Args:
        rng: of all luck.
        users: of each night's holdout.
        loss: NDCG@10 by which the challenger's settings are worse than the champion's; each has the luck of a seed.
        nights: number.
    """
    decisions = []
    for _ in range(nights):
        luck = rng.normal(scale=seed_luck(users), size=2)
        decisions.append(one_night(rng, users, (GOOD - loss + luck[0], GOOD + luck[1])))
    margins = [decision.figures["margin"] for decision in decisions]
    return float(np.mean([decision.promote for decision in decisions])), float(np.mean(margins))


def series(
    rng: np.random.Generator,
    users: int,
    recipe: Callable[[int, float], float],
    nights: int = 100,
    config: PromotionConfig = DEFAULT,
) -> Nights:
    """A challenger every night, and the gate with its anchor.

    Args:
        rng: of all luck.
        users: of each night's holdout.
        recipe: night and the champion's true NDCG@10 -> that of the challenger, without the luck of its seed.
        nights: number.
        config: of the gate.
    """
    truth, reigns, lost = [GOOD], [Reign(0, FIRST, False)], []
    for night in range(1, nights + 1):
        now = FIRST + timedelta(days=night)
        champion, anchor = reigns[-1].version, anchor_of(reigns, window_start(now, config.anchor_days))
        truth.append(max(0.0, recipe(night, truth[champion]) + rng.normal(scale=seed_luck(users))))
        means = [truth[night], truth[champion], *([truth[anchor]] if anchor not in (None, champion) else [])]
        decision = one_night(rng, users, means, config)
        if decision.promote:
            reigns.append(Reign(night, now, decision.figures.get("anchor_low", 0.0) > 0))
        ends = [reign.since for reign in reigns[1:]]
        recent = reigns[sum(end <= now - timedelta(days=30) for end in ends) :]
        lost.append(max(truth[reign.version] for reign in recent) - truth[reigns[-1].version])
    return Nights((len(reigns) - 1) / nights, np.array(lost))


def cases(margin: float) -> Mapping[str, tuple[Callable[[int, float], float], PromotionConfig]]:
    """The kinds of series: what each night's challenger is, and the gate's settings."""

    def below_champion(margins: float) -> Callable[[int, float], float]:
        return lambda _, champion: champion - margins * margin

    return {
        "equal models": (lambda _, __: GOOD, DEFAULT),
        "each a tenth of a margin below the champion": (below_champion(0.1), DEFAULT),
        "each half a margin below the champion": (below_champion(0.5), DEFAULT),
        "each a fiftieth of a margin below last night's": (lambda night, _: GOOD - night * margin / 50, DEFAULT),
        "each half a margin below the champion, no anchor": (below_champion(0.5), PromotionConfig(anchor_days=0)),
    }


def rows(users: int, nights: int = 10_000, repeats: int = 100) -> Iterator[Row]:
    """Single nights, then series of 100 nights.

    Args:
        users: of each night's holdout.
        nights: independent ones per case.
        repeats: series per case.
    """
    rng = np.random.default_rng(users)
    margin = share_promoted(rng, users, 0.0, 200)[1]
    for case, margins in {"equal": 0, "worse by a margin": 1, "worse by two margins": 2}.items():
        for _ in range(3):  # a worse model is more different, which makes the margin a little larger
            loss = margins * margin
            margin = share_promoted(rng, users, loss, 200)[1]
        yield Row(users, f"one night: {case}", nights, *share_promoted(rng, users, margins * margin, nights))
    margin = share_promoted(rng, users, 0.0, 200)[1]
    for case, (recipe, config) in cases(margin).items():
        found = [series(rng, users, recipe, config=config) for _ in range(repeats)]
        lost = np.concatenate([one.lost for one in found]) / margin
        promoted = float(np.mean([one.promoted for one in found]))
        yield Row(
            users, f"100 nights: {case}", len(lost), promoted, margin, float(np.quantile(lost, 0.99)), float(lost.max())
        )


def main() -> None:
    """Simulate, print and write benchmarks/results/promotion.{md,json}."""
    found = [row for users in HOLDOUTS for row in rows(users)]
    write_json(RESULTS / "promotion.json", [asdict(row) for row in found])
    (RESULTS / "promotion.md").write_text(as_markdown(found), encoding="utf-8")
    print(as_markdown(found))  # noqa: T201


def as_markdown(found: Sequence[Row]) -> str:
    """One row per case."""
    lines = [
        f"Simulated nights with newer data, default settings: models with an NDCG@10 of {GOOD}, whose differences by "
        "user are like those of GMF on MovieLens-100K, and the luck of a seed that `seed_widening` allows for. Lost: "
        "true NDCG@10 against the truly best champion of the last 30 days, in margins. Written by "
        "`python -m benchmarks.promotion`; no times, so any processor will do.",
        "",
        "| users | case | nights | promoted | margin | lost, 99 % of nights | most lost |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found:
        lost = ["" if loss is None else f"{loss:.1f}" for loss in (row.lost, row.most_lost)]
        figures = f"{row.nights:,} | {row.promoted:.1%} | {row.margin:.4f} | {lost[0]} | {lost[1]}"
        lines.append(f"| {row.users:,} | {row.case} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
