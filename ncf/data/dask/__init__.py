"""The same preparation for a log that does not fit into memory: in pieces, by the workers of a Dask cluster.

Read, checked and coded piece by piece (`reading`, `verdict`, `coding`), regrouped so that each piece has whole users
(`grouped`), filtered there, and put together in this process as soon as one row a pair is left (`prepare`). Pieces are
files in a folder that all workers see; only small summaries travel.
"""
