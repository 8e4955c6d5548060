"""The photographs of a spec: read, checked, put into folds, kept in the run folder."""
