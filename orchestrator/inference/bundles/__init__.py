"""A trained ensemble as one folder: written from a run, read back, and asked without this package."""
