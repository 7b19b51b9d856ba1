"""From an interaction log to a prepared data set, and its negatives."""
