"""Our side of the speed benchmark: `python -m benchmarks.ours JOB`, one job a process, as JSON in and out."""
