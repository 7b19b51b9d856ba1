"""Quality: what is searched, trained and read off the test holdout, and how it is shown."""
