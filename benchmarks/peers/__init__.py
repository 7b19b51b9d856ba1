"""The peer's side of the benchmarks: a separate environment and the scripts that run in it."""
