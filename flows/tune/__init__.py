"""Search the settings of the models."""
