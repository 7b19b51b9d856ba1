"""The command line: options from settings, one line for an error, checks before any work."""
