"""Training: samples/s, memory, and seconds to a given HR@10, compared with RecBole's NeuMF."""

from statistics import median
from typing import Any

from benchmarks.bench import Bench, Result
from benchmarks.table import Row

# Our names; the peer's script translates them. NeuMF-8 is the paper's model with 8 predictive factors.
NEUMF_8: dict[str, Any] = {
    "embedding_dim": 8,
    "layers": [64, 32, 16, 8],
    "dropout": 0.0,
    "num_negatives": 4,
    "learning_rate": 0.001,
}
# RecBole 1.2.1, properties/model/NeuMF.yaml and overall.yaml
RECBOLE_DEFAULT: dict[str, Any] = {
    "embedding_dim": 64,
    "layers": [128, 128, 64],
    "dropout": 0.1,
    "num_negatives": 1,
    "learning_rate": 0.001,
    "batch_size": 2048,
}
SMALL_BATCH = 256
GROWTH_BATCHES = (65_536, 262_144, 1_048_576)
BATCHES = (4_096, 16_384, 65_536)  # on both sides, with one thread and with all
TARGET_SETTINGS: dict[str, Any] = {
    **NEUMF_8,
    "learning_rate": 0.004,
    "batch_size": 4_096,
    "validate_by": "sampled",
}
SAMPLES = "1000 samples/s"
COUNTED = (
    "samples = positives x (1 + negatives); median of {epochs} epochs after one of warm-up, on {log}. Ours: fit() from "
    "one validation's end to the next one's beginning, so shuffling, sampling, steps, Lightning and keeping the best "
    "weights. RecBole: Trainer._train_epoch, so its sampling, loader and steps"
)


def small_batch(bench: Bench) -> list[Row]:
    """NeuMF-8 at batch size 256, one thread each; our rate with torch's steps is in the note."""
    settings = {**NEUMF_8, "batch_size": SMALL_BATCH, "threads": 1}
    return [_beside(bench, "batch-256", "NeuMF-8 training, batch 256", settings, ">= 2")]


def best_batch(bench: Bench) -> list[Row]:
    """NeuMF-8 with the best batch size and number of threads of each side."""
    tried: dict[str, dict[tuple[int, int], float]] = {"ours": {}, "ours by torch": {}, "peer": {}}
    for batch in BATCHES:
        for threads in bench.thread_choices:
            settings = {**NEUMF_8, "batch_size": batch, "threads": threads}
            rates = (*our_rates(bench, settings), samples_per_second(train(bench, "peer", settings)))
            for side, rate in zip(tried, rates, strict=True):
                tried[side][batch, threads] = rate
    best = [max(side, key=lambda choice: side[choice]) for side in tried.values()]
    values = [side[choice] for side, choice in zip(tried.values(), best, strict=True)]
    best_batches, best_threads = (f"{best[0][place]} / {best[2][place]}" for place in (0, 1))
    seen = "; ".join(
        f"{side}: " + ", ".join(f"{rate:.0f} ({batch}, {threads})" for (batch, threads), rate in rates.items())
        for side, rates in tried.items()
    )
    note = f"{counted(bench)}. All that was tried, as rate (batch, threads): {seen}"
    figure = "NeuMF-8 training, best batch and threads of each"
    return [
        Row("best", figure, SAMPLES, values[0], values[2], ">= 2", best_threads, best_batches, note, bench.measured)
    ]


def recbole_default(bench: Bench) -> list[Row]:
    """RecBole's default NeuMF: 64 dimensions, tower 128-128-64, dropout 0.1, 1 negative, batch 2048."""
    settings = {**RECBOLE_DEFAULT, "threads": 1}
    figure = "RecBole's default NeuMF (64 dimensions, 1 negative), training"
    return [_beside(bench, "recbole-default", figure, settings, ">= 5")]


def our_rates(bench: Bench, settings: dict[str, Any]) -> tuple[float, float]:
    """Thousand samples per second with compiled steps and with torch's steps."""
    compiled, plain = (
        samples_per_second(train(bench, "ours", {**settings, "compile": choice})) for choice in (True, False)
    )
    return compiled, plain


def _beside(bench: Bench, row: str, figure: str, settings: dict[str, Any], must: str) -> Row:
    """The same settings on both sides; our rate with torch's steps is in the note."""
    compiled, plain = our_rates(bench, settings)
    peer = samples_per_second(train(bench, "peer", settings))
    note = (
        f"{counted(bench)}. Ours with compiled steps, as by default where there is a C++ compiler; with torch's "
        f"(hardware.compile: false): {plain:.0f}, ratio {plain / peer:.2f}"
    )
    threads, batch = settings["threads"], settings["batch_size"]
    return Row(row, figure, SAMPLES, compiled, peer, must, threads, batch, note, bench.measured)


