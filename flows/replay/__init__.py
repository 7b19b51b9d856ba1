"""The parts of a backtest: trainings by moment, windows by week, and what they say together."""
