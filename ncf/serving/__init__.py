"""What it takes to recommend with a trained model."""