def until_target(bench: Bench) -> list[Row]:
    """Seconds until the validation HR@10 (sampled) reaches the target."""
    target, epochs = bench.sizes.target, bench.sizes.most_epochs
    figure = f"seconds until validation HR@10 (sampled) is {target:g}"
    paper = {**NEUMF_8, "batch_size": SMALL_BATCH}
    ours, peer = (
        getattr(bench, side)("until", **settings, threads=1, epochs=epochs, target=target)
        for side, settings in (("ours", TARGET_SETTINGS), ("peer", paper))
    )
    batches = f"{TARGET_SETTINGS['batch_size']} / {SMALL_BATCH}"
    note = (
        f"seconds of fit() and of RecBole's Trainer.fit, validation after each epoch included, NeuMF-8 from scratch on "
        f"{bench.sizes.log}; the peer with the paper's settings (Adam 0.001, batch 256), ours with Adam "
        f"{TARGET_SETTINGS['learning_rate']:g} and validation by the candidates alone; HR@10 by "
        f"epoch, ours: {_rates(ours)}; peer: {_rates(peer)}"
    )
    if not peer["reached"]:
        note += f"; the peer had not reached it when it was stopped after {epochs} epochs: it would take longer"
    seconds = ours["seconds"] if ours["reached"] else None
    return [Row("until", figure, "s", seconds, peer["seconds"], "<= 0.25", 1, batches, note, bench.measured)]


def memory(bench: Bench) -> list[Row]:
    """Peak memory of a process that trains and validates."""
    settings = {**NEUMF_8, "batch_size": 2_048, "threads": 1, "warm_up": 0, "epochs": 1, "validate": True}
    ours, peer = (getattr(bench, side)("train", **settings)["peak_mb"] for side in ("ours", "peer"))
    note = (
        f"the whole process: libraries, reading {bench.sizes.log}, one epoch of NeuMF-8 and its validation (ours: full "
        "and sampled ranking; RecBole: uni99); megabytes of 10^6"
    )
    return [Row("memory", "peak memory, NeuMF-8 training", "MB", ours, peer, "<= 1", 1, 2_048, note, bench.measured)]


def growth(bench: Bench) -> list[Row]:
    """Cost of a sample on a log of ML-20M's shape relative to one of ML-1M's shape, each at its best batch size."""
    tried: dict[str, dict[int, float]] = {}
    peaks: dict[int, float] = {}
    for log in (bench.sizes.larger, bench.sizes.synthetic):
        for batch in GROWTH_BATCHES:
            settings = {**NEUMF_8, "batch_size": batch, "threads": 1, "validate": False, "warm_up": 1}
            result = bench.ours("train", log, **settings, epochs=1)
            tried.setdefault(str(log), {})[batch] = samples_per_second(result)
            peaks[batch] = max(peaks.get(batch, 0), result["peak_mb"])
    large, small = (max(rates, key=lambda batch: rates[batch]) for rates in tried.values())
    worst, best = (max(rates.values()) for rates in tried.values())
    seen = "; ".join(
        f"{log}: " + ", ".join(f"{rate:.0f} ({batch})" for batch, rate in rates.items()) for log, rates in tried.items()
    )
    note = (
        "seconds a sample of a NeuMF-8 epoch after one of warm-up, of the larger log divided by those of the smaller "
        f"one, each at the best batch of those tried; thousand samples/s (batch): {seen}; peak memory at most "
        f"{max(peaks.values()):.0f} MB"
    )
    figure = "cost of a sample, ML-20M's shape / ML-1M's shape, best batch of each"
    return [Row("growth", figure, "", best / worst, None, "<= 1.5", 1, f"{large} / {small}", note, bench.measured)]


def train(bench: Bench, side: str, settings: dict[str, Any]) -> Result:
    """Train on one side."""
    result: Result = getattr(bench, side)("train", **settings, warm_up=1, epochs=bench.sizes.epochs, validate=False)
    return result


def samples_per_second(result: Result) -> float:
    """Thousand samples per second of the median epoch."""
    return float(result["samples"] / median(result["seconds"]) / 1000)


def counted(bench: Bench) -> str:
    """What a training row counts."""
    return COUNTED.format(epochs=bench.sizes.epochs, log=bench.sizes.log)


def _rates(result: Result) -> str:
    return " ".join(f"{rate:.4f}".removeprefix("0") for rate in result["hit_rates"])
