"""Recommendations for many users at once: block by block into a file, an fsspec URL or a table of a database."""
