"""Parts of `train-members`."""
