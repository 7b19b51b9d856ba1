"""From a log to a registered champion and its recommendations."""
