"""The one way to train a model."""
