"""What has changed in a log since the champion was trained on it."""
