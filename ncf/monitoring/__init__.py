"""What has changed in a log since a model was trained on it. Pure functions; what follows from them is in flows."""
