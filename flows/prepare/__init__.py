"""Read a log and check it; the settings and credentials that every flow shares."""
