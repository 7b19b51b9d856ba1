"""Where an epoch's time goes, and what the machine could do at best."""

from itertools import pairwise

from benchmarks.bench import Bench
from benchmarks.figures.training import NEUMF_8
from benchmarks.table import Row

BATCHES = (256, 16_384)
PARTS = {
    "sampling": "shuffling and sampling",
    "forward": "forward (gather and products)",
    "backward": "backward (products and scatter)",
    "optimizer": "optimizer and zero_grad",
    "lightning": "Lightning",
    "rest": "the rest (loss, labels, splitting)",
}
OPERATIONS_BATCH = 16_384
LIMITS_NOTE = (
    "best of 7 tries; the share: the products of NeuMF-8's forward and backward pass, counted as 3 x forward, over the "
    "seconds of an epoch"
)


def profile(bench: Bench) -> list[Row]:
    """Share of each part of an epoch, one thread."""
    rows = []
    for batch in BATCHES:
        answer = bench.ours("profile", **NEUMF_8, threads=1, batch_size=batch)
        note = (
            f"share of the second epoch of fit() on {bench.sizes.log}, validation left out; timed around the calls "
            "themselves, which costs a little; Lightning: its loop with steps that do nothing"
        )
        for part, words in PARTS.items():
            share = 100 * answer["parts"][part] / answer["seconds"]
            rows.append(known(bench, "profile", f"NeuMF-8 epoch: {words}", "%", share, 1, batch, note))
    return rows


def operations(bench: Bench) -> list[Row]:
    """The operations that take most, by torch's profiler."""
    answer = bench.ours("operations", bench.sizes.log, **NEUMF_8, threads=1, batch_size=OPERATIONS_BATCH)
    note = (
        f"self time of operations in fit() for one epoch on {bench.sizes.log} with 50 users validated, before and "
        "after, as share of all that torch.profiler saw"
    )
    return [
        known(bench, "operations", f"`{name}`, {count} calls", "%", 100 * share, 1, OPERATIONS_BATCH, note)
        for name, share, count in answer["operations"]
    ]


def limits(bench: Bench) -> list[Row]:
    """The machine's rate of float32 products and of copying, and what share of the first a training reaches."""
    rows = []
    size, numbers = bench.sizes.matrix_size, bench.sizes.copied_numbers
    rates = {}
    for threads in bench.thread_choices:
        answer = bench.ours("limits", threads=threads, matrix_size=size, copied_numbers=numbers)
        rates[threads] = answer["gflops"]
        for figure, unit, value in (
            (f"product of two {size} x {size} float32 matrices", "GFLOP/s", answer["gflops"]),
            (f"copy of {4 * numbers / 1e6:.0f} MB, read + written", "GB/s", answer["gb_per_second"]),
        ):
            rows.append(known(bench, "limits", figure, unit, value, threads, None, LIMITS_NOTE))
    for batch in BATCHES:
        answer = bench.ours("train", **NEUMF_8, threads=1, batch_size=batch, warm_up=1, epochs=1, validate=False)
        reached = flops_per_sample() * answer["samples"] / answer["seconds"][0] / 1e9
        figure = f"NeuMF-8 training: {reached:.2g} GFLOP/s of products, share of the limit"
        rows.append(known(bench, "limits", figure, "%", 100 * reached / rates[1], 1, batch, LIMITS_NOTE))
    return rows


def known(
    bench: Bench, row: str, figure: str, unit: str, ours: float, threads: int, batch: int | None, note: str
) -> Row:
    """A row that is only to be known: without a peer, and nothing it must be."""
    return Row(row, figure, unit, ours, None, "", threads, batch, note, bench.measured)


def flops_per_sample() -> int:
    """Multiplications and additions of one sample's products, forward and backward, without sharing the user half."""
    layers: list[int] = NEUMF_8["layers"]
    products = sum(width_in * width_out for width_in, width_out in pairwise(layers))
    gmf: int = 2 * NEUMF_8["embedding_dim"]
    return 3 * 2 * (products + layers[-1] + gmf)
