"""Where the time of an epoch goes, and what the machine can do at best."""

from itertools import pairwise
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures.training import NEUMF_8, RECBOLE_DEFAULT, SAMPLES
from benchmarks.ours.machine import LAYER_ROWS, LAYER_WIDTH
from benchmarks.table import Row

BATCHES = (256, 16_384)
PROFILED: tuple[tuple[str, dict[str, Any], int], ...] = (
    *(("NeuMF-8", NEUMF_8, batch) for batch in BATCHES),
    ("RecBole's default NeuMF", RECBOLE_DEFAULT, RECBOLE_DEFAULT["batch_size"]),
)
STAGES = {
    "sampling": "shuffling and sampling",
    "find": "distinct rows of the batch",
    "look up": "gather, and the first layer of each row",
    "forward": "forward",
    "loss": "loss",
    "backward": "backward",
    "pass on": "back through the first layer, and Adam for its rows",
    "finish": "Adam for the other weights",
    "lightning": "Lightning",
    "rest": "the rest (Python around the steps)",
}
LAYER = f"of {LAYER_WIDTH} x {LAYER_WIDTH} on {LAYER_ROWS:,} samples"
LIMITS_NOTE = (
    "best of 7 tries; the share: the products of the forward and backward pass, counted as 3 x forward of each sample "
    "by itself, over the seconds of an epoch (fewer are made: the first layer's of distinct rows alone); the products "
    "alone: what these would allow if all else cost nothing"
)


def profile(bench: Bench) -> list[Row]:
    """Share of each stage of an epoch, one thread."""
    rows = []
    for name, model, batch in PROFILED:
        result = bench.ours("profile", **{**model, "batch_size": batch}, threads=1)
        note = (
            f"share of the second epoch of fit() on {bench.sizes.log}, validation left out, by the compiled steps' own "
            "clock, which costs a little; Lightning: its loop with steps that do nothing"
        )
        for stage, words in STAGES.items():
            share = 100 * result["parts"][stage] / result["seconds"]
            rows.append(untargeted(bench, "profile", f"{name} epoch: {words}", "%", share, 1, batch, note))
    return rows


def limits(bench: Bench) -> list[Row]:
    """The machine's rate of float32 products and of copying, and which share of the former a training reaches."""
    rows = []
    size, numbers = bench.sizes.matrix_size, bench.sizes.copied_numbers
    rates = {}
    for threads in bench.thread_choices:
        result = bench.ours("limits", threads=threads, matrix_size=size, copied_numbers=numbers)
        rates[threads] = max(result["gflops"], result["onednn_gflops"])
        for figure, unit, value in (
            (f"product of two {size} x {size} float32 matrices, torch's own", "GFLOP/s", result["gflops"]),
            (f"product of two {size} x {size} float32 matrices, oneDNN", "GFLOP/s", result["onednn_gflops"]),
            (f"layer {LAYER}, product and gradients, torch's own", "GFLOP/s", result["torch_layer_gflops"]),
            (f"layer {LAYER}, product and gradients, as torch's steps have it", "GFLOP/s", result["layer_gflops"]),
            (f"copy of {4 * numbers / 1e6:.0f} MB, read + written", "GB/s", result["gb_per_second"]),
        ):
            rows.append(untargeted(bench, "limits", figure, unit, value, threads, None, LIMITS_NOTE))
    for name, model, batch in PROFILED:
        settings = {**model, "batch_size": batch, "threads": 1, "warm_up": 1, "epochs": 1, "validate": False}
        result = bench.ours("train", **settings)
        reached = flops_per_sample(model) * result["samples"] / result["seconds"][0] / 1e9
        figure = f"{name} training: {reached:.3g} GFLOP/s of products, share of the limit"
        rows.append(untargeted(bench, "limits", figure, "%", 100 * reached / rates[1], 1, batch, LIMITS_NOTE))
    bound = rates[1] * 1e9 / flops_per_sample(RECBOLE_DEFAULT) / 1000
    figure = "RecBole's default NeuMF: its products alone, at that rate"
    batch = RECBOLE_DEFAULT["batch_size"]
    rows.append(untargeted(bench, "limits", figure, SAMPLES, bound, 1, batch, LIMITS_NOTE))
    return rows


def untargeted(
    bench: Bench, row: str, figure: str, unit: str, ours: float, threads: int, batch: int | None, note: str
) -> Row:
    """A row without a peer and without a target."""
    return Row(row, figure, unit, ours, None, "", threads, batch, note, bench.measured)


def flops_per_sample(model: dict[str, Any]) -> float:
    """Multiplications and additions of one sample's products, forward and backward.

    The user's half of the first layer is shared by a positive and its negatives.
    """
    layers: list[int] = model["layers"]
    half = layers[0] // 2 * layers[1]
    tower = half / (1 + model["num_negatives"]) + half + sum(a * b for a, b in pairwise(layers[1:])) + layers[-1]
    return float(3 * 2 * (tower + 2 * model["embedding_dim"]))
