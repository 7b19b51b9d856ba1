"""One script per page of results; each writes its rows to benchmarks/results/."""
