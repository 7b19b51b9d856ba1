"""One script a figure; each writes its rows to benchmarks/results/."""
