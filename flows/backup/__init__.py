"""`python -m flows.backup backup | restore`: databases and files of one machine."""
