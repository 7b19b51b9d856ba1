"""The past replayed: what a model trained at some moment would have done in the weeks after it."""
