"""Which photograph is in which fold: by scheme, or as a file says."""
