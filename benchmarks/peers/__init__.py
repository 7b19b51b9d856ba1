"""The peers' side of the speed benchmark: an environment of their own, and scripts that run in it."""
