"""The parts of a backtest: trainings by moment, windows in turn, and what they say together."""
