"""Read a log and check it; settings that every flow has in common."""
