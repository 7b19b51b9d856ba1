"""Rows of the quality page: the paper's table, the best recommender, full ranking with baselines, and effects."""

from collections.abc import Sequence
from functools import cache
from statistics import mean, stdev

from benchmarks.bench import QUICK, Bench, Result
from benchmarks.figures.quality.plan import SEARCH_SEED, Kind, Plan, kinds_of, searched_kinds
from benchmarks.figures.quality.published import IALS_192, PAPER
from benchmarks.figures.quality.recipes import Protocol
from benchmarks.job_cache import JobCache
from benchmarks.ours.logs import ML_1M, ML_100K, SYNTHETIC
from benchmarks.table import Row
from ncf.config import ModelName
from ncf.evaluation.baselines import can_ials

NAMES: dict[ModelName, str] = {
    "gmf": "GMF",
    "mlp": "MLP",
    "neumf": "NeuMF",
    "neumf-pretrained": "NeuMF pretrained",
}
DRAWN_BASELINES = ("ials",)  # random initial factors, so the mean of as many seeds as for the models
BASELINES = {"popularity": "popularity", "item-knn": "item-kNN", "ease": "EASE", "ials": "iALS (implicit)"}
PARTS_AND_FUSED: tuple[ModelName, ...] = ("gmf", "mlp", "neumf-pretrained")
METRICS = {"hr_at_10": "HR@10", "ndcg_at_10": "NDCG@10"}


@cache
def plan(bench: Bench, log: str, protocol: Protocol) -> Plan:
    """The jobs of a log and a protocol; with --quick, those of a small synthetic log."""
    small = bench.sizes == QUICK
    jobs = JobCache(bench, bench.folder / "jobs") if small else JobCache(bench)
    return Plan(jobs, SYNTHETIC if small else log, protocol, bench.sizes.quality)


def paper(bench: Bench) -> list[Row]:
    """GMF, MLP and NeuMF pretrained at every size, on the paper's split with its protocol."""
    return _paper(bench, "paper", PARTS_AND_FUSED)


def paper_neumf(bench: Bench) -> list[Row]:
    """The same for NeuMF from scratch."""
    return _paper(bench, "paper-neumf", ("neumf",))


def _paper(bench: Bench, name: str, models: Sequence[ModelName]) -> list[Row]:
    todo, sizes = plan(bench, ML_1M, "sampled"), bench.sizes.quality
    kinds = kinds_of(sizes.factors, models)
    todo.search(kinds)
    todo.train(kinds, sizes.seeds)
    return [row for kind in reversed(kinds) for row in _paper_rows(bench, name, todo, kind)]


def _paper_rows(bench: Bench, name: str, todo: Plan, kind: Kind) -> list[Row]:
    sizes = bench.sizes.quality
    finals = todo.finals(kind, sizes.seeds)
    spec, score = todo.chosen(kind)
    rows = []
    for place, (metric, title) in enumerate(METRICS.items()):
        values = [final[f"sampled/{metric}"] for final in finals]
        after = _best_on_test(finals, place)
        published = PAPER.get((kind.model, kind.factors))
        must = ">= 1" if (kind.model, kind.factors) == ("neumf-pretrained", 64) else ""
        validated = f"; validation {score:.4f}" if metric == "ndcg_at_10" else ""
        name_of = f"{NAMES[kind.model]}, {kind.factors} factors"
        figure = f"{name_of}: {title} (deviation {_deviation(values):.4f}{validated}; {after})"
        note = (
            f"the test holdout of the paper's split, 99 candidates a user; mean and deviation of {len(finals)} seeds. "
            "The peer is what the paper reports. Settings and epoch are chosen by validation NDCG@10 of one seed, in a "
            f"search of {sizes.trials} trials at {_listed(sizes.searched)} factors (MLP and NeuMF at "
            f"{_listed(sizes.searched_towers)}, NeuMF pretrained at {_listed(sizes.searched_fused)}), and taken over "
            "to the other sizes; then "
            "the models are trained on train and validation together, as the paper trains, for that many epochs, and "
            "read the test once. The figure at the epoch best on test is shown because the paper chose so; nothing "
            "here was chosen by it"
        )
        peer = published[place] if published else None
        threads, batch = 1, spec["recipe"]["training"]["batch_size"]
        rows.append(Row(name, figure, "", mean(values), peer, must, threads, batch, note, bench.measured))
    return rows


def _best_on_test(finals: Sequence[Result], place: int) -> str:
    curves = [[point[place] for point in final["curve"]] for final in finals]
    if not all(curves):
        return "the fused start, no epoch after it"
    return f"at the epoch best on test {mean(map(max, curves)):.4f}"


