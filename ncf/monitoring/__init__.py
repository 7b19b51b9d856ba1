"""What has changed in a log since a model was trained on it: pure functions. What follows is in `flows.monitor`."""
