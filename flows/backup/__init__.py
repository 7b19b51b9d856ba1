"""`python -m flows.backup backup | restore`: what the servers of one machine keep, and `make retrain`."""
