"""From decoded photographs to batches: statistics, sampling, mixing, loading."""