def best(bench: Bench) -> list[Row]:
    """The recommender with the best validation NDCG@10 of all searched ones on the paper's split."""
    todo, sizes = plan(bench, ML_1M, "sampled"), bench.sizes.quality
    kinds = candidates(bench)
    todo.search(kinds)
    winner = max(kinds, key=lambda kind: todo.chosen(kind)[1])
    todo.train([winner], sizes.best_seeds)
    finals = todo.finals(winner, sizes.best_seeds)
    spec, score = todo.chosen(winner)
    others = ", ".join(f"{title_of(kind)} {todo.chosen(kind)[1]:.4f}" for kind in kinds if kind != winner)
    note = (
        f"chosen by validation NDCG@10 (sampled, {score:.4f}) among all that were searched ({others}); trained on "
        f"train and validation together with {len(finals)} seeds. Settings: {spec['recipe']}, {spec['epochs']} epochs. "
        "The peer is the highest published on this split, iALS with 192 factors"
    )
    rows = []
    for place, (metric, title) in enumerate(METRICS.items()):
        values = [final[f"sampled/{metric}"] for final in finals]
        figure = f"{title_of(winner)}: {title} (deviation {_deviation(values):.4f})"
        rows.append(Row("best", figure, "", mean(values), IALS_192[place], ">= 1", 1, None, note, bench.measured))
    return rows


def candidates(bench: Bench) -> list[Kind]:
    """The candidates: the widest GMF and MLP, their fusion, a wider GMF, and its fusion with the MLP."""
    sizes = bench.sizes.quality
    widest = max(sizes.factors)
    fused = Kind("neumf-pretrained", widest, sizes.wide)
    return [*kinds_of([widest], PARTS_AND_FUSED), Kind("gmf", sizes.wide), fused]


def full_ml_1m(bench: Bench) -> list[Row]:
    """Full ranking on MovieLens-1M."""
    return _full(bench, ML_1M, "full-ml-1m")


def full_ml_100k(bench: Bench) -> list[Row]:
    """Full ranking on MovieLens-100K."""
    return _full(bench, ML_100K, "full-ml-100k")


def _full(bench: Bench, log: str, name: str) -> list[Row]:
    todo, sizes = plan(bench, log, "full"), bench.sizes.quality
    kinds = searched_kinds(sizes)
    todo.search(kinds)
    todo.train(kinds, sizes.seeds)
    labels = {kind: label for kind, label in BASELINES.items() if kind != "ials" or can_ials()}
    baselines = {baseline: _baseline(todo, baseline) for baseline in labels}
    note = (
        "the test holdout, every item that the user has not seen; models and iALS are the mean of "
        f"{len(sizes.seeds)} seeds, and iALS is the peer (if the extra als is there). Every row was tuned by "
        f"validation NDCG@10 (full) with {sizes.trials} trials (popularity has nothing to tune), and then "
        "fitted on train and validation together"
    )
    rows = []
    for metric, title in METRICS.items():
        key = f"full/{metric}"
        peer = mean(result[key] for result in baselines["ials"]) if "ials" in baselines else None
        finals = {labels[name]: (results, None) for name, results in baselines.items()}
        finals |= {title_of(kind): (todo.finals(kind, sizes.seeds), peer) for kind in kinds}
        for label, (results, beside) in finals.items():
            values = [result[key] for result in results]
            spread = f", deviation {_deviation(values):.4f}" if len(values) > 1 else ""
            figure = f"{label}: {title} (full{spread})"
            rows.append(Row(name, figure, "", mean(values), beside, "", 1, None, note, bench.measured))
    return rows


def _baseline(todo: Plan, kind: str) -> list[Result]:
    job = {"log": todo.log, "kind": kind}
    searched = {"task": "search_baseline", **job, "seed": SEARCH_SEED, "protocol": todo.protocol}
    found = todo.jobs.result({**searched, "trials": todo.sizes.trials})
    seeds = todo.sizes.seeds if kind in DRAWN_BASELINES else (SEARCH_SEED,)
    return [
        todo.jobs.result({"task": "final_baseline", **job, "seed": seed, "values": found["values"]}) for seed in seeds
    ]


def effects(bench: Bench) -> list[Row]:
    """Validation NDCG@10 of the small models by number of negatives per positive."""
    found = by_negatives(bench)
    numbers = bench.sizes.quality.negatives
    note = (
        "models of the smallest size with drawn negatives and the default settings otherwise, one seed; the best "
        "validation NDCG@10 (sampled) of each number"
    )
    return [
        Row(
            "effects",
            f"{NAMES[model]}, {min(bench.sizes.quality.factors)} factors, {number} negatives: validation NDCG@10",
            *("", result["sampled/ndcg_at_10"], None, "", 1, None, note, bench.measured),
        )
        for model, results in found.items()
        for number, result in zip(numbers, results, strict=True)
    ]


@cache
def by_negatives(bench: Bench) -> dict[ModelName, list[Result]]:
    """Validation metrics of GMF, MLP and NeuMF for each number of drawn negatives."""
    todo, numbers = plan(bench, ML_1M, "sampled"), bench.sizes.quality.negatives
    models: tuple[ModelName, ...] = ("gmf", "mlp", "neumf")
    jobs = [todo.negatives_job(Kind(model, min(bench.sizes.quality.factors)), n) for model in models for n in numbers]
    results = todo.jobs.results(f"{todo.log}: negatives", jobs)
    return {model: results[place * len(numbers) :][: len(numbers)] for place, model in enumerate(models)}


def title_of(kind: Kind) -> str:
    """Name and size of a model in words."""
    if kind.gmf_factors:
        return f"{NAMES[kind.model]}, GMF of {kind.gmf_factors} and MLP of {kind.factors} factors"
    return f"{NAMES[kind.model]}, {kind.factors} factors"


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(str(number) for number in numbers)
