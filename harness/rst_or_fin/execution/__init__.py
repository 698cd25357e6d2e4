"""Plays the cells of a matrix, on worker processes or a Dask cluster, and keeps what they gave."""
