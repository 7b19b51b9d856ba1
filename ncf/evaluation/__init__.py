"""Metrics, rankings, baselines and the comparison of models."""
