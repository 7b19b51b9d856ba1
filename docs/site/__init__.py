"""Builds the documentation site together with MkDocs: `make docs`."""
